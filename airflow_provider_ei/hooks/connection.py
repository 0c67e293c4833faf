"""Airflow connections of type ``edge_impulse``: the form, and reading a connection.

Airflow 3 builds the form from the provider's metadata, Airflow 2 from methods of the hook. Both use the definitions in
this module.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

from airflow_provider_ei.exceptions import EdgeImpulseConfigError
from airflow_provider_ei.numeric import read_number
from airflow_provider_ei.studio.settings import DEFAULT_BASE_URL, MAX_SECONDS, StudioSettings, parse_base_url

log = logging.getLogger(__name__)

#: Connections whose unknown extras were already logged. Sensors read their connection at every poke.
_warned: set[tuple[str, tuple[str, ...]]] = set()

CONN_TYPE = "edge_impulse"
HOOK_NAME = "Edge Impulse"


@dataclass(frozen=True)
class ExtraField:
    """An optional field of the connection's extra; ``kind`` is its JSON type."""

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


def read_connection(connection: AirflowConnection) -> tuple[StudioSettings, int | None]:
    """Return the settings in a connection, and its organization id if it has one.

    :raises EdgeImpulseConfigError: naming the connection and the field that is missing or wrong.
    """
    try:
        extra = _read_extra(connection)
        return _settings(connection, extra), _number("organization_id", extra, kind="integer")
    except EdgeImpulseConfigError as error:
        raise EdgeImpulseConfigError(f"{error} (Connection {connection.conn_id!r}.)") from None


def _read_extra(connection: AirflowConnection) -> dict[str, Any]:
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
    raise EdgeImpulseConfigError(
        'Make the extra a JSON object, such as {"organization_id": 7}, or empty: ' + found + "."
    )


def _settings(connection: AirflowConnection, extra: dict[str, Any]) -> StudioSettings:
    key = (connection.password or "").strip()  # secrets from files end with a line break
    if not key:
        hint = " Login is not used; if it contains the key, move the key." if connection.login else ""
        raise EdgeImpulseConfigError(
            "Put a key of the organization (Studio: organization, API keys) into Password (API key), which is empty."
            + hint
        )
    if unknown := sorted(set(extra) - set(EXTRA_FIELDS)):
        _warn_once(connection.conn_id, unknown)
    if connection.schema:
        # From a connection in URI form, whose path becomes the schema.
        raise EdgeImpulseConfigError(
            f"Put Studio's whole base URL into Host, such as {DEFAULT_BASE_URL}, and leave Schema empty: it is "
            f"{connection.schema!r} and would be ignored."
        )
    given = {
        name: _number(name, extra, kind=field.kind) for name, field in EXTRA_FIELDS.items() if name != "organization_id"
    }
    return StudioSettings(
        api_key=key,
        base_url=parse_base_url(connection.host, port=connection.port),
        **{name: value for name, value in given.items() if value is not None},
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


def form_widgets() -> dict[str, Any]:
    """Return the form's own fields for Airflow 2."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import IntegerField, StringField
    from wtforms.validators import Optional

    # Airflow 2 has no form field for fractions; strings are read as numbers.
    kinds = {"integer": IntegerField, "number": StringField}
    return {
        name: kinds[field.kind](
            field.label,
            widget=BS3TextFieldWidget(),
            validators=[Optional()],
            description=field.description,
        )
        for name, field in EXTRA_FIELDS.items()
    }


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
