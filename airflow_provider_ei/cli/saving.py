"""Saves the result of a check in the extra of an Airflow connection."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_ei.hooks.connection import SERVICE_FIELD
from airflow_provider_ei.studio.known_service import KnownService


def save_service(conn_id: str, service: KnownService) -> list[str]:
    """Save what is known in the connection's extra, and return what to tell the person.

    Only a connection in Airflow's database can be written. For any other one, the lines say where it comes from and
    what to put there.
    """
    facts = service.facts()
    home = _home(conn_id)
    if home is not None:
        return [
            f"Not saved: connection {conn_id!r} comes from {home}, where this command cannot write. Put this into its "
            "extra yourself:",
            json.dumps({SERVICE_FIELD: facts}),
        ]
    _write(conn_id, facts)
    return [f"Saved as {SERVICE_FIELD!r} in the extra of connection {conn_id!r}."]


def _home(conn_id: str) -> str | None:
    """Return where Airflow finds the connection first; None for its database."""
    from airflow.configuration import ensure_secrets_loaded
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend
    from airflow.secrets.metastore import MetastoreBackend

    for backend in ensure_secrets_loaded():
        if isinstance(backend, MetastoreBackend):
            return None
        if _has(backend, conn_id):
            if isinstance(backend, EnvironmentVariablesBackend):
                return f"the environment variable AIRFLOW_CONN_{conn_id.upper()}"
            return f"the secrets backend {type(backend).__name__}"
    return None


def _has(backend: Any, conn_id: str) -> bool:
    try:
        return backend.get_connection(conn_id=conn_id) is not None
    except Exception:  # Airflow asks the next backend after any error
        return False


def _write(conn_id: str, facts: dict[str, Any]) -> None:
    """Write the facts as a string of JSON: both versions of Airflow show and keep it in the form."""
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        connection = session.scalars(select(Connection).where(Connection.conn_id == conn_id)).one()
        extra = json.loads(connection.extra) if connection.extra else {}
        extra[SERVICE_FIELD] = json.dumps(facts)
        connection.set_extra(json.dumps(extra))
