"""A relay between client and server that breaks connections at the worst moment, with or without TLS."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

from tests.studio.wire import SocketServer


class Relay:
    """Stands before a server. ``url`` is the server's, with the relay's port."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = parts.port
        self._break_at_next_byte = threading.Event()
        self._clients: list[tuple[socket.socket, threading.Event]] = []
        self._server = SocketServer(self._relay)
        self.url = parts._replace(netloc=f"127.0.0.1:{self._server.port}").geturl()

    @property
    def connections(self) -> int:
        return self._server.connections

    def reset_idle(self) -> None:
        """Reset all connections, and return when that is done."""
        while self._clients:
            client, done = self._clients.pop()
            client.shutdown(socket.SHUT_RD)
            assert done.wait(60)

    def reset_when_used(self) -> None:
        """Reset a connection as soon as the client sends something: nothing of that reaches the server."""
        self._break_at_next_byte.set()

    def _relay(self, client: socket.socket) -> None:
        done = threading.Event()
        self._clients.append((client, done))
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            with suppress(OSError):
                while (block := client.recv(1 << 16)) and not self._break_at_next_byte.is_set():
                    server.sendall(block)
            self._break_at_next_byte.clear()
            _reset(client)
            done.set()
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join(60)

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
