"""Permissions of the page and the tab, from Airflow's auth manager, as for Airflow's own pages."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.batch_apis import IsAuthorizedDagRequest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.configuration import conf
from airflow.models.dag import DagModel
from sqlalchemy.orm import Session

#: Parts of a DAG that the page and the tab show.
ENTITIES = (DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)


def readable_dags(user: Any) -> set[str]:
    """Return the DAGs that the user may read."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def dags_with_readable_xcoms(user: Any, dag_ids: Collection[str], session: Session) -> set[str]:
    """Return those of the DAGs whose task instances and XComs the user may read.

    Asks once for all DAGs, and once for each DAG only if not all are permitted.
    """
    manager = get_auth_manager()
    has_teams = conf.getboolean("core", "multi_team", fallback=False)
    requests = {
        dag_id: _requests(dag_id, DagModel.get_team_name(dag_id, session=session) if has_teams else None)
        for dag_id in dag_ids
    }
    if manager.batch_is_authorized_dag([one for group in requests.values() for one in group], user=user):
        return set(dag_ids)
    return {dag_id for dag_id, group in requests.items() if manager.batch_is_authorized_dag(group, user=user)}


def _requests(dag_id: str, team_name: str | None) -> list[IsAuthorizedDagRequest]:
    details = DagDetails(id=dag_id, team_name=team_name)
    return [{"method": "GET", "access_entity": entity, "details": details} for entity in ENTITIES]
