"""Airflow connections of the types ``edge_impulse`` and ``edge_impulse_project``: the forms, and reading a connection.

Airflow 3 builds the form from the provider's metadata, Airflow 2 from methods of the hook. Both use the definitions in
this module.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

from airflow_provider_ei.exceptions import EdgeImpulseConfigError
from airflow_provider_ei.numeric import read_number
from airflow_provider_ei.redaction import know_secret
from airflow_provider_ei.studio.known_service import KnownService
from airflow_provider_ei.studio.settings import DEFAULT_BASE_URL, MAX_SECONDS, StudioSettings, parse_base_url

log = logging.getLogger(__name__)

#: Connections whose unknown extras were already logged. Sensors read their connection at every poke.
_warned: set[tuple[str, tuple[str, ...]]] = set()

CONN_TYPE = "edge_impulse"
HOOK_NAME = "Edge Impulse"
#: The connection that a task of an organization uses by default.
DEFAULT_CONN_ID = "edge_impulse_default"
#: The extra with what a check has found out.
SERVICE_FIELD = "service"
DEFAULT_INGESTION_URL = "https://ingestion.edgeimpulse.com"


@dataclass(frozen=True)
class ExtraField:
    """An optional field of the connection's extra; ``kind`` is its JSON type: a number, an integer or a string."""

    label: str
    description: str
    kind: str


EXTRA_FIELDS = {
    "organization_id": ExtraField(
        "Organization ID",
        "The number in Studio's URL. Default: the organization of the API key.",
        "integer",
    ),
    "connect_timeout": ExtraField("Connect timeout", "Seconds to establish the connection. Default: 15.", "number"),
    "write_timeout": ExtraField(
        "Write timeout",
        "Seconds to send one block of 128 KiB, not the whole upload. Default: 60.",
        "number",
    ),
    "read_timeout": ExtraField(
        "Read timeout", "Seconds to receive the complete response after sending. Default: 300.", "number"
    ),
    "retry_attempts": ExtraField("Retry attempts", "Total tries of a request. Default: 4.", "integer"),
    "retry_wait": ExtraField("Retry wait", "Base of the backoff between tries, in seconds. Default: 1.", "number"),
    "settle_seconds": ExtraField(
        "Settle time",
        "Seconds to wait before checking whether an upload without a response has arrived. Default: 5.",
        "number",
    ),
    "throttle_patience": ExtraField(
        "Throttle patience",
        "Seconds to wait while all requests are throttled. Default: 600.",
        "number",
    ),
    "batch_files": ExtraField(
        "Files per request", "Maximum number; the API accepts 10,000. Default: 10000.", "integer"
    ),
    "batch_bytes": ExtraField(
        "Bytes per request", "Maximum size; a larger file gets its own request. Default: 268435456.", "integer"
    ),
    SERVICE_FIELD: ExtraField(
        "Service",
        "What a check has found out about the service: python -m airflow_provider_ei check --write --save.",
        "string",
    ),
}

PROJECT_FIELDS = {
    "project_id": ExtraField(
        "Project ID", "The number in Studio's URL. Default: the project of the API key.", "integer"
    ),
    "ingestion_host": ExtraField(
        "Ingestion host", f"Base URL of the ingestion service. Default: {DEFAULT_INGESTION_URL}.", "string"
    ),
    # Airflow masks an extra only if its name says that it is a secret.
    "hmac_secret": ExtraField(
        "HMAC key", "Only for transformations into the project, if the service asks for projectHmacKey.", "string"
    ),
    **{
        name: EXTRA_FIELDS[name]
        for name in (
            *("connect_timeout", "write_timeout", "read_timeout", "retry_attempts", "retry_wait", "settle_seconds"),
            "throttle_patience",
        )
    },
}

# The port is not hidden: for a connection without a port, the test button of Airflow 3.3 sends 0, and fails unless the
# saved connection has port 0, too.
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "login"],
    "relabeling": {
        "password": "API key",
        "host": "Studio base URL",
        "port": "Port (enter 0)",
    },
    "placeholders": {"password": "ei_…", "host": DEFAULT_BASE_URL, "port": "0"},
}


@dataclass(frozen=True)
class ConnectionType:
    """A type of Airflow connection.

    :param owner: whose key it has, with where Studio shows it.
    :param id_field: the extra with the owner's id.
    :param fields: the fields of the extra.
    """

    conn_type: str
    hook_name: str
    owner: str
    id_field: str
    fields: Mapping[str, ExtraField]


ORGANIZATION = ConnectionType(
    CONN_TYPE, HOOK_NAME, "organization (Studio: organization, API keys)", "organization_id", EXTRA_FIELDS
)
PROJECT = ConnectionType(
    "edge_impulse_project",
    "Edge Impulse project",
    "project (Studio: project, Dashboard, Keys)",
    "project_id",
    PROJECT_FIELDS,
)

_JSON_TYPES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


