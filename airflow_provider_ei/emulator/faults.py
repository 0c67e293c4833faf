"""Faults: what goes wrong, with which requests, and how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Literal, get_args

FaultKind = Literal[
    "drop_before",
    "drop_after",
    "cut_body",
    "store_late",
    "status",
    "early_status",
    "success_false",
    "redirect",
    "slow",
    "cut_response",
]
ANY_OPERATION = "*"

_DEFAULT_STATUS: dict[str, int] = {"status": 503, "early_status": 401, "redirect": 307}
_REDIRECTS = (301, 302, 303, 307, 308)
_NO_BODY = (204, 304)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MAX_NUMBER = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with requests.

    The kinds:

    - ``drop_before``: the request is read, nothing is stored, and the connection is reset without a response.
    - ``drop_after``: the request is carried out, then the connection is reset without a response.
    - ``cut_body``: the connection is reset after ``after_bytes`` of the request's body (or all of it) have arrived;
      nothing is stored.
    - ``store_late``: the connection is reset without a response; the request is carried out ``delay_seconds`` later.
    - ``status``: the request is read, nothing is stored; the response has ``status``, ``body`` and ``headers``.
    - ``early_status``: the same response before the body is read, then the connection is reset.
    - ``success_false``: HTTP 200 with ``success: false`` and ``error``; nothing is stored.
    - ``redirect``: ``status`` and ``location``; nothing is stored.
    - ``slow``: the request is carried out, and the response comes ``delay_seconds`` later.
    - ``cut_response``: the request is carried out, and the connection is closed after the first ``after_bytes`` of the
      response's body.

    :param operation: an operation id of the API, or ``*`` for all requests.
    :param count: how many matching requests the fault hits.
    :param skip: how many matching requests pass before the fault begins, from the moment it is injected.
    :param status: default 503 for ``status``, 401 for ``early_status``, 307 for ``redirect``.
    :param body: body of the response; default an HTML page for a 5xx, else the JSON of an API error.
    :param headers: headers of the response, such as ``{"Retry-After": "soon"}``.
    :raises ValueError: for invalid values.
    """

    operation: str = ANY_OPERATION
    kind: FaultKind
    count: int = 1
    skip: int = 0
    after_bytes: int = 0
    delay_seconds: float = 0.0
    status: int | None = None
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = "Something went wrong"
    location: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"kind must be one of {', '.join(get_args(FaultKind))}, not {self.kind!r:.100}")
        for name in ("operation", "error", "body", "location"):
            _check_text(name, getattr(self, name), optional=name in ("body", "location"))
        for name, least in (("count", 1), ("skip", 0), ("after_bytes", 0)):
            _check_number(name, getattr(self, name), (int,), least, _MAX_NUMBER)
        _check_number("delay_seconds", self.delay_seconds, (int, float), 0, _MAX_NUMBER)
        if self.status is not None:
            _check_number("status", self.status, (int,), 200, 599)
        if self.kind == "redirect" and (self.location is None or self.answered_status not in _REDIRECTS):
            raise ValueError("location is required for a redirect, and status must be 301, 302, 303, 307 or 308")
        if not isinstance(self.headers, Mapping):
            raise ValueError("headers must be a mapping")
        for name, value in self.headers.items():
            if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"headers: {name!r:.100} is not a valid header name")
            _check_header(name, value)
        if self.location is not None:
            _check_header("location", self.location)

    @property
    def answered_status(self) -> int:
        """The HTTP status of the response."""
        return _DEFAULT_STATUS.get(self.kind, 200) if self.status is None else self.status

    def answer(self) -> tuple[int, dict[str, str], str]:
        """Return status, headers and body of the response of a ``status``, ``early_status`` or ``redirect`` fault."""
        status = self.answered_status
        title = f"{status} {_phrase(status)}".strip()
        body = "" if status in _NO_BODY else self.body
        if body is None and status >= 500:
            body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        elif body is None:
            body = f'{{"success": false, "error": "{title}"}}'
        headers = {"content-type": "text/html" if body.lstrip().startswith("<") else "application/json"}
        if self.location is not None:
            headers["location"] = self.location
        headers.update({name.lower(): value for name, value in self.headers.items()})
        return status, headers, body


def _check_text(name: str, value: object, *, optional: bool) -> None:
    if value is None and optional:
        return
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not valid Unicode") from None


def _check_number(name: str, value: object, kinds: tuple[type, ...], least: int, most: int) -> None:
    # NaN compares as false with every bound, so test that the value is within them.
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:  # type: ignore[operator]
        kind = "an integer" if kinds == (int,) else "a number"
        raise ValueError(f"{name} must be {kind} from {least} to {most}")


def _check_header(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.isprintable() or not value.isascii() or value != value.strip():
        raise ValueError(f"the header {name} must be printable ASCII without surrounding whitespace")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


ChooseFault = Callable[[str | None], Fault | None]
"""Chooses the fault of a request by its operation id, which is None for a path without an operation."""


class FaultQueue:
    """The faults that are still to come. Safe to use from several threads.

    :ivar choose: a function that chooses the fault of a request that no injected fault hits.
    """

    def __init__(self, operations: Collection[str]) -> None:
        """:param operations: the operation ids that a fault can have."""
        self._operations = operations
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.choose: ChooseFault | None = None

    def inject(self, faults: Iterable[Fault]) -> None:
        """Add faults. If several match a request, the one injected first hits it.

        :raises ValueError: for an unknown operation id; none of the faults is added then.
        """
        added = list(faults)
        for fault in added:
            if fault.operation != ANY_OPERATION and fault.operation not in self._operations:
                raise ValueError(f"operation: the emulator does not implement {fault.operation}")
        with self._lock:
            self._faults.extend(added)

    def take(self, operation: str | None) -> Fault | None:
        """Return the fault for a request that has arrived, or None.

        Every matching fault counts the request in its ``skip``, also if another fault hits it: "drop the first request,
        answer the third with 503" are two faults with ``skip`` 0 and 2.
        """
        hit = self._take_injected(operation)
        if hit is None and self.choose is not None:
            return self.choose(operation)
        return hit

    def _take_injected(self, operation: str | None) -> Fault | None:
        with self._lock:
            hit: Fault | None = None
            left: list[Fault] = []
            for fault in self._faults:
                if fault.operation not in (ANY_OPERATION, operation):
                    left.append(fault)
                elif fault.skip:
                    left.append(replace(fault, skip=fault.skip - 1))
                elif hit is None:
                    hit = fault
                    if fault.count > 1:
                        left.append(replace(fault, count=fault.count - 1))
                else:
                    left.append(fault)
            self._faults = left
            return hit

    def waiting(self) -> list[Fault]:
        """Return the faults that are still to come, with the rest of their ``count`` and ``skip``."""
        with self._lock:
            return list(self._faults)

    def clear(self) -> None:
        """Remove the injected faults."""
        with self._lock:
            self._faults = []
