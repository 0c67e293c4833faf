"""Pages of other sites in the developer's browser can neither change the emulator nor read from it."""

from __future__ import annotations

import http.client
import json
import socket

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.emulator.cross_site_guard import CrossSiteGuard

from .conftest import Client

CHANGES = [
    ("POST", "emulator/reset", b""),
    ("POST", "emulator/faults", b"[]"),
    ("DELETE", "emulator/faults", b""),
    ("DELETE", "emulator/requests", b""),
    ("PATCH", "emulator/settings", b"{}"),
    ("POST", "emulator/buckets", b'{"name": "b"}'),
    ("DELETE", "v1/api/organizations/1/data/1", b""),
    ("POST", "v1/api/organizations/1/data/1", b"{}"),
]
READS = ["", "emulator/state", "emulator/requests", "organization/1/data", "v1/api/organizations/1/data", "nowhere"]


def ask(
    client: Client, method: str, path: str, body: bytes = b"", content_type: str | None = None, **headers: str
) -> requests.Response:
    """A request with the key, and with headers of a browser. A body is JSON unless something else is said."""
    if content_type is None and body:
        content_type = "application/json"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = client.studio.page_url + path
    return client.session.request(method, url, data=body, headers={"content-type": content_type, **named}, timeout=10)


def place(client: Client) -> str:
    return client.studio.page_url.removeprefix("http://").removesuffix("/")


def is_refused(response: requests.Response, status: int = 403) -> bool:
    return response.status_code == status and not response.json()["success"] and bool(response.json()["error"])


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_programs_and_its_own_page_can_change_it(client: Client, method: str, path: str, body: bytes) -> None:
    client.add()
    assert ask(client, method, path, body).ok
    client.add()
    own = f"http://{place(client)}"
    assert ask(client, method, path, body, origin=own, sec_fetch_site="same-origin").ok
    assert ask(client, method, path, body, sec_fetch_site="none").ok


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost:1"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://[::1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"host": "evil.example"},
        {"host": "evil.example:8700", "origin": "http://evil.example:8700", "sec_fetch_site": "same-origin"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
def test_a_page_of_another_site_changes_nothing(
    client: Client, method: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    client.add()
    before = (client.studio.state(), client.studio.requests(), client.studio.settings)
    assert is_refused(ask(client, method, path, body, **headers))
    assert (client.studio.state(), client.studio.requests(), client.studio.settings) == before


@pytest.mark.parametrize("path", READS)
def test_a_foreign_name_for_this_machine_reads_nothing(client: Client, path: str) -> None:
    for host in ("evil.example", "evil.example:8700", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0"):
        assert is_refused(ask(client, "GET", path, host=host)), host
    assert client.studio.requests() == []


@pytest.mark.parametrize("path", READS[:-1])
def test_links_from_other_sites_lead_to_the_page(client: Client, path: str) -> None:
    assert ask(client, "GET", path, sec_fetch_site="cross-site", sec_fetch_mode="navigate").ok


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in CHANGES[:6]])
@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/plain+json", "x", ""],
)
def test_the_content_types_of_forms_are_refused(client: Client, method: str, path: str, content_type: str) -> None:
    client.add()
    before = client.studio.state()
    assert is_refused(ask(client, method, path, b"[]", content_type=content_type), 415)
    assert is_refused(ask(client, method, path, b"", content_type="text/plain"), 415)
    assert client.studio.state() == before


def test_a_body_without_a_content_type_is_refused(client: Client) -> None:
    for chunked in (False, True):
        connection = http.client.HTTPConnection(place(client))
        body = iter([b"[]"]) if chunked else b"[]"
        connection.request("POST", "/emulator/faults", body=body, encode_chunked=chunked)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["success"]) == (415, False)
        connection.close()


def test_a_reset_needs_neither_body_nor_headers(client: Client) -> None:
    client.add()
    assert requests.post(f"{client.studio.page_url}emulator/reset").ok
    assert client.studio.items() == []


def test_two_hosts_are_refused(client: Client) -> None:
    name, port = place(client).split(":")
    with socket.create_connection((name, int(port))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\nconnection: close\r\n\r\n")
        assert connection.makefile("rb").readline().split()[1] in (b"400", b"403")


@pytest.mark.parametrize(
    ("listening_at", "host", "known"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1:8700", True),
        ("127.0.0.1", "127.9.9.9", True),
        ("127.0.0.1", "localhost:8700", True),
        ("127.0.0.1", "LOCALHOST.:8700", True),
        ("127.0.0.1", "studio.localhost:8700", True),
        ("127.0.0.1", "[::1]:8700", True),
        ("127.0.0.1", "host.docker.internal:8700", True),
        ("127.0.0.1", "192.168.1.7:8700", False),
        ("127.0.0.1", "0.0.0.0:8700", False),
        ("127.0.0.1", "emulator", False),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "evil-localhost", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "localhost@evil.example", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "[", False),
        ("::1", "[::1]:8700", True),
        ("localhost", "localhost:8700", True),
        ("0.0.0.0", "192.168.1.7:8700", True),
        ("0.0.0.0", "[fe80::1]", True),
        ("0.0.0.0", "localhost", True),
        ("0.0.0.0", "emulator:8700", True),
        ("0.0.0.0", "emulator.svc.cluster.local", True),
        ("0.0.0.0", socket.gethostname(), True),
        ("0.0.0.0", "evil.example", False),
        ("::", "evil.example", False),
        ("studio.example.com", "studio.example.com:8700", True),
        ("studio.example.com", "Studio.Example.com", True),
        ("studio.example.com", "other.example.com", False),
    ],
)
def test_a_host_is_known_by_the_names_that_are_its_own(listening_at: str, host: str, known: bool) -> None:
    assert (CrossSiteGuard(lambda *_: None, listening_at).refusal("GET", {"host": [host]}) is None) is known


@given(st.text(max_size=30), st.text(max_size=30))
def test_every_header_gets_an_answer(host: str, origin: str) -> None:
    error = CrossSiteGuard(lambda *_: None, "127.0.0.1").refusal("POST", {"host": [host], "origin": [origin]})
    assert error is None or len(error) < 500


def test_an_address_of_the_network_is_reachable_from_it() -> None:
    with EmulatorServer(host="0.0.0.0") as studio:
        assert requests.get(studio.page_url).ok
        assert requests.get(studio.page_url, headers={"host": "emulator"}).ok
        assert requests.get(studio.page_url, headers={"host": "evil.example"}).status_code == 403
