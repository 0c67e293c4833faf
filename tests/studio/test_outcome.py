"""What an answer, or the lack of one, becomes."""

from __future__ import annotations

import gc
import socket
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseConfigError,
    EdgeImpulseError,
    EdgeImpulseNotFoundError,
    EdgeImpulseRateLimitError,
    EdgeImpulseRedirectError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseServiceError,
    EdgeImpulseTooLargeError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.retry import parse_retry_after
from tests.support.files import MadeUpFile
from tests.support.studio import data_api

from .conftest import KEY, OpenClient
from .wire import DROP, Reply, ScriptedServer, SocketServer, read_request

#: All that the operations need, but for ``success``.
WHOLE: dict[str, Any] = {"id": 1, "organizations": []}
NO = {"success": False, "error": "There is no disk left"}
PAGE = (
    "<html><head><title>Bad gateway</title><style>p { color: red }</style>"
    "<script>alert('x < y')</script></head>\n<body><h1>Sorry,</h1><p class=a>come&nbsp;back later</p></body></html>"
)


def error_of(studio_open: OpenClient, *replies: Reply, upload: bool = False, **settings: object) -> EdgeImpulseError:
    with ScriptedServer(*replies) as server, pytest.raises(EdgeImpulseError) as caught:
        client = studio_open(server.url, **{"throttle_patience": 0.0, **settings})
        if upload:
            data_api(client).add_data_item(name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")])
        else:
            list_organizations(client)
    return caught.value


class TestStatus:
    @pytest.mark.parametrize(
        ("status", "body", "kind", "permanent"),
        [
            pytest.param(200, NO, EdgeImpulseRefusedError, True, id="200 success:false"),
            pytest.param(201, NO, EdgeImpulseRefusedError, True, id="201 success:false"),
            pytest.param(200, {}, EdgeImpulseResponseError, False, id="200 empty object"),
            pytest.param(200, WHOLE, EdgeImpulseResponseError, False, id="200 without success"),
            pytest.param(200, WHOLE | {"success": "true"}, EdgeImpulseResponseError, False, id="200 success is a text"),
            pytest.param(200, WHOLE | {"success": 1}, EdgeImpulseResponseError, False, id="200 success is a number"),
            pytest.param(200, WHOLE | {"success": None}, EdgeImpulseResponseError, False, id="200 success is null"),
            pytest.param(200, WHOLE | NO, EdgeImpulseRefusedError, True, id="200 success:false with data"),
            pytest.param(200, PAGE, EdgeImpulseResponseError, False, id="200 HTML"),
            pytest.param(200, "", EdgeImpulseResponseError, False, id="200 empty"),
            pytest.param(200, [{"success": True}], EdgeImpulseResponseError, False, id="200 a list"),
            pytest.param(200, '{"success": true', EdgeImpulseResponseError, False, id="200 half of JSON"),
            pytest.param(200, b"\xff\xfe{\x00", EdgeImpulseResponseError, False, id="200 no text"),
            pytest.param(204, "", EdgeImpulseResponseError, False, id="204"),
            pytest.param(301, "", EdgeImpulseRedirectError, True, id="301"),
            pytest.param(304, "", EdgeImpulseRedirectError, True, id="304"),
            pytest.param(400, NO, EdgeImpulseRefusedError, True, id="400"),
            pytest.param(401, NO, EdgeImpulseAuthError, True, id="401"),
            pytest.param(401, PAGE, EdgeImpulseAuthError, True, id="401 HTML"),
            pytest.param(403, NO, EdgeImpulseAuthError, True, id="403"),
            pytest.param(404, NO, EdgeImpulseNotFoundError, True, id="404"),
            pytest.param(404, PAGE, EdgeImpulseNotFoundError, True, id="404 HTML"),
            pytest.param(405, NO, EdgeImpulseRefusedError, True, id="405"),
            pytest.param(408, NO, EdgeImpulseUnavailableError, False, id="408"),
            pytest.param(409, NO, EdgeImpulseRefusedError, True, id="409"),
            pytest.param(413, PAGE, EdgeImpulseTooLargeError, True, id="413"),
            pytest.param(422, NO, EdgeImpulseRefusedError, True, id="422"),
            pytest.param(425, NO, EdgeImpulseUnavailableError, False, id="425"),
            pytest.param(429, NO, EdgeImpulseRateLimitError, False, id="429"),
            pytest.param(429, PAGE, EdgeImpulseRateLimitError, False, id="429 HTML"),
            pytest.param(500, NO, EdgeImpulseUnavailableError, False, id="500"),
            pytest.param(500, {"success": True}, EdgeImpulseUnavailableError, False, id="500 success:true"),
            pytest.param(501, NO, EdgeImpulseRefusedError, True, id="501"),
            pytest.param(502, PAGE, EdgeImpulseUnavailableError, False, id="502 HTML"),
            pytest.param(503, "", EdgeImpulseUnavailableError, False, id="503 empty"),
            pytest.param(504, PAGE, EdgeImpulseUnavailableError, False, id="504"),
            pytest.param(520, PAGE, EdgeImpulseUnavailableError, False, id="520 of a proxy"),
        ],
    )
    @pytest.mark.parametrize("upload", [pytest.param(False, id="listing"), pytest.param(True, id="upload")])
    def test_class_and_facts(
        self,
        studio_open: OpenClient,
        status: int,
        body: Any,
        kind: type[EdgeImpulseServiceError],
        permanent: bool,
        upload: bool,
    ) -> None:
        error = error_of(studio_open, Reply(status, body), upload=upload)
        assert type(error) is kind
        assert isinstance(error, EdgeImpulseServiceError)
        assert error.retryable is not permanent
        assert error.status == status
        assert error.operation == ("addOrganizationDataItem" if upload else "listOrganizations")
        assert error.operation in str(error)
        if isinstance(error, EdgeImpulseUnavailableError):
            assert error.ambiguous

    def test_answer_that_is_nested_too_deeply(self, studio_open: OpenClient) -> None:
        gc.collect()  # what is collected at the deepest point of a recursion cannot be finalized
        assert type(error_of(studio_open, Reply(200, "[" * 100_000))) is EdgeImpulseResponseError

    @pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 413, 500])
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param({"success": False, "error": "Invalid API key"}, id="JSON"),
            pytest.param({"success": False, "message": "invalid api key!"}, id="message"),
            pytest.param("<p>Invalid API key</p>", id="HTML"),
        ],
    )
    def test_wrong_key_with_any_status(self, studio_open: OpenClient, status: int, body: Any) -> None:
        error = error_of(studio_open, Reply(status, body))
        assert isinstance(error, EdgeImpulseAuthError)
        assert "Password (API key) of the connection" in str(error)

    @pytest.mark.parametrize("status", [401, 403, 200])
    def test_wrong_key_at_the_emulator(
        self, studio_emulator: EmulatorServer, studio_open: OpenClient, studio_sleeps: list[float], status: Any
    ) -> None:
        studio_emulator.settings.wrong_key_status = status
        client = studio_open(studio_emulator.url, api_key="ei_wrong", retry_attempts=4)
        with pytest.raises(EdgeImpulseAuthError):
            data_api(client).add_data_item(name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")])
        assert [request.key_ok for request in studio_emulator.requests()] == [False]
        assert studio_sleeps == []

    def test_refusal_before_the_body_was_read(self, studio_open: OpenClient) -> None:
        """A host that says no and then reads no more is understood, not taken for a lost connection."""
        ended = threading.Event()

        def refuse(connection: socket.socket) -> None:
            connection.recv(1000)
            connection.sendall(Reply(413, NO, {"Connection": "close"}).raw())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 20):
                pass
            ended.set()

        with SocketServer(refuse) as server, pytest.raises(EdgeImpulseRefusedError) as caught:
            file = MadeUpFile("1.bin", b"x" * 1_000_000)
            data_api(studio_open(server.url)).add_data_item(name="n", dataset="d", metadata={}, files=[file])
        assert caught.value.status == 413


