"""The body of a request, as it arrives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Any

from starlette.types import Receive

from airflow_provider_ei.emulator.form_parser import MultipartReader
from airflow_provider_ei.emulator.stored_data import StoreError

_MAX_JSON_BYTES = 16 << 20
_MAX_INLINE_BYTES = 16 << 10  # parsing as little takes less time than a change of threads


class Disconnected(Exception):
    """The client has disconnected, or the server stops: nobody waits for a response."""


class RequestBody:
    """A body that is read as it arrives. ``received`` counts its bytes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.received = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body, piece by piece.

        :raises Disconnected: if the client disconnects before the end.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            piece: bytes = message.get("body", b"")
            self.received += len(piece)
            more = message.get("more_body", False)
            yield piece

    async def drain(self, limit: int | None = None) -> None:
        """Read and discard the body, to its end or until ``limit`` bytes have arrived."""
        if limit == 0:
            return
        async for _ in self.pieces():
            if limit is not None and self.received >= limit:
                return

    async def json_object(self) -> dict[str, Any]:
        """Return the members of a JSON object.

        :raises StoreError: if the body is not a JSON object, or is too large.
        """
        body = bytearray()
        async for piece in self.pieces():
            if len(body) <= _MAX_JSON_BYTES:
                body += piece
        if len(body) > _MAX_JSON_BYTES:
            raise StoreError("The request is too large")
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise StoreError("The request is not valid JSON") from None
        if not isinstance(value, dict):
            raise StoreError("The request must be a JSON object")
        return value

    async def feed(self, reader: MultipartReader, executor: Executor) -> None:
        """Pass the body to a reader. The caller discards the reader's upload if this raises."""
        loop = asyncio.get_running_loop()
        # One piece is parsed, hashed and written while the next one arrives.
        working: asyncio.Future[None] | None = None
        try:
            async for piece in self.pieces():
                if working is not None:
                    await working
                    working = None
                if len(piece) <= _MAX_INLINE_BYTES:
                    reader.feed(piece)
                else:
                    working = loop.run_in_executor(executor, reader.feed, piece)
        finally:
            if working is not None:
                await working
        reader.close()
