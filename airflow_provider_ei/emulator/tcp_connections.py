"""The open TCP connections, so that a fault can break the connection of a request."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import h11
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

Ends = tuple[Any, ...]
"""The addresses of both ends: two connections to different ports may come from one port of the client."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class TcpConnections:
    """The transports of a server's connections. For the server's event loop only."""

    def __init__(self) -> None:
        self._transports: dict[Ends, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """Return a protocol class for uvicorn that registers its connections here.

        It uses h11, since the alternative does not limit the size of a request's head.
        """
        transports = self._transports

        class TrackedProtocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                self._ends = _ends(transport)
                if self._ends is not None:
                    transports[self._ends] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self._ends is not None:
                    transports.pop(self._ends, None)
                super().connection_lost(exc)

            def send_400_response(self, msg: str) -> None:
                body = b'{"success":false,"error":"The request is not valid HTTP, or its head is too large"}'
                head = [(b"content-type", b"application/json"), (b"connection", b"close")]
                head.append((b"content-length", str(len(body)).encode()))
                for event in (
                    h11.Response(status_code=400, headers=head, reason=b"Bad Request"),
                    h11.Data(data=body),
                    h11.EndOfMessage(),
                ):
                    self.transport.write(self.conn.send(event) or b"")
                self.transport.close()

        return TrackedProtocol

    def reset(self, scope: Scope) -> None:
        """Break the connection of a request immediately, with a TCP reset."""
        transport = self._of(scope)
        if transport is None:
            return
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()

    def close(self, scope: Scope) -> None:
        """Close the connection of a request after what has been sent, although the response is not complete."""
        transport = self._of(scope)
        if transport is not None:
            transport.close()

    def close_all(self) -> None:
        """Close all connections without waiting for the clients."""
        for transport in list(self._transports.values()):
            transport.abort()

    def _of(self, scope: Scope) -> asyncio.Transport | None:
        return self._transports.get((*scope["client"], *scope["server"]))


def _ends(transport: asyncio.Transport) -> Ends | None:
    names: list[Any] = [transport.get_extra_info(name) for name in ("peername", "sockname")]
    return tuple(part for name in names for part in (str(name[0]), int(name[1]))) if all(names) else None