class TestWordsOfTheService:
    def test_are_kept(self, studio_open: OpenClient) -> None:
        error = error_of(studio_open, Reply(200, NO))
        assert isinstance(error, EdgeImpulseServiceError)
        assert error.server_text == "There is no disk left"
        assert "There is no disk left" in str(error)

    def test_are_shortened(self, studio_open: OpenClient) -> None:
        error = error_of(studio_open, Reply(500, {"error": "word " * 10_000}))
        assert isinstance(error, EdgeImpulseServiceError)
        assert error.server_text is not None
        assert error.server_text.startswith("word word")
        assert len(error.server_text) <= 401
        assert len(str(error)) < 600

    def test_of_a_page_are_its_text(self, studio_open: OpenClient) -> None:
        error = error_of(studio_open, Reply(502, PAGE, {"Content-Type": "text/html"}))
        assert isinstance(error, EdgeImpulseServiceError)
        assert error.server_text is not None
        assert error.server_text.startswith("Bad gateway Sorry, come")
        assert not set("<>{}") & set(error.server_text)

    @pytest.mark.parametrize("status", [200, 400, 401, 500])
    def test_without_the_key(self, studio_open: OpenClient, status: int) -> None:
        error = error_of(studio_open, Reply(status, {"success": False, "error": f"no role for {KEY}, sorry"}))
        assert isinstance(error, EdgeImpulseServiceError)
        assert error.server_text == "no role for ***, sorry"
        assert KEY not in str(error)

    def test_without_the_key_where_they_are_cut(self, studio_open: OpenClient) -> None:
        """Shortening must not leave a part of the key that no longer looks like it."""
        for before in (380, 395, 399):
            error = error_of(studio_open, Reply(500, {"error": "x" * before + KEY}))
            assert KEY[:4] not in str(error)

    def test_may_be_missing(self, studio_open: OpenClient) -> None:
        error = error_of(studio_open, Reply(200, {"success": False}))
        assert isinstance(error, EdgeImpulseRefusedError)
        assert error.server_text is None

    @pytest.mark.parametrize("value", [{"code": 5}, ["a"], 5, True], ids=str)
    def test_of_another_type(self, studio_open: OpenClient, value: object) -> None:
        assert type(error_of(studio_open, Reply(200, {"success": False, "error": value}))) is EdgeImpulseRefusedError