class AirflowConnection(Protocol):
    """The attributes of Airflow's Connection that are read."""

    conn_id: Any
    host: Any
    schema: Any
    login: Any
    password: Any
    port: Any
    extra: Any

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extra as a dict."""


def read_connection(
    connection: AirflowConnection, kind: ConnectionType = ORGANIZATION
) -> tuple[StudioSettings, int | None]:
    """Return the settings in a connection, and the id of its organization or project if it has one.

    :raises EdgeImpulseConfigError: naming the connection and the field that is missing or wrong.
    """
    try:
        extra = _read_extra(connection, kind)
        return _settings(connection, extra, kind), _number(kind.id_field, extra, kind="integer")
    except EdgeImpulseConfigError as error:
        raise EdgeImpulseConfigError(f"{error} (Connection {connection.conn_id!r}.)") from None


def read_ingestion_url(connection: AirflowConnection) -> str:
    """Return the base URL of the ingestion service in a connection to a project.

    :raises EdgeImpulseConfigError: naming the connection, when it is not a base URL.
    """
    url = _read_extra(connection, PROJECT).get("ingestion_host") or DEFAULT_INGESTION_URL
    text = str(url).strip()
    text = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(text)
        is_base_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_base_url = False
    if not is_base_url or "@" in text or "?" in text or "#" in text or any(one.isspace() for one in text):
        # Not shown: it may be a secret in the wrong field.
        raise EdgeImpulseConfigError(
            f"Set extra 'ingestion_host' to a base URL such as {DEFAULT_INGESTION_URL}, or leave it out; it is "
            f"something else. (Connection {connection.conn_id!r}.)"
        )
    return text.rstrip("/")


def read_hmac_key(connection: AirflowConnection) -> str | None:
    """Return the HMAC key in a connection to a project; None when it has none."""
    value = _read_extra(connection, PROJECT).get("hmac_secret")
    key = str(value or "").strip()
    know_secret(key)
    return key or None


def _read_extra(connection: AirflowConnection, kind: ConnectionType) -> dict[str, Any]:
    """Return the extra, which Airflow does not always check. An invalid extra is not shown: it may contain secrets."""
    if not connection.extra:
        return {}
    try:
        value = json.loads(connection.extra)
    except (TypeError, ValueError, RecursionError):
        found = "it is not JSON"
    else:
        if isinstance(value, dict):
            return connection.extra_dejson  # masks secrets
        found = f"it is a JSON {_JSON_TYPES[type(value)]}"
    raise EdgeImpulseConfigError(f'Make the extra a JSON object, such as {{"{kind.id_field}": 7}}, or empty: {found}.')


def _settings(connection: AirflowConnection, extra: dict[str, Any], kind: ConnectionType) -> StudioSettings:
    key = (connection.password or "").strip()  # secrets from files end with a line break
    if not key:
        hint = " Login is not used; if it contains the key, move the key." if connection.login else ""
        raise EdgeImpulseConfigError(f"Put a key of the {kind.owner} into Password (API key), which is empty." + hint)
    if unknown := sorted(set(extra) - set(kind.fields)):
        _warn_once(connection.conn_id, unknown)
    if connection.schema:
        # From a connection in URI form, whose path becomes the schema.
        raise EdgeImpulseConfigError(
            f"Put Studio's whole base URL into Host, such as {DEFAULT_BASE_URL}, and leave Schema empty: it is "
            f"{connection.schema!r} and would be ignored."
        )
    given = {
        name: _number(name, extra, kind=field.kind)
        for name, field in kind.fields.items()
        if name != kind.id_field and field.kind != "string"
    }
    service = KnownService.parse(extra.get(SERVICE_FIELD))
    known = {} if service.settle_seconds is None else {"settle_seconds": service.settle_seconds}
    return StudioSettings(
        api_key=key,
        base_url=parse_base_url(connection.host, port=connection.port),
        service=service,
        **known | {name: value for name, value in given.items() if value is not None},
    )


def _warn_once(conn_id: Any, unknown: list[str]) -> None:
    mark = (str(conn_id), tuple(unknown))
    if mark not in _warned:
        _warned.add(mark)
        log.warning("Remove or correct the unknown extras of connection %r: %s.", conn_id, ", ".join(unknown))


def _number(name: str, extra: dict[str, Any], *, kind: str) -> Any:
    value = extra.get(name)
    if value is None or value == "":
        return None
    number = read_number(value)
    if number is None or number <= 0 or (kind == "integer" and number != int(number)):
        what = "a positive whole number" if kind == "integer" else "a positive number of seconds"
        raise EdgeImpulseConfigError(f"Set extra {name!r} to {what}, not {value!r}.")
    if kind == "number" and number > MAX_SECONDS:
        raise EdgeImpulseConfigError(f"Set extra {name!r} to at most {MAX_SECONDS:.0f} seconds, a day, not {value!r}.")
    return int(number) if kind == "integer" else float(number)


def form_widgets(kind: ConnectionType = ORGANIZATION) -> dict[str, Any]:
    """Return the form's own fields for Airflow 2."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import IntegerField, StringField
    from wtforms.validators import Optional

    # Airflow 2 has no form field for fractions; strings are read as numbers.
    kinds = {"integer": IntegerField, "number": StringField, "string": StringField}
    return {
        name: kinds[field.kind](
            field.label,
            widget=BS3TextFieldWidget(),
            validators=[Optional()],
            description=field.description,
        )
        for name, field in kind.fields.items()
    }


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
