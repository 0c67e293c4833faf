"""A server that answers anything: a typed error or a right result, in bounded memory and time, the key nowhere."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseError, EdgeImpulseServiceError
from airflow_provider_ei.hooks import connection_check
from airflow_provider_ei.hooks.connection_check import try_connection
from airflow_provider_ei.studio.api.organizations import OrganizationApi, list_organizations
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.server_text import printable_excerpt
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.files import MadeUpFile
from tests.support.studio import data_api

from .conftest import KEY, OpenClient
from .wire import SUCCESS, Reply, SocketServer, read_request

Pieces = list[bytes]

OPERATIONS: dict[str, Callable[[HttpClient], object]] = {
    "list organizations": lambda client: list_organizations(client),
    "dataset": lambda client: OrganizationApi(client, 7).get_dataset("d"),
    "buckets": lambda client: OrganizationApi(client, 7).list_buckets(),
    "list": lambda client: data_api(client).list_data_items("d", with_files=True),
    "find": lambda client: data_api(client).find_data_items("d", "n"),
    "item": lambda client: data_api(client).get_data_item(3),
    "add": lambda client: data_api(client).add_data_item(
        name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")]
    ),
    "add files": lambda client: data_api(client).add_files(3, [MadeUpFile("1.csv")]),
    "update": lambda client: data_api(client).update_data_item(3, name="x"),
    "delete file": lambda client: data_api(client).delete_file(3, "1.csv"),
    "delete": lambda client: data_api(client).delete_data_item(3),
    "download": lambda client: data_api(client).file_sha256(3, "1.csv"),
}


@contextmanager
def sending(pieces: Iterator[bytes] | Pieces, *, pause: float = 0.0) -> Iterator[SocketServer]:
    """Answer each request with these bytes, piece by piece, and close the connection."""
    ended = threading.Event()

    def talk(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            if read_request(stream) is None:
                return
            for piece in pieces:
                connection.sendall(piece)
                if pause and ended.wait(pause):
                    return

    with SocketServer(talk) as server:
        try:
            yield server
        finally:
            ended.set()


def failure(client: HttpClient, call: Callable[[HttpClient], object]) -> EdgeImpulseServiceError:
    with pytest.raises(EdgeImpulseServiceError) as caught:
        call(client)
    return caught.value


def endless(piece: bytes, head: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield piece * (65536 // len(piece))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = gzip.compress(gzip.compress(bytes(256 * 1024 * 1024)))


class TestBounds:
    @pytest.mark.parametrize(
        ("head", "piece"),
        [
            pytest.param(HEAD + b"\r\n", b"[", id="body"),
            pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n", id="chunks"),
            pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n", id="trailers"),
            pytest.param(HEAD + b"Content-Length: 99999999999\r\n\r\n", b'"', id="length"),
            pytest.param(b"HTTP/1.1 500 No\r\n\r\n", b"<", id="error page"),
            pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="100"),
            pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", id="103"),
            pytest.param(HEAD, b"a: b\r\n", id="headers"),
            pytest.param(HEAD, b"x", id="a header"),
            pytest.param(b"HTTP/1.1 200 ", b"x", id="status line"),
        ],
    )
    @pytest.mark.parametrize("operation", ["list organizations", "list", "add"])
    def test_endless_answer(self, studio_open: OpenClient, operation: str, head: bytes, piece: bytes) -> None:
        with sending(endless(piece, head)) as server:
            tracemalloc.start()
            try:
                failure(studio_open(server.url, read_timeout=5.0), OPERATIONS[operation])
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak < 100 * 1024 * 1024

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(gzip.compress(bytes(300 * 1024 * 1024)), id="zeros"),
            pytest.param(gzip.compress(b'{"data": [' + b"[]," * 50_000_000), id="lists"),
            pytest.param(BOMB, id="twice"),
            pytest.param(gzip.compress(b"") * 50_000, id="many empty ones"),
        ],
    )
    @pytest.mark.parametrize("operation", ["list organizations", "list"])
    def test_compressed_answer(self, studio_open: OpenClient, operation: str, body: bytes) -> None:
        head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        with sending([head, body]) as server:
            tracemalloc.start()
            try:
                failure(studio_open(server.url, read_timeout=5.0), OPERATIONS[operation])
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak < 100 * 1024 * 1024

    @pytest.mark.parametrize(
        "whole",
        [
            pytest.param(HEAD + b"a: " + b"x" * 1000, id="head"),
            pytest.param(HEAD + b"\r\n" + b"[" * 1000, id="body"),
            pytest.param(b"HTTP/1.1 503 No\r\n\r\n" + b"[" * 1000, id="error"),
            pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 50, id="100"),
        ],
    )
    def test_dripping_answer_ends_with_the_read_timeout(self, studio_open: OpenClient, whole: bytes) -> None:
        pieces = [whole[at : at + 1] for at in range(len(whole))]
        with sending(pieces, pause=0.05) as server:
            client = studio_open(server.url, read_timeout=0.5)
            failure(client, OPERATIONS["list organizations"])

    @pytest.mark.parametrize("operation", ["list organizations", "list", "add", "download"])
    @pytest.mark.parametrize("status", [b"200 OK", b"500 No"])
    @pytest.mark.parametrize("length", [b"-1", b"-5", b"-ffffffffffffffffffff"])
    def test_chunk_of_negative_length(
        self, studio_open: OpenClient, operation: str, status: bytes, length: bytes
    ) -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/octet-stream\r\n" % status
        pieces = [head + b"Transfer-Encoding: chunked\r\n\r\n" + length + b"\r\n", *[bytes(1024 * 1024)] * 100]
        with sending(pieces) as server:
            tracemalloc.start()
            try:
                failure(studio_open(server.url, read_timeout=5.0), OPERATIONS[operation])
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak < 50 * 1024 * 1024

    def test_connection_test_ends_at_its_own_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection_check, "TEST_TIMEOUT", 0.5)
        with sending([b"x"] * 1000, pause=0.05) as server:
            works, text = try_connection(StudioSettings(api_key=KEY, base_url=server.url), None)
        assert not works
        assert text.startswith(("Try again later", "Check Host"))

    def test_page_of_angle_brackets_costs_no_time(self) -> None:
        begun = time.process_time()
        for text in ("<" * 100_000, "<script" * 20_000, "<a " * 30_000, "<script>" + "x<" * 50_000):
            printable_excerpt(text)
        assert time.process_time() - begun < 5


class TestAnswersInTheirPlace:
    """No request reads the answer to another one."""

    @pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
    @pytest.mark.parametrize("count", [1, 3])
    def test_interim_answers_are_skipped(self, studio_open: OpenClient, status: bytes, count: int) -> None:
        interim = b"HTTP/1.1 %b\r\nLink: </x>\r\n\r\n" % status
        with sending([interim * count + Reply(200, SUCCESS | {"id": 5}).raw()]) as server:
            data_id, _ = OPERATIONS["add"](studio_open(server.url))  # type: ignore[misc]
        assert data_id == 5

    @pytest.mark.parametrize(
        "surplus",
        [
            pytest.param(Reply(200, SUCCESS | {"id": 666}).raw(), id="a whole answer"),
            pytest.param(b"\r\n", id="a line"),
            pytest.param(b"x", id="a byte"),
        ],
    )
    def test_connection_with_more_than_the_answer_is_closed(self, studio_open: OpenClient, surplus: bytes) -> None:
        def talk(connection: socket.socket) -> None:
            with connection.makefile("rb") as stream:
                while read_request(stream) is not None:
                    connection.sendall(Reply(200, SUCCESS | {"id": 1}).raw() + surplus)

        with SocketServer(talk) as server:
            client = studio_open(server.url)
            for _ in range(3):
                assert OPERATIONS["add"](client)[0] == 1  # type: ignore[index]
            assert server.connections == 3


@pytest.mark.parametrize("kind", ["text/plain", "text/json; charset=latin-1", "text/json; charset=utf-16"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_json_is_utf_8_whatever_a_header_says(studio_open: OpenClient, kind: str, mark: bytes) -> None:
    body = json.dumps({"success": True, "organizations": [{"id": 7, "name": "Prüfung 📈"}]}, ensure_ascii=False)
    reply = Reply(200, mark + body.encode(), {"Content-Type": kind})
    with sending([reply.raw()]) as server:
        (organization,) = list_organizations(studio_open(server.url))
    assert organization.name == "Prüfung 📈"


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("list organizations", {"organizations": [{"id": KEY, "name": "n"}]}),
        ("list", {"data": [{"id": KEY}], "totalDataItemCount": 1}),
        ("item", {"data": {"id": 3, "name": "n", "dataset": "d", "created": KEY}}),
        ("dataset", {"dataset": {"dataset": "d", "type": "clinical", "totalItemCount": KEY}}),
    ],
)
def test_an_error_keeps_none_beside_it_that_shows_the_key(
    studio_open: OpenClient, operation: str, answer: dict[str, object]
) -> None:
    with sending([Reply(200, {"success": True} | answer).raw()]) as server:
        error: BaseException | None = failure(studio_open(server.url), OPERATIONS[operation])
    while error is not None:
        assert KEY not in f"{error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


def test_cookies_are_not_sent_back(studio_open: OpenClient) -> None:
    seen: list[dict[str, str]] = []

    def talk(connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (request := read_request(stream)) is not None:
                seen.append(dict(request.headers))
                connection.sendall(Reply(headers={"Set-Cookie": "session=1; Path=/"}).raw())

    with SocketServer(talk) as server:
        client = studio_open(server.url)
        list_organizations(client)
        list_organizations(client)
    assert ["cookie" in headers for headers in seen] == [False, False]


WORDS = st.sampled_from(
    [KEY, f"key {KEY}!", "\x1b[31mred\x1b[0m", "a\u202eb", "x" * 5000 + KEY, "Invalid API key", "no", "", "\x00", "ü📈"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["success", "error", "data", "id", "organizations", KEY]), inner, max_size=4)
    ),
    max_leaves=8,
)
BODIES = JSON.map(lambda value: json.dumps(value).encode()) | WORDS.map(str.encode) | st.binary(max_size=200)
ENCODINGS = st.sampled_from(["", "gzip", "br", "deflate", KEY])
FRAMES = st.sampled_from(["length", "chunks", "none", "short", "long", "bad chunk", "two lengths"])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Draw the bytes of an answer."""
    body = draw(BODIES)
    encoding, frame = draw(ENCODINGS), draw(FRAMES)
    if encoding == "gzip" and draw(st.booleans()):
        body = gzip.compress(body)
    status = draw(st.sampled_from([200, 200, 200, 201, 204, 206, 302, 304, 400, 401, 404, 413, 429, 500, 503, 599]))
    reason = draw(WORDS).replace("\x00", "").encode("latin-1", "replace")[:100]
    head = draw(st.sampled_from([b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"]))
    head += b"HTTP/1.1 %d %b\r\n" % (status, reason)
    for name in draw(st.lists(st.sampled_from(["Location", "Retry-After", "Content-Type", "X", "broken"]), max_size=3)):
        value = draw(WORDS).encode("latin-1", "replace")[:6000].replace(b"\x00", b"")
        head += value + b"\r\n" if name == "broken" else name.encode() + b": " + value + b"\r\n"
    if encoding:
        head += b"Content-Encoding: " + encoding.encode() + b"\r\n"
    match frame:
        case "chunks":
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        case "bad chunk":
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + KEY.encode() + b"\r\n" + body
        case "none":
            return head + b"\r\n" + body
        case "two lengths":
            return head + b"Content-Length: 1\r\nContent-Length: " + KEY.encode() + b"\r\n\r\n" + body
    length = len(body) + {"length": 0, "short": -1, "long": 5}[frame]
    return head + b"Content-Length: %d\r\n\r\n" % max(0, length) + body


class Generated:
    """A server whose next answer is set from outside."""

    def __init__(self) -> None:
        self.answer = b""
        self.server = SocketServer(self._talk)

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            if read_request(stream) is not None:
                connection.sendall(self.answer)


@pytest.fixture(scope="module")
def generated() -> Iterator[Generated]:
    one = Generated()
    with one.server:
        yield one


def check(generated: Generated, caplog: pytest.LogCaptureFixture, operation: str, answer: bytes) -> None:
    generated.answer = answer
    given = StudioSettings(
        api_key=KEY, base_url=generated.server.url, read_timeout=5, retry_attempts=1, throttle_patience=0
    )
    caplog.clear()
    strings: list[str] = []
    with HttpClient(given, sleep=lambda seconds: None) as client:
        try:
            OPERATIONS[operation](client)
        except EdgeImpulseError as error:
            one: BaseException | None = error
            while one is not None:
                strings += [str(one), repr(one), str(vars(one))]
                one = one.__cause__ or one.__context__
    strings += [record.getMessage() for record in caplog.records]
    for text in strings:
        assert KEY not in text
        assert "\x1b" not in text
        assert "\u202e" not in text


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(answer=answers())
def test_any_answer(generated: Generated, caplog: pytest.LogCaptureFixture, operation: str, answer: bytes) -> None:
    with caplog.at_level(logging.DEBUG):
        check(generated, caplog, operation, answer)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(answer=answers())
def test_any_of_many_answers(
    generated: Generated, caplog: pytest.LogCaptureFixture, operation: str, answer: bytes
) -> None:
    with caplog.at_level(logging.DEBUG):
        check(generated, caplog, operation, answer)


def test_wrong_key_is_understood_in_a_page(studio_open: OpenClient) -> None:
    with sending([Reply(502, "<html><p>Invalid API key</p>" + "<" * 100_000).raw()]) as server:
        assert isinstance(failure(studio_open(server.url), OPERATIONS["list"]), EdgeImpulseAuthError)