class TestRetryAfter:
    NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            pytest.param(None, None, id="missing"),
            pytest.param("7", 7.0, id="seconds"),
            pytest.param(" 7 ", 7.0, id="spaces"),
            pytest.param("1.5", 1.5, id="fraction"),
            pytest.param("0", 0.0, id="zero"),
            pytest.param("-5", 0.0, id="negative"),
            pytest.param("inf", None, id="inf"),
            pytest.param("nan", None, id="nan"),
            pytest.param("1e999", None, id="overflow"),
            pytest.param("", None, id="empty"),
            pytest.param("soon", None, id="word"),
            pytest.param("5 seconds", None, id="unit"),
            pytest.param("Wed, 01 May 2024 12:00:30 GMT", 30.0, id="date"),
            pytest.param("Wed, 01 May 2024 14:00:30 +0200", 30.0, id="date of another zone"),
            pytest.param("Wed, 01 May 2024 12:00:30", 30.0, id="date without zone"),
            pytest.param("Wed, 01 May 2024 11:00:00 GMT", 0.0, id="date in the past"),
            pytest.param("Wed, 99 May 2024 12:00:30 GMT", None, id="no date"),
            pytest.param("2024-05-01T12:00:30Z", None, id="ISO date"),
            pytest.param("Wed, 01 May 99999999999999999999 12:00:30 GMT", None, id="year beyond all numbers"),
            pytest.param("Wed, 01 May 2024 12:00:30 +99999999999999", None, id="zone beyond all numbers"),
        ],
    )
    def test_parsing(self, text: str | None, seconds: float | None) -> None:
        assert parse_retry_after(text, now=self.NOW) == seconds

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(("text", "seconds"), [("1.5", 1.5), ("soon", None), ("-1", 0.0)])
    def test_is_in_the_error(self, studio_open: OpenClient, status: int, text: str, seconds: float | None) -> None:
        error = error_of(studio_open, Reply(status, NO, {"Retry-After": text}))
        assert isinstance(error, EdgeImpulseRateLimitError | EdgeImpulseUnavailableError)
        assert error.retry_after == seconds


