"""A file's digest is that of the whole file, or there is none."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseCancelledError,
    EdgeImpulseNotFoundError,
    EdgeImpulseRedirectError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseServiceError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.http import HttpClient
from tests.support.files import MadeUpFile
from tests.support.studio import data_api

from .conftest import OpenClient
from .wire import Reply, ScriptedServer, SocketServer, read_request

FILE = b"t,x\n0,1\n" * 1000
OCTETS = {"Content-Type": "application/octet-stream"}
ATTACHED = {"Content-Type": "application/json", "Content-Disposition": "attachment; filename*=UTF-8''x.json"}
Talk = Callable[[socket.socket], None]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def download(client: HttpClient, name: str = "1.csv") -> str:
    return data_api(client).file_sha256(3, name)


@contextmanager
def raw_server(*answers: bytes) -> Iterator[SocketServer]:
    """Give each request its bytes, the last one again and again, and close the connection."""
    left = list(answers)

    def talk(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            if read_request(stream) is not None:
                connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    with SocketServer(talk) as server:
        yield server


@pytest.mark.parametrize("name", ["1.csv", "a/b.csv", 'a "b" & c=d#?.csv', "größe 100%+.csv", "📈.csv", "..", "a\\b"])
def test_is_that_of_the_file(studio_client: HttpClient, name: str) -> None:
    data = name.encode() * 1000
    data_id, sent = data_api(studio_client).add_data_item(
        name="n", dataset="d", metadata={}, files=[MadeUpFile(name, data), MadeUpFile("other")]
    )
    assert data_api(studio_client).file_sha256(data_id, name) == sha256(data) == sent[name]


@pytest.mark.parametrize("data", [b"", b'{"success": false, "error": "no"}', b"\x1f\x8b" + FILE, bytes(1 << 20)])
@pytest.mark.parametrize("headers", [OCTETS, ATTACHED], ids=["octets", "attachment"])
def test_does_not_depend_on_what_is_in_the_file(studio_open: OpenClient, data: bytes, headers: dict[str, str]) -> None:
    with ScriptedServer(Reply(200, data, headers)) as server:
        assert download(studio_open(server.url)) == sha256(data)
        assert server.received[0].headers["accept-encoding"] == "identity"


def test_of_a_file_in_chunks(studio_open: OpenClient) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (FILE, b"x", FILE))
    with raw_server(head + chunks + b"0\r\n\r\n") as server:
        assert download(studio_open(server.url)) == sha256(FILE + b"x" + FILE)


class TestAnswersThatAreNotAWholeFile:
    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            pytest.param(Reply(200, {"success": False, "error": "no such file"}), EdgeImpulseRefusedError, id="JSON"),
            pytest.param(Reply(200, {"success": False, "error": "Invalid API key"}), EdgeImpulseAuthError, id="key"),
            pytest.param(Reply(200, {"success": True}), EdgeImpulseResponseError, id="success"),
            pytest.param(Reply(200, "<p>Log in", {"Content-Type": "text/html"}), EdgeImpulseResponseError, id="page"),
            pytest.param(Reply(200, FILE), EdgeImpulseResponseError, id="no type"),
            pytest.param(Reply(206, FILE, OCTETS), EdgeImpulseResponseError, id="a part"),
            pytest.param(Reply(204, b"", OCTETS), EdgeImpulseResponseError, id="no content"),
            pytest.param(Reply(302, b"", {"Location": "https://b/x"} | OCTETS), EdgeImpulseRedirectError, id="302"),
            pytest.param(Reply(404, FILE, OCTETS), EdgeImpulseNotFoundError, id="404"),
            pytest.param(Reply(503, FILE, OCTETS), EdgeImpulseUnavailableError, id="503"),
            pytest.param(Reply(200, FILE, OCTETS | {"Content-Encoding": "gzip"}), EdgeImpulseResponseError, id="gzip"),
            pytest.param(Reply(200, FILE, OCTETS | {"Content-Encoding": "br"}), EdgeImpulseResponseError, id="br"),
        ],
    )
    def test_is_refused(self, studio_open: OpenClient, reply: Reply, kind: type[Exception]) -> None:
        with ScriptedServer(reply) as server, pytest.raises(kind) as caught:
            download(studio_open(server.url))
        assert "downloadOrganizationDataFile" in str(caught.value)

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b"Content-Length: 100\r\n\r\n" + b"x" * 99, id="length"),
            pytest.param(b"Content-Length: 5000000\r\n\r\n" + b"x" * 1_000_000, id="long"),
            pytest.param(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", id="no last chunk"),
            pytest.param(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", id="within a chunk"),
            pytest.param(b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", id="no chunk"),
            pytest.param(b"\r\nhello", id="no length at all"),
            pytest.param(b"Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello", id="two lengths"),
            pytest.param(b"Content-Length: five\r\n\r\nhello", id="a length that is none"),
        ],
    )
    def test_cut_one_has_no_digest(self, studio_open: OpenClient, raw: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        with raw_server(head + raw) as server, pytest.raises(EdgeImpulseServiceError) as caught:
            download(studio_open(server.url))
        assert caught.value.retryable

    def test_of_an_item_or_a_file_that_is_not_there(self, studio_client: HttpClient) -> None:
        data_id, _ = data_api(studio_client).add_data_item(
            name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")]
        )
        for item, name in ((data_id, "2.csv"), (data_id + 1, "1.csv")):
            with pytest.raises(EdgeImpulseRefusedError):
                data_api(studio_client).file_sha256(item, name)


def test_begins_anew_with_each_try(studio_emulator: EmulatorServer, studio_open: OpenClient) -> None:
    """The bytes of a try that broke off are not part of the digest."""
    ends = b"Connection: close\r\nContent-Length: %d\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" + ends % len(FILE)
    with raw_server(head + FILE[:5000], b"HTTP/1.1 503 No\r\n" + ends % 0, head + FILE) as server:
        assert download(studio_open(server.url, retry_attempts=3)) == sha256(FILE)
        assert server.connections == 3
    client = studio_open(studio_emulator.url, retry_attempts=6)
    data_id, _ = data_api(client).add_data_item(name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv", FILE)])
    studio_emulator.inject(Fault(kind="drop_before", count=2))
    assert data_api(client).file_sha256(data_id, "1.csv") == sha256(FILE)


def test_memory_does_not_grow_with_the_file(studio_open: OpenClient) -> None:
    size, block = 64 * 1024 * 1024, bytes(1024 * 1024)

    def send(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            read_request(stream)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size
        )
        for _ in range(size // len(block)):
            connection.sendall(block)

    with SocketServer(send) as server:
        client = studio_open(server.url)
        tracemalloc.start()
        try:
            download(client)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


class TestTime:
    @staticmethod
    def dripping(ended: threading.Event) -> Talk:
        def talk(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                read_request(stream)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n"
            )
            while not ended.wait(0.05):
                connection.sendall(b"x")

        return talk

    def test_file_that_only_drips_is_given_up(self, studio_open: OpenClient) -> None:
        ended = threading.Event()
        with SocketServer(self.dripping(ended)) as server:
            try:
                with pytest.raises(EdgeImpulseUnavailableError, match="read timeout"):
                    download(studio_open(server.url, read_timeout=0.5))
            finally:
                ended.set()

    def test_file_may_take_longer_than_the_read_timeout_when_it_goes_on(self, studio_open: OpenClient) -> None:
        block = bytes(128 * 1024)
        ended = threading.Event()

        def talk(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                read_request(stream)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
                % (6 * len(block))
            )
            for _ in range(6):
                connection.sendall(block)
                ended.wait(0.5)  # three seconds in all

        with SocketServer(talk) as server:
            assert download(studio_open(server.url, read_timeout=2.5)) == sha256(6 * block)

    def test_cancelling_ends_it(self, studio_open: OpenClient) -> None:
        ended = threading.Event()
        with SocketServer(self.dripping(ended)) as server:
            client = studio_open(server.url, read_timeout=900.0)
            timer = threading.Timer(0.3, client.cancel)
            timer.start()
            try:
                with pytest.raises(EdgeImpulseCancelledError):
                    download(client)
            finally:
                ended.set()
                timer.join()


def test_json_file_of_an_item_is_not_taken_for_an_error(studio_client: HttpClient) -> None:
    data = json.dumps({"success": False, "error": "no"}).encode()
    file = MadeUpFile("1.json", data, content_type="application/json")
    data_id, _ = data_api(studio_client).add_data_item(name="n", dataset="d", metadata={}, files=[file])
    assert data_api(studio_client).file_sha256(data_id, "1.json") == sha256(data)
