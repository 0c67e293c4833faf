"""What sink.c does, in Python: for machines without a C compiler or OpenSSL's headers.

    python -m bench.sink.fallback CERTIFICATE KEY

Slower, above all over TLS; the table's row for the server's limit says by how much.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

_BLOCK = 1 << 20
_KEPT = 64 << 10
_PART = re.compile(rb'name="(name|metadata)".*?\r\n\r\n(.*?)\r\n--', re.DOTALL)


@dataclass
class State:
    """What the server was told and has seen; guarded by ``lock``."""

    lock: threading.Lock
    listing: str = ""
    latency: float = 0.0
    requests: int = 0
    changes: int = 0
    uploads: int = 0
    upload_bytes: int = 0

    def __post_init__(self) -> None:
        self.items: list[dict[str, str]] = []


class Peer(threading.Thread):
    """One connection."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext | None, state: State) -> None:
        super().__init__(daemon=True)
        self._socket, self._context, self._state = connection, context, state
        self._block = memoryview(bytearray(_BLOCK))

    def run(self) -> None:
        """Serve until the other side closes."""
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                self._socket = self._context.wrap_socket(self._socket, server_side=True)
            self._stream = self._socket.makefile("rb", _KEPT)
            while self._serve_one():
                pass
        except OSError:
            pass
        finally:
            self._socket.close()

    def _serve_one(self) -> bool:
        words = self._stream.readline().split()
        if len(words) < 2:
            return False
        headers = {}
        while text := self._stream.readline().strip():
            name, _, value = text.partition(b":")
            headers[name.lower()] = value.strip().lower()
        if b"expect" in headers:
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        method, target = words[0].decode(), words[1].decode()
        most = sys.maxsize if target.startswith("/control") else _KEPT
        kept = bytearray()
        if headers.get(b"transfer-encoding") == b"chunked":
            size = 0
            while chunk := int(self._stream.readline(), 16):
                size += self._take(chunk, kept, most)
                self._stream.readline()
            self._stream.readline()
        else:
            size = self._take(int(headers.get(b"content-length", 0)), kept, most)
        with self._state.lock:
            answer = _answer(self._state, method, target, bytes(kept), size).encode()
            wait = 0.0 if target.startswith("/control") else self._state.latency
        time.sleep(wait)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        self._socket.sendall(head.encode() + answer)
        return headers.get(b"connection") != b"close"

    def _take(self, size: int, kept: bytearray, most: int) -> int:
        """Read bytes of a body and keep the first ones."""
        left = size
        while left:
            got = self._stream.readinto1(self._block[: min(left, _BLOCK)])  # type: ignore[attr-defined]
            if not got:
                raise ConnectionError
            kept += self._block[: min(got, most - len(kept))]
            left -= got
        return size


def _answer(state: State, method: str, target: str, kept: bytes, size: int) -> str:
    url = urlsplit(target)
    if url.path == "/control":
        if method == "PUT":
            latency = float(parse_qs(url.query)["latency_ms"][0]) / 1000
            state.__init__(state.lock, kept.decode(), latency)  # type: ignore[misc]
        return json.dumps(
            {
                "requests": state.requests,
                "changes": state.changes,
                "uploads": state.uploads,
                "uploadBytes": state.upload_bytes,
            }
        )
    state.requests += 1
    state.changes += method != "GET"
    if method == "GET" and url.path.endswith("/data/files"):
        return _listing(state, parse_qs(url.query))
    if method == "GET" and (number := url.path.rpartition("/")[2]).isdecimal() and 0 < int(number) <= len(state.items):
        return f'{{"success": true, "data": {_item(state, state.items[int(number) - 1])}}}'
    if method == "PUT":  # an object, to a store
        state.uploads += 1
        state.upload_bytes += size
    if method == "POST" and url.path.endswith("/add"):
        state.uploads += 1
        state.upload_bytes += size
        if url.path.endswith("/data/add"):
            parts = {key.decode(): value.decode() for key, value in _PART.findall(kept)}
            state.items.append({"name": "", "metadata": "{}", "id": str(len(state.items) + 1)} | parts)
        return json.dumps({"success": True, "id": len(state.items)})
    if method == "POST":
        number = int(url.path.rpartition("/")[2])
        if number <= len(state.items):
            state.items[number - 1]["metadata"] = json.dumps(json.loads(kept)["metadata"])
    return '{"success": true}'


def _item(state: State, item: dict[str, str]) -> str:
    return (
        f'{{"id": {item["id"]}, "name": "{item["name"]}", "dataset": "bench", "created": "2026-01-01T00:00:00Z", '
        f'"metadata": {item["metadata"]}, {state.listing}}}'
    )


def _listing(state: State, query: dict[str, list[str]]) -> str:
    """The items of a name, or a page of all."""
    found = state.items
    if "filter" in query:
        name = query["filter"][0].split("'")[1]
        found = [item for item in found if item["name"] == name]
    offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["1000"])[0])
    listed = ", ".join(_item(state, item) for item in found[offset : offset + limit])
    return f'{{"success": true, "totalDataItemCount": {len(found)}, "data": [{listed}]}}'


def _accept(door: socket.socket, context: ssl.SSLContext | None, state: State) -> None:
    while True:
        Peer(door.accept()[0], context, state).start()


def main() -> None:
    """Serve until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    state = State(threading.Lock())
    doors = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(2)]
    for door, how in zip(doors, (None, context), strict=True):
        threading.Thread(target=_accept, args=(door, how, state), daemon=True).start()
    print(*(door.getsockname()[1] for door in doors), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
