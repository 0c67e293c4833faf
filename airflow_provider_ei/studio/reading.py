"""Reads a response within limits of size and time, whatever the server sends."""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any, cast
from weakref import WeakMethod

import requests
from urllib3.exceptions import HTTPError

#: Maximum size in bytes of a response without a list.
ANSWER_BYTES = 1024 * 1024

#: Maximum size in bytes of a response with a list. A page of 1,000 data items with 100 files each takes half of it. If
#: items have more files, fewer fit into a page; a single item of 10,000 files with long names always fits.
LISTING_BYTES = 32 * 1024 * 1024

#: Maximum size in bytes of a response's head, including the ``1xx`` responses before it.
MAX_HEAD_BYTES = 64 * 1024

#: Number of bytes that are read from the socket at once.
READ_BYTES = 128 * 1024


class AnswerTooLargeError(HTTPException):
    """The response is longer than allowed."""


class MalformedAnswerError(HTTPException):
    """The bytes that arrived are not a valid response to the request."""


class Allowance:
    """Limits the time and the bytes of a response on the wire.

    :param seconds: time until the response must be complete; :meth:`renew` restarts it.
    :param max_bytes: maximum size of its body; None for a body of any length.
    """

    def __init__(self, seconds: float, max_bytes: int | None) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._in_head = True
        self._bytes_left: float = MAX_HEAD_BYTES
        self._end = time.monotonic() + seconds

    def renew(self) -> None:
        """Restart the time limit."""
        self._end = time.monotonic() + self._seconds

    def begin_body(self) -> None:
        """Stop counting the head's bytes, and count those of the body from now on."""
        self._in_head = False
        self._bytes_left = float("inf") if self._max_bytes is None else MAX_HEAD_BYTES + self._max_bytes

    def seconds_left(self) -> float:
        """Return the seconds that are left for the next bytes.

        :raises TimeoutError: when no time is left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not complete in time")
        return left

    def take(self, count: int) -> None:
        """Count bytes that have arrived.

        :raises AnswerTooLargeError: when there are too many.
        """
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise MalformedAnswerError("its head is too large") if self._in_head else AnswerTooLargeError


class _Source(io.RawIOBase):
    """The socket's bytes, within an allowance."""

    def __init__(self, sock: Any, allowance: Allowance) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._allowance = allowance
        self._stopped = False
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._stopped:
            return 0
        self._sock.settimeout(self._allowance.seconds_left())
        count = self._raw.readinto(buffer) or 0
        self.ended = count == 0
        self._allowance.take(count)
        return count

    def stop(self) -> None:
        """Read no more from the socket."""
        self._stopped = True

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Stream(io.BufferedReader):
    """Ends the connection when extra bytes follow the response, since they would be taken for the next response."""

    def __init__(self, source: _Source, end_connection: WeakMethod[Any]) -> None:
        super().__init__(source)
        self._source = source
        self._end_connection = end_connection

    def read(self, size: int | None = -1, /) -> bytes:
        """Read that many bytes.

        :raises MalformedAnswerError: for a negative number, which only the length of a chunk can cause.
        """
        if size is None or size < 0:
            raise MalformedAnswerError("the length of a chunk is negative")
        return super().read(size)

    def close(self) -> None:
        if not self.closed:
            self._source.stop()
            if self.peek(1) and (end := self._end_connection()):
                end()
        super().close()


class BoundedResponse(HTTPResponse):
    """A response that is read within its allowance, and skips all ``1xx`` responses before it.

    :param allowance: limits of the response.
    :param end_connection: closes the connection that the response arrives through.
    """

    def __init__(
        self, sock: Any, *args: Any, allowance: Allowance, end_connection: WeakMethod[Any], **kwargs: Any
    ) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._source = _Source(sock, allowance)
        self.fp = _Stream(self._source, end_connection)
        self.allowance = allowance

    def begin(self) -> None:
        """Read the head.

        :raises MalformedAnswerError: when it is not valid.
        """
        super().begin()
        while 100 <= self.status < 200 and self.status != HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        if self._source.ended:
            raise MalformedAnswerError("the connection was closed within the head of the answer")
        if self.status < 200 or self.headers.defects or self.headers.get_payload():
            raise MalformedAnswerError("what arrived is not an answer to the request")
        self.allowance.begin_body()


def allowance_of(response: requests.Response) -> Allowance:
    """Return the allowance of a response."""
    return cast(BoundedResponse, response.raw._original_response).allowance


def read_body(response: requests.Response, max_bytes: int) -> bytearray:
    """Return the body, decompressed.

    :raises AnswerTooLargeError: when it is larger than ``max_bytes``.
    :raises HTTPError: when it is incomplete.
    """
    body = bytearray()
    for block in _decompressed(response, max_bytes + 1):
        body += block
        if len(body) > max_bytes:
            raise AnswerTooLargeError
    return body


def read_beginning(response: requests.Response, max_bytes: int) -> bytes:
    """Return the first bytes of the body, or fewer if it is incomplete."""
    beginning = bytearray()
    with suppress(HTTPError, HTTPException, OSError):
        for block in _decompressed(response, max_bytes):
            beginning += block
            if len(beginning) >= max_bytes:
                break
    return bytes(beginning[:max_bytes])


def raw_blocks(response: requests.Response, size: int = READ_BYTES) -> Iterator[bytes]:
    """Yield the body as it arrives, without decompressing it.

    :raises HTTPError: when it is incomplete.
    """
    while block := response.raw.read(size, decode_content=False):
        yield block


def _decompressed(response: requests.Response, max_bytes: int) -> Iterator[bytes]:
    """Yield the decompressed body; each block has at most ``max_bytes``, whatever the compression ratio."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from raw_blocks(response)
        return
    if encoding not in ("gzip", "x-gzip"):
        raise MalformedAnswerError("the answer is compressed in a way that was not asked for")
    inflater, begun = _gzip(), False
    for block in raw_blocks(response):
        while block:
            begun = True
            try:
                yield inflater.decompress(block, max_bytes)
            except zlib.error as error:
                raise MalformedAnswerError(f"the answer cannot be decompressed: {error}") from None
            if inflater.eof:
                block = inflater.unused_data  # another gzip member may follow
                inflater, begun = _gzip(), False
            else:
                block = inflater.unconsumed_tail
    if begun:
        raise MalformedAnswerError("the answer breaks off within its compression")


def _gzip() -> Any:
    return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