class TestNoConnection:
    """Nothing was carried out for certain; the text names the host and says what to do."""

    def test_refused(self, studio_open: OpenClient) -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))  # bound, and not listening
            port = deaf.getsockname()[1]
            error = self.failure(studio_open, f"http://127.0.0.1:{port}/v1")
        assert isinstance(error, EdgeImpulseUnavailableError)
        assert not error.ambiguous
        assert f"127.0.0.1:{port}" in str(error)
        assert "refused" in str(error).lower()
        assert "Host (Studio base URL) of the connection" in str(error)

    def test_a_host_that_speaks_plain_http_is_asked_for(self, studio_open: OpenClient) -> None:
        def refuse(connection: socket.socket) -> None:
            connection.recv(65536)  # a TLS greeting, in whose random bytes a line may end, or not
            connection.sendall(Reply(400).raw())

        with SocketServer(refuse) as server:
            error = self.failure(studio_open, server.url.replace("http://", "https://"))
        assert isinstance(error, EdgeImpulseUnavailableError)
        assert str(error).startswith("Is it http://?")

    def test_unknown_host(self, studio_open: OpenClient) -> None:
        error = self.failure(studio_open, "https://no-such-host.invalid/v1")
        assert isinstance(error, EdgeImpulseUnavailableError)
        assert not error.ambiguous
        assert "no-such-host.invalid" in str(error)
        assert "Host (Studio base URL) of the connection" in str(error)

    def test_time_out(self, studio_open: OpenClient) -> None:
        with ExitStack() as stack:
            full = stack.enter_context(socket.socket())
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            for _ in range(4):  # more than fit into its queue
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            error = self.failure(studio_open, f"http://127.0.0.1:{port}/v1", connect_timeout=0.3)
        assert isinstance(error, EdgeImpulseUnavailableError)
        assert not error.ambiguous
        assert f"127.0.0.1:{port}" in str(error)
        assert "connect timeout" in str(error)
        assert "Host (Studio base URL) of the connection" in str(error)

    @pytest.mark.parametrize(
        "url",
        [
            pytest.param("https://studio..invalid/v1", id="two dots"),
            pytest.param(f"https://{'x' * 70}.invalid/v1", id="long label"),
            pytest.param("https://.invalid/v1", id="leading dot"),
            pytest.param("https://*.invalid/v1", id="star"),
        ],
    )
    def test_host_that_is_no_name(self, studio_open: OpenClient, url: str) -> None:
        error = self.failure(studio_open, url)
        assert isinstance(error, EdgeImpulseConfigError | EdgeImpulseUnavailableError)
        assert not getattr(error, "ambiguous", False)
        assert "Host (Studio base URL) of the connection" in str(error)

    @staticmethod
    def failure(studio_open: OpenClient, url: str, **settings: object) -> EdgeImpulseError:
        client = studio_open(url, **settings)
        with pytest.raises(EdgeImpulseError) as caught:
            data_api(client).add_data_item(name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")])
        return caught.value


class TestTls:
    def test_trusted_certificate(
        self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch, studio_certificate: Path
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(studio_certificate))
        settings = EmulatorSettings(api_key=KEY, organization_id=7)
        data = b"x" * 1_000_000
        with EmulatorServer(settings, certfile=studio_certificate) as server:
            client = studio_open(server.url)
            data_id, _ = data_api(client).add_data_item(
                name="n", dataset="d", metadata={}, files=[MadeUpFile("1.bin", data)]
            )
            assert server.read_file(data_id, "1.bin") == data

    def test_untrusted_certificate(
        self, studio_open: OpenClient, studio_certificate: Path, studio_sleeps: list[float]
    ) -> None:
        with EmulatorServer(EmulatorSettings(api_key=KEY), certfile=studio_certificate) as server:
            host = server.url.split("/")[2]
            error = TestNoConnection.failure(studio_open, server.url, retry_attempts=4)
            assert server.requests() == []
        assert isinstance(error, EdgeImpulseConfigError)
        assert not error.retryable
        assert host in str(error)
        assert "self-signed" in str(error)
        assert "REQUESTS_CA_BUNDLE" in str(error)
        assert studio_sleeps == []

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_bundle_that_is_not_there(
        self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
    ) -> None:
        monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
        error = TestNoConnection.failure(studio_open, "https://127.0.0.1:9/v1")
        assert isinstance(error, EdgeImpulseConfigError)
        assert "missing.pem" in str(error)

    def test_connection_cut_in_mid_body(
        self, studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch, studio_certificate: Path
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(studio_certificate))
        settings = EmulatorSettings(api_key=KEY, organization_id=7)
        with EmulatorServer(settings, certfile=studio_certificate) as server:
            server.inject(Fault(kind="cut_body", after_bytes=100_000))
            client = studio_open(server.url, retry_attempts=4)
            with pytest.raises(EdgeImpulseUnavailableError) as caught:
                data_api(client).add_data_item(
                    name="n", dataset="d", metadata={}, files=[MadeUpFile("1.bin", b"x" * 8_000_000)]
                )
            assert caught.value.ambiguous
            assert server.items() == []
            assert len(server.requests()) == 1

    def test_host_that_speaks_no_tls(self, studio_open: OpenClient) -> None:
        with SocketServer(lambda connection: connection.sendall(Reply().raw())) as server:
            error = TestNoConnection.failure(studio_open, server.url.replace("http:", "https:"))
        assert isinstance(error, EdgeImpulseError)
        assert f"127.0.0.1:{server.port}" in str(error)
        assert not getattr(error, "ambiguous", False)

    def test_host_that_does_not_shake_hands(self, studio_open: OpenClient) -> None:
        """The connect timeout covers the handshake, and nothing has been sent by then."""
        ended = threading.Event()

        def wait(connection: socket.socket) -> None:
            ended.wait(100)

        with SocketServer(wait) as server:
            try:
                error = TestNoConnection.failure(
                    studio_open, server.url.replace("http:", "https:"), connect_timeout=0.3, read_timeout=1000.0
                )
            finally:
                ended.set()
        assert isinstance(error, EdgeImpulseUnavailableError)
        assert not error.ambiguous
        assert "did not answer" not in str(error)


class TestLostAnswers:
    """The service may have carried the request out."""

    def test_connection_closed_before_the_answer(self, studio_open: OpenClient) -> None:
        with ScriptedServer(DROP) as server, pytest.raises(EdgeImpulseUnavailableError) as caught:
            list_organizations(studio_open(server.url))
        assert caught.value.ambiguous
        assert caught.value.status is None
        assert f"127.0.0.1:{server.port}" in str(caught.value)

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"success": true}', id="body"),
            pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", id="chunk"),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", id="compression"),
            pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="no HTTP at all"),
        ],
    )
    def test_broken_answer(self, studio_open: OpenClient, raw: bytes) -> None:
        def answer(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                read_request(stream)
                connection.sendall(raw)

        with SocketServer(answer) as server, pytest.raises(EdgeImpulseUnavailableError) as caught:
            data_api(studio_open(server.url)).add_data_item(
                name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")]
            )
        assert caught.value.ambiguous
        assert f"127.0.0.1:{server.port}" in str(caught.value)

    def test_an_answer_cut_in_its_headers_is_a_transient_error(self, studio_open: OpenClient) -> None:
        """The standard library reads it as an empty answer; it must count as a transient error, not as a success."""

        def answer(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                read_request(stream)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")

        with SocketServer(answer) as server, pytest.raises(EdgeImpulseServiceError) as caught:
            data_api(studio_open(server.url)).add_data_item(
                name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")]
            )
        assert caught.value.retryable

    @pytest.mark.parametrize(("kind", "stored"), [("drop_before", 0), ("drop_after", 1), ("cut_body", 0)])
    def test_of_an_upload(
        self, studio_emulator: EmulatorServer, studio_open: OpenClient, kind: Any, stored: int
    ) -> None:
        studio_emulator.inject(Fault(kind=kind))
        client = studio_open(studio_emulator.url, retry_attempts=4)
        with pytest.raises(EdgeImpulseUnavailableError) as caught:
            data_api(client).add_data_item(name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")])
        assert caught.value.ambiguous
        assert len(studio_emulator.items()) == stored
        assert len(studio_emulator.requests()) == 1
