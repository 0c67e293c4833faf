"""Faults: what the emulator is told to do wrong, to which requests, and how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Mapping
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
]
ANY_OPERATION = "*"

_DEFAULT_STATUS: dict[str, int] = {"status": 503, "early_status": 401, "redirect": 307}
_REDIRECTS = (301, 302, 303, 307, 308)
_NO_BODY = (204, 304)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MAX_NUMBER = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    The kinds:

    - ``drop_before``: the request is read to its end, nothing is stored, the connection is reset unanswered.
    - ``drop_after``: the request is carried out, then the connection is reset unanswered.
    - ``cut_body``: the connection is reset once ``after_bytes`` of the request's body have come in (or all of
      it); nothing is stored.
    - ``store_late``: the connection is reset unanswered; the request is carried out ``delay_seconds`` later.
    - ``status``: the request is read, nothing is stored; ``status``, ``body`` and ``headers`` are answered.
    - ``early_status``: the same answer, but before the body is read, and then the connection is reset.
    - ``success_false``: HTTP 200 with ``success: false`` and ``error``; nothing is stored.
    - ``redirect``: ``status`` and ``location``; nothing is stored.
    - ``slow``: the request is carried out and answered ``delay_seconds`` later.

    :param operation: an operation id of the API, or ``*`` for any request.
    :param count: how many matching requests it hits.
    :param skip: how many matching requests pass before it begins, counted from the moment it is ordered.
    :param status: default 503 for ``status``, 401 for ``early_status``, 307 for ``redirect``.
    :param body: text of the answer; default an HTML page for a 5xx, else the JSON of an API error.
    :param headers: sent as they are, e.g. ``{"Retry-After": "soon"}``.
    :raises ValueError: if the description makes no sense.
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
            raise ValueError(f"no such kind of fault: {self.kind!r:.100}")
        for name in ("operation", "error", "body", "location"):
            _check_text(name, getattr(self, name), optional=name in ("body", "location"))
        for name, least in (("count", 1), ("skip", 0), ("after_bytes", 0)):
            _check_number(name, getattr(self, name), (int,), least, _MAX_NUMBER)
        _check_number("delay_seconds", self.delay_seconds, (int, float), 0, _MAX_NUMBER)
        if self.status is not None:
            _check_number("status", self.status, (int,), 200, 599)
        if self.kind == "redirect" and (self.location is None or self.answered_status not in _REDIRECTS):
            raise ValueError("a redirect needs a location, and a status of 301, 302, 303, 307 or 308")
        if not isinstance(self.headers, Mapping):
            raise ValueError("headers must be a mapping")
        for name, value in self.headers.items():
            if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r:.100} is not the name of a header")
            _check_header(name, value)
        if self.location is not None:
            _check_header("location", self.location)

    @property
    def answered_status(self) -> int:
        """The HTTP status this fault answers with."""
        return _DEFAULT_STATUS.get(self.kind, 200) if self.status is None else self.status

    def answer(self) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of the answer of a ``status``, ``early_status`` or ``redirect`` fault."""
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
    # NaN is neither more nor less than anything: it must be within, not just not outside.
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:  # type: ignore[operator]
        kind = "a whole number" if kinds == (int,) else "a number"
        raise ValueError(f"{name} must be {kind} from {least} to {most}")


def _check_header(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.isprintable() or not value.isascii() or value != value.strip():
        raise ValueError(f"the header {name} must be printable ASCII without surrounding white space")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


class FaultQueue:
    """The faults still to come. Safe to use from several threads."""

    def __init__(self, operations: Collection[str]) -> None:
        """:param operations: the operation ids that faults can be ordered for."""
        self._operations = operations
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def inject(self, faults: Iterable[Fault]) -> None:
        """Add faults; of several that match a request the one ordered first hits it.

        :raises ValueError: for an operation id that is not known; none of the faults is added then.
        """
        ordered = list(faults)
        for fault in ordered:
            if fault.operation != ANY_OPERATION and fault.operation not in self._operations:
                raise ValueError(f"the emulator plays no operation {fault.operation}")
        with self._lock:
            self._faults.extend(ordered)

    def take(self, operation: str | None) -> Fault | None:
        """The fault for the request that has just come in, or none.

        Every matching fault counts the request against its ``skip``, also when another one hits it: so
        "the first request is dropped, the third gets a 503" is ordered as two faults with ``skip`` 0 and 2.
        """
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
        """The faults still to come, with what is left of their ``count`` and ``skip``."""
        with self._lock:
            return list(self._faults)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults = []
