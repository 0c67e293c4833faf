"""The log of API requests, for tests."""

from __future__ import annotations

import math
import threading
from typing import Any

import msgspec
from msgspec.structs import replace

LOG_BYTES = 64 << 20
"""The approximate memory of the log. Above it, the oldest requests are removed."""
FIELDS_BYTES = 6 << 20
"""The approximate size of the fields that are kept of one request; ``...`` stands for the rest. A form is smaller."""
_VALUE_BYTES = 10  # the size of a value without its content
_RECORD_BYTES = 200  # the memory for an entry of the log, without its content
_MAX_DEPTH = 20
_CUT = "..."


class UploadedFile(msgspec.Struct, frozen=True):
    """A file part of a multipart request: its decoded name, content type, size in bytes and SHA-256 (hexadecimal)."""

    name: str
    content_type: str
    size: int
    sha256: str


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An API request, as the emulator has seen it.

    :param seq: number of the request, in order of arrival.
    :param time: when its head arrived, in seconds since 1970.
    :param path: the path as sent, without the query.
    :param query: the query string as sent.
    :param operation: the operation id of the API, or None for a path that the emulator does not implement.
    :param key_ok: whether its key was right. The key itself is not kept.
    :param status: the HTTP status of the response; None while the request runs, and if the connection was dropped.
    :param bytes_received: how many bytes of the request's body have arrived.
    :param changed: whether it has changed the stored data.
    :param fault: the kind of the fault that has hit it.
    :param fields: the text fields of a multipart request, or the members of a JSON one.
    :param files: the files of a multipart request that have arrived completely, in order.
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
    fields: dict[str, Any] = {}
    files: tuple[UploadedFile, ...] = ()


_decode = msgspec.msgpack.Decoder(RequestRecord).decode
_encode = msgspec.msgpack.Encoder().encode


class RequestLog:
    """The newest API requests, in order of arrival. Safe to use from several threads.

    It keeps them encoded: a request with ten files then takes 1.5 kB instead of 5.
    """

    def __init__(self, secret: str) -> None:
        """:param secret: the API key: the log shows ``***`` wherever a client has sent it by mistake."""
        self._secrets = [secret]
        self._lock = threading.Lock()
        self._records: dict[int, bytes] = {}
        self._total = 0
        self._last_seq = 0

    def add_secret(self, secret: str) -> None:
        """Hide another key."""
        with self._lock:
            self._secrets.append(secret)

    def begin(self, **known: Any) -> int:
        """Add a request that has arrived, and return its number."""
        with self._lock:
            self._last_seq += 1
            self._keep(RequestRecord(seq=self._last_seq, **self._clean(known)))
            return self._last_seq

    def update(self, seq: int, **known: Any) -> None:
        """Update a request. Nothing happens if the log has removed it."""
        with self._lock:
            old = self._records.get(seq)
            if old is not None:
                self._total -= len(old) + _RECORD_BYTES
                self._keep(replace(_decode(old), **self._clean(known)))

    def _keep(self, record: RequestRecord) -> None:
        self._records[record.seq] = encoded = _encode(record)
        self._total += len(encoded) + _RECORD_BYTES
        while self._total > LOG_BYTES and len(self._records) > 1:
            oldest = next(iter(self._records))
            self._total -= len(self._records.pop(oldest)) + _RECORD_BYTES

    def records(self) -> list[RequestRecord]:
        """Return the requests, oldest first."""
        with self._lock:
            encoded = list(self._records.values())
        return [_decode(record) for record in encoded]

    def clear(self) -> None:
        """Remove all requests. The numbering continues."""
        with self._lock:
            self._records = {}
            self._total = 0

    def _clean(self, known: dict[str, Any]) -> dict[str, Any]:
        cleaner = _Cleaner(self._secrets)
        return {name: cleaner.clean(value) for name, value in known.items()}


class _Cleaner:
    """Copy values without the secrets, and without values that JSON cannot represent."""

    def __init__(self, secrets: list[str]) -> None:
        self._secrets = secrets
        self._left = FIELDS_BYTES

    def clean(self, value: Any, depth: int = 0) -> Any:
        """Return the value, or the part that is kept."""
        self._left -= _VALUE_BYTES
        if depth > _MAX_DEPTH or self._left < 0:
            return _CUT
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if isinstance(value, int) and abs(value) >= 2**63:  # too large for the encoding
            return str(value)
        if isinstance(value, dict):
            cleaned: dict[Any, Any] = {}
            for key, inner in value.items():
                if self._left < 0:
                    return {**cleaned, _CUT: _CUT}
                cleaned[self.clean(key)] = self.clean(inner, depth + 1)
            return cleaned
        if isinstance(value, tuple):
            return tuple(self._file(file) for file in value)
        if isinstance(value, list):
            kept = []
            for inner in value:
                kept.append(self.clean(inner, depth + 1))
                if self._left < 0:
                    break
            return kept
        return value

    def _file(self, file: UploadedFile) -> UploadedFile:
        name = self._hide(file.name)
        return file if name == file.name else replace(file, name=name)

    def _text(self, value: str) -> str:
        text = self._hide(value.encode(errors="replace").decode())
        if len(text) > self._left:
            text = f"{text[: self._left]}{_CUT}"
        self._left -= len(text)
        return text

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text
