"""The session below the client: where it goes, what it carries, how long it waits."""

from __future__ import annotations

import base64
import logging
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

import pytest
import requests

from airflow_provider_ei import __version__
from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseConfigError,
    EdgeImpulseError,
    EdgeImpulseFileError,
    EdgeImpulseRedirectError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.files import read_opened
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.files import MadeUpFile
from tests.support.studio import data_api

from .conftest import KEY, OpenClient
from .wire import Reply, ScriptedServer, SocketServer, read_head, read_request

MANY = 24 * 1024 * 1024


class Zeros:
    """A large file of zeros that is nowhere."""

    name, content_type, source = "zeros.bin", "application/octet-stream", "zeros"

    def __init__(self, size: int = MANY) -> None:
        self.size = size
        self.reads: list[int] = []

    def open(self) -> BinaryIO:
        return _Zeros(self)  # type: ignore[return-value]

    def check_unchanged(self, handle: BinaryIO) -> None:
        return None

    def read_whole(self) -> bytes:
        return read_opened(self)


class _Zeros:
    def __init__(self, file: Zeros) -> None:
        self._left = file.size
        self._reads = file.reads

    def read(self, size: int) -> bytes:
        block = bytes(min(size, self._left))
        self._left -= len(block)
        self._reads.append(size)
        return block

    def close(self) -> None:
        return None


def upload(client: HttpClient, *files: object) -> None:
    data_api(client).add_data_item(name="run 1", dataset="d", metadata={}, files=files or [MadeUpFile("1.csv")])  # type: ignore[arg-type]


def listing(client: HttpClient) -> None:
    list_organizations(client)


CALLS = [
    pytest.param(upload, id="upload"),
    pytest.param(listing, id="listing"),
    pytest.param(lambda client: data_api(client).update_data_item(1, name="x"), id="change"),
    pytest.param(lambda client: data_api(client).delete_data_item(1), id="delete"),
]


class TestBlocks:
    def test_files_are_read_in_blocks_of_128_kib(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient
    ) -> None:
        file = Zeros()
        upload(studio_client, file)
        (item,) = studio_emulator.items()
        assert item.total_size == MANY
        assert max(file.reads) == 128 * 1024
        assert len(file.reads) <= MANY // (128 * 1024) + 3


class TestRedirects:
    """None is followed: it would drop the body, or carry the key to another host."""

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("call", CALLS)
    def test_to_another_host(self, studio_open: OpenClient, status: int, call: Callable[[HttpClient], object]) -> None:
        with ScriptedServer() as other:
            reply = Reply(status, "", {"Location": f"{other.url}/elsewhere?token=secret"})
            with ScriptedServer(reply) as first, pytest.raises(EdgeImpulseRedirectError) as caught:
                call(studio_open(first.url, retry_attempts=3))
            assert other.connections == 0
            assert len(first.received) == 1
        assert not caught.value.retryable
        assert caught.value.status == status
        assert f"127.0.0.1:{other.port}/v1/elsewhere" in str(caught.value)
        assert "secret" not in str(caught.value)

    def test_to_the_same_host(self, studio_emulator: EmulatorServer, studio_client: HttpClient) -> None:
        studio_emulator.inject(Fault(kind="redirect", status=307, location="/v1/api/organizations"))
        with pytest.raises(EdgeImpulseRedirectError):
            listing(studio_client)
        assert len(studio_emulator.requests()) == 1

    @pytest.mark.parametrize(
        "headers",
        [
            pytest.param({}, id="no Location"),
            pytest.param({"Location": ""}, id="empty"),
            pytest.param({"Location": "http://[half"}, id="no URL"),
            pytest.param({"Location": "https://h:port/"}, id="no port"),
            pytest.param({"Location": "/\xe9"}, id="Latin-1"),
            pytest.param({"Location": "//"}, id="slashes"),
        ],
    )
    def test_with_an_odd_location(self, studio_open: OpenClient, headers: dict[str, str]) -> None:
        with ScriptedServer(Reply(302, "", headers)) as server, pytest.raises(EdgeImpulseRedirectError):
            listing(studio_open(server.url))


