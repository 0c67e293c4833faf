"""The log of API requests that tests read."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field, replace
from typing import Any

LOG_WEIGHT = 200_000
"""How much the log keeps: a request weighs one, and each file it brought one more. The oldest go first."""
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file part of a multipart request: its decoded name, content type, size in bytes and SHA-256 (hex)."""

    name: str
    content_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One API request as the emulator saw it.

    :param seq: number of the request, rising in order of arrival.
    :param time: when its head arrived, in seconds since 1970.
    :param path: the path as sent, without the query.
    :param query: the query text as sent.
    :param operation: the operation id of the API, or ``None`` for a path the emulator does not play.
    :param key_ok: whether it came with the right key. The key itself is kept nowhere.
    :param status: the HTTP status answered; ``None`` while it runs, and if the connection was dropped.
    :param bytes_received: how much of the request's body came in.
    :param changed: whether it changed the stored data.
    :param fault: the kind of the fault that hit it.
    :param fields: the text fields of a multipart request, or the members of a JSON one.
    :param files: the files of a multipart request that came in whole, in order.
    """

    seq: int
    time: float
    method: str
    path: str
    query: str
    operation: str | None
    key_ok: bool
    status: int | None = None
    bytes_received: int = 0
    changed: bool = False
    fault: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    files: tuple[UploadedFile, ...] = ()


class RequestLog:
    """The newest API requests, in order of arrival. Safe to use from several threads."""

    def __init__(self, secret: str) -> None:
        """:param secret: the API key: wherever a client put it by mistake, the log shows ``***``."""
        self._secret = secret
        self._lock = threading.Lock()
        self._records: dict[int, RequestRecord] = {}
        self._weight = 0
        self._last_seq = 0

    def begin(self, **known: Any) -> int:
        """Note a request that has arrived; returns its number."""
        with self._lock:
            self._last_seq += 1
            record = RequestRecord(seq=self._last_seq, **self._clean(known))
            self._records[record.seq] = record
            self._weight += 1
            return record.seq

    def update(self, seq: int, **known: Any) -> None:
        """Add what has become known of a request; nothing happens if the log no longer holds it."""
        with self._lock:
            old = self._records.get(seq)
            if old is None:
                return
            new = replace(old, **self._clean(known))
            self._records[seq] = new
            self._weight += len(new.files) - len(old.files)
            while self._weight > LOG_WEIGHT and len(self._records) > 1:
                oldest = self._records.pop(next(iter(self._records)))
                self._weight -= 1 + len(oldest.files)

    def records(self) -> list[RequestRecord]:
        """The requests, oldest first."""
        with self._lock:
            return list(self._records.values())

    def clear(self) -> None:
        """Forget all requests; the numbering goes on."""
        with self._lock:
            self._records = {}
            self._weight = 0

    def _clean(self, value: Any, depth: int = 0) -> Any:
        """Without the secret, and without what a client's JSON may hold but ours cannot."""
        if depth > _MAX_DEPTH:
            return "..."
        if isinstance(value, str):
            return value.encode(errors="replace").decode().replace(self._secret, "***")
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if isinstance(value, dict):
            return {self._clean(key): self._clean(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._clean(inner, depth + 1) for inner in value]
        return value
