"""Servers that are less polite than the emulator, and what they received, byte for byte."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

SUCCESS = {"success": True, "id": 1, "organizations": []}


class SocketServer:
    """Listens on a free port and hands each connection to ``handle`` in a thread of its own."""

    def __init__(self, handle: Callable[[socket.socket], None], *, receive_buffer: int | None = None) -> None:
        self._handle = handle
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket()
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._handle(connection)

    def __enter__(self) -> SocketServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in (self._acceptor, *self._threads):
            thread.join(60)


@dataclass(frozen=True)
class Received:
    """One request. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def parts(self) -> list[Part]:
        """The parts of a multipart body, in order, taken apart by hand."""
        boundary = self.headers["content-type"].partition("boundary=")[2].encode()
        assert self.body.startswith(b"--" + boundary + b"\r\n")
        assert self.body.endswith(b"\r\n--" + boundary + b"--\r\n")
        inner = self.body[len(boundary) + 4 : -(len(boundary) + 8)]
        return [Part(*part.split(b"\r\n\r\n", 1)) for part in inner.split(b"\r\n--" + boundary + b"\r\n")]


@dataclass(frozen=True)
class Part:
    head: bytes
    content: bytes

    @property
    def name(self) -> str:
        return self.head.partition(b' name="')[2].partition(b'"')[0].decode()


@dataclass(frozen=True)
class Reply:
    """What is answered: a dict is sent as JSON. ``drop`` closes the connection instead."""

    status: int = 200
    body: Any = field(default_factory=lambda: SUCCESS)
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False

    def raw(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else None
        if body is None:
            body = (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()
        head = [f"HTTP/1.1 {self.status} Answer", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


DROP = Reply(drop=True)


class ScriptedServer(SocketServer):
    """Gives the replies in turn, the last one again and again, and keeps the requests."""

    def __init__(self, *replies: Reply) -> None:
        self.received: list[Received] = []
        self._replies = list(replies or [Reply()])
        self._lock = threading.Lock()
        super().__init__(self._talk)

    def next_reply(self) -> Reply:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (request := read_request(stream)) is not None:
                with self._lock:
                    self.received.append(request)
                    reply = self.next_reply()
                if reply.drop:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                connection.sendall(reply.raw())


def read_request(stream: Any) -> Received | None:
    """Read one request to its end; None when the client has closed the connection."""
    head = read_head(stream)
    if head is None:
        return None
    method, target, headers = head
    length = int(headers.get("content-length", 0))
    body = stream.read(length)
    return Received(method, target, headers, body) if len(body) == length else None


def read_head(stream: Any) -> tuple[str, str, dict[str, str]] | None:
    first = stream.readline().decode("latin-1").split(" ", 2)
    if len(first) < 3:
        return None
    method, target, _ = first
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return method, target, headers