class TestHeaders:
    @pytest.mark.parametrize("call", CALLS)
    def test_key_and_version_are_sent(self, studio_open: OpenClient, call: Callable[[HttpClient], object]) -> None:
        with ScriptedServer() as server:
            call(studio_open(server.url))
            (request,) = server.received
        assert request.headers["x-api-key"] == KEY
        assert request.headers["user-agent"] == f"airflow-provider-ei/{__version__}"
        assert "authorization" not in request.headers
        assert KEY not in request.target
        assert KEY.encode() not in request.body

    @pytest.mark.parametrize("variable", ["HOME", "NETRC"])
    def test_netrc_is_not_used(
        self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
    ) -> None:
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login someone password hunter2\ndefault login a password b\n")
        netrc.chmod(0o600)
        monkeypatch.setenv(variable, str(netrc if variable == "NETRC" else tmp_path))
        with ScriptedServer() as server:
            upload(studio_open(server.url))
            listing(studio_open(server.url))
            assert all("authorization" not in request.headers for request in server.received)
            assert [request.headers["x-api-key"] for request in server.received] == [KEY, KEY]


class TestProxies:
    def test_the_environment_s_proxy_is_used(self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedServer() as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            file = Zeros()
            upload(studio_open("http://studio.invalid/v1"), file)
            (request,) = proxy.received
        assert request.target == "http://studio.invalid/v1/api/organizations/7/data/add"
        assert len(request.parts()[-1].content) == MANY
        assert max(file.reads) == 128 * 1024

    def test_https_is_tunnelled(self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch) -> None:
        """The proxy sees the host's name, and nothing of the request."""
        seen: list[str] = []

        def refuse(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                head = read_head(stream)
                assert head is not None
                seen.append(f"{head[0]} {head[1]} {head[2]}")
                connection.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")

        with SocketServer(refuse) as proxy:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
            with pytest.raises(EdgeImpulseUnavailableError, match="proxy") as caught:
                upload(studio_open("https://studio.invalid/v1"))
        assert not caught.value.ambiguous
        assert seen[0].startswith("CONNECT studio.invalid:443 ")
        assert KEY not in seen[0]

    def test_no_proxy_is_heeded(self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedServer() as proxy, ScriptedServer() as server:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            listing(studio_open(server.url))
            assert (proxy.connections, server.connections) == (0, 1)

    def test_proxy_that_is_not_there(self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{deaf.getsockname()[1]}")
            with pytest.raises(EdgeImpulseUnavailableError, match="proxy") as caught:
                listing(studio_open("http://studio.invalid/v1"))
        assert not caught.value.ambiguous

    def test_password_of_the_proxy_is_sent_to_it_alone(
        self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ScriptedServer() as proxy:
            monkeypatch.setenv("http_proxy", f"http://someone:p%40ss@127.0.0.1:{proxy.port}")
            client = studio_open("http://studio.invalid/v1")
            for _ in range(2):
                listing(client)
            given = [request.headers["proxy-authorization"] for request in proxy.received]
        assert given == [f"Basic {base64.b64encode(b'someone:p@ss').decode()}"] * 2

    def test_a_client_reads_the_environment_once(
        self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ScriptedServer() as proxy, ScriptedServer() as server:
            client = studio_open(server.url)
            listing(client)
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            listing(client)
            assert (proxy.connections, len(server.received)) == (0, 2)
            listing(studio_open(server.url))
            assert (proxy.connections, len(server.received)) == (1, 2)


def relay(connection: socket.socket) -> None:
    """Do what a proxy does that is asked for a tunnel."""
    with connection.makefile("rb", buffering=0) as stream:
        head = read_head(stream)
    assert head is not None and head[0] == "CONNECT"
    host, _, port = head[1].partition(":")
    with socket.create_connection((host, int(port))) as server:
        connection.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
        back = threading.Thread(target=copy, args=(server, connection))
        back.start()
        copy(connection, server)
        back.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    with suppress(OSError):
        socket.socket.shutdown(target, socket.SHUT_RDWR)


class TestTls:
    """All connections of a client share one context, with the CAs that requests would load for each of them."""

    @pytest.fixture
    def server(self, studio_certificate: Path) -> Iterator[EmulatorServer]:
        settings = EmulatorSettings(api_key=KEY, organization_id=7)
        with EmulatorServer(settings, certfile=studio_certificate) as server:
            yield server

    @pytest.mark.parametrize("form", ["file", "directory"])
    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_authorities_of_the_environment_are_trusted(
        self,
        server: EmulatorServer,
        studio_open: OpenClient,
        studio_certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        variable: str,
        form: str,
    ) -> None:
        monkeypatch.setenv(variable, str(studio_certificate if form == "file" else tmp_path))
        command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(studio_certificate)]
        name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        shutil.copy(studio_certificate, tmp_path / f"{name}.0")
        listing(studio_open(server.url))

    def test_the_bundle_of_requests_comes_before_that_of_curl(
        self,
        server: EmulatorServer,
        studio_open: OpenClient,
        studio_certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())
        monkeypatch.setenv("CURL_CA_BUNDLE", str(studio_certificate))
        with pytest.raises(EdgeImpulseConfigError, match="not trusted"):
            listing(studio_open(server.url))

    def test_authorities_are_read_once(
        self,
        server: EmulatorServer,
        studio_open: OpenClient,
        studio_certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        bundle = tmp_path / "bundle.pem"
        shutil.copy(studio_certificate, bundle)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        client = studio_open(server.url)
        server.inject(Fault(kind="drop_after"))
        with pytest.raises(EdgeImpulseUnavailableError):
            listing(client)
        shutil.copy(requests.certs.where(), bundle)
        listing(client)  # through a new connection
        with pytest.raises(EdgeImpulseConfigError, match="not trusted"):
            listing(studio_open(server.url))

    def test_bundle_without_certificates_is_named(
        self, server: EmulatorServer, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "empty.pem").touch()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "empty.pem"))
        with pytest.raises(EdgeImpulseConfigError, match=r"empty\.pem"):
            listing(studio_open(server.url))

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_through_a_proxy(
        self,
        server: EmulatorServer,
        studio_open: OpenClient,
        studio_certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
        scheme: str,
    ) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(studio_certificate)

        def proxy(connection: socket.socket) -> None:
            if scheme == "https":
                connection = context.wrap_socket(connection, server_side=True)
            relay(connection)

        with SocketServer(proxy) as proxy_server:
            monkeypatch.setenv("https_proxy", f"{scheme}://127.0.0.1:{proxy_server.port}")
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(studio_certificate))
            client = studio_open(server.url)
            upload(client, Zeros(3_000_000))
            listing(client)
            assert proxy_server.connections == 1
            client.close()
        (item,) = server.items()
        assert item.total_size == 3_000_000


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="only Linux joins small writes to full packets")
class TestFullPackets:
    @pytest.mark.parametrize("fails", [False, True], ids=["sent", "failed"])
    def test_are_asked_for_while_a_body_is_sent_and_not_after_it(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, fails: bool
    ) -> None:
        port = int(studio_emulator.url.split(":")[2].partition("/")[0])
        during: list[list[int]] = []

        class Watching(MadeUpFile):
            def open(self) -> BinaryIO:
                during.append(corks(port))
                return super().open()

        file = Watching("1.csv", b"8 bytes.", stated_size=9 if fails else 8)
        listing(studio_client)
        with pytest.raises(EdgeImpulseFileError) if fails else nullcontext():
            upload(studio_client, file)
        assert during == [[1]]
        assert 1 not in corks(port)
        listing(studio_client)
        assert corks(port) == [0]


def corks(port: int) -> list[int]:
    """Return TCP_CORK of all connections of this process to a port."""
    found = []
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
            if copy.family == socket.AF_INET and copy.getpeername()[1] == port:
                found.append(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK))
    return found


class TestTimeouts:
    def test_host_that_stops_reading_ends_the_upload_after_the_write_timeout(self, studio_open: OpenClient) -> None:
        ended = threading.Event()

        def never_read(connection: socket.socket) -> None:
            ended.wait(100)

        with SocketServer(never_read, receive_buffer=65536) as server:
            client = studio_open(server.url, connect_timeout=1000.0, write_timeout=0.2, read_timeout=1000.0)
            try:
                with pytest.raises(EdgeImpulseUnavailableError) as caught:
                    upload(client, Zeros())
            finally:
                ended.set()
        assert caught.value.ambiguous
        assert f"127.0.0.1:{server.port}" in str(caught.value)

    def test_host_that_pauses_longer_than_the_connect_timeout(self, studio_open: OpenClient) -> None:
        """The connect timeout does not govern sending."""
        bodies: list[int] = []

        def pause_and_read(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                time.sleep(0.6)  # what the client must bear with
                request = read_request(stream)
                assert request is not None
                bodies.append(len(request.body))
                connection.sendall(Reply().raw())

        with SocketServer(pause_and_read, receive_buffer=65536) as server:
            upload(studio_open(server.url, connect_timeout=0.2, write_timeout=60.0), Zeros())
        assert bodies[0] > MANY

    def test_the_time_for_writing_holds_on_a_connection_that_was_used(self, studio_open: OpenClient) -> None:
        ended = threading.Event()

        def answer_once(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                read_request(stream)
                connection.sendall(Reply().raw())
                ended.wait(100)

        with SocketServer(answer_once, receive_buffer=65536) as server:
            client = studio_open(server.url, connect_timeout=1000.0, write_timeout=0.2, read_timeout=1000.0)
            try:
                listing(client)
                with pytest.raises(EdgeImpulseUnavailableError):
                    upload(client, Zeros())
            finally:
                ended.set()
            assert server.connections == 1

    @pytest.mark.parametrize("call", [pytest.param(upload, id="upload"), pytest.param(listing, id="listing")])
    def test_host_that_does_not_answer_ends_the_request_after_the_read_timeout(
        self, studio_open: OpenClient, call: Callable[[HttpClient], None]
    ) -> None:
        ended = threading.Event()

        def never_answer(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                read_request(stream)
            ended.wait(100)

        with SocketServer(never_answer) as server:
            client = studio_open(server.url, connect_timeout=1000.0, write_timeout=1000.0, read_timeout=0.2)
            try:
                with pytest.raises(EdgeImpulseUnavailableError, match="read timeout") as caught:
                    call(client)
            finally:
                ended.set()
        assert caught.value.ambiguous
        assert caught.value.status is None

    def test_host_that_takes_longer_to_answer_than_to_read(self, studio_open: OpenClient) -> None:
        def think(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                read_request(stream)
                time.sleep(0.5)
                connection.sendall(Reply().raw())

        with SocketServer(think) as server:
            upload(studio_open(server.url, connect_timeout=0.2, write_timeout=0.2, read_timeout=60.0))


class TestConnections:
    def test_one_is_kept_open(self, studio_open: OpenClient) -> None:
        with ScriptedServer() as server:
            client = studio_open(server.url)
            for _ in range(3):
                upload(client)
                listing(client)
            assert server.connections == 1

    def test_one_that_the_host_has_closed_is_replaced(self, studio_open: OpenClient) -> None:
        def once(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                read_request(stream)
                connection.sendall(Reply().raw())

        with SocketServer(once) as server:
            client = studio_open(server.url, retry_attempts=2)
            listing(client)
            listing(client)
            assert server.connections == 2

    def test_leaving_the_client_closes_them(self) -> None:
        closed = threading.Event()

        def talk(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                read_request(stream)
                connection.sendall(Reply().raw())
                if read_request(stream) is None:
                    closed.set()

        with SocketServer(talk) as server:
            with HttpClient(StudioSettings(api_key=KEY, base_url=server.url)) as client:
                listing(client)
                assert not closed.is_set()
            assert closed.wait(30)

    def test_a_file_that_fails_leaves_a_client_that_works(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient
    ) -> None:
        for _ in range(3):
            with pytest.raises(EdgeImpulseError):
                upload(studio_client, MadeUpFile("1.csv", b"x" * 500_000, stated_size=400_000))
            upload(studio_client)
        assert len(studio_emulator.items()) == 3


class TestTheKeyIsShownNowhere:
    def test_settings_and_client(self, studio_open: OpenClient) -> None:
        client = studio_open("https://studio.edgeimpulse.com/v1")
        for shown in (client, client.settings):
            assert KEY not in repr(shown) + str(shown) + f"{shown}"

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(Fault(kind="status", status=status, body=body % KEY, count=3), id=f"{status} {body[:1]}")
            for status in (200, 400, 401, 403, 404, 429, 500)
            for body in ('{"success": false, "error": "Key %s is wrong"}', "<p>Invalid API key: %s</p>", "[%r]")
        ]
        + [pytest.param(Fault(kind=kind, count=3), id=kind) for kind in ("drop_before", "success_false", "cut_body")]
        + [pytest.param(Fault(kind="redirect", location=f"https://h/{KEY}?key={KEY}"), id="redirect")],
    )
    @pytest.mark.parametrize("call", [pytest.param(upload, id="upload"), pytest.param(listing, id="listing")])
    def test_errors_and_logs(
        self,
        studio_emulator: EmulatorServer,
        studio_open: OpenClient,
        caplog: pytest.LogCaptureFixture,
        call: Callable[[HttpClient], None],
        fault: Fault,
    ) -> None:
        studio_emulator.inject(fault)
        with caplog.at_level(logging.DEBUG), pytest.raises(EdgeImpulseError) as caught:
            call(studio_open(studio_emulator.url, retry_attempts=3, throttle_patience=0.0))
        error: BaseException | None = caught.value
        while error is not None:
            assert KEY not in f"{error} {error!r} {vars(error).get('server_text')}"
            error = error.__cause__ or error.__context__
        assert KEY not in caplog.text
