"""Every kind of fault, over plain HTTP and over TLS."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_ei.emulator import Fault, RequestRecord
from airflow_provider_ei.emulator.faults import FaultQueue

from .conftest import Client, Files, Until

ADD = "addOrganizationDataItem"
BIG = [("a", b"x" * 3_000_000)]


def dropped(client: Client, files: Files = BIG) -> RequestRecord:
    """Adds an item, for which no answer must come."""
    with pytest.raises(requests.ConnectionError):
        client.add(files=files)
    return client.studio.requests()[-1]


def test_a_request_is_dropped_before_it_is_stored(either_client: Client, data_dir: Path) -> None:
    client = either_client
    client.studio.inject(Fault(operation=ADD, kind="drop_before"))
    request = dropped(client)
    assert (request.status, request.changed, request.fault) == (None, False, "drop_before")
    assert request.bytes_received > 3_000_000
    assert [file.size for file in request.files] == [3_000_000]
    assert list((data_dir / "uploads").iterdir()) == []
    assert client.names() == []
    assert client.add(files=BIG)["success"], "it was one fault"


def test_a_header_of_a_proxy_does_not_save_a_connection(client: Client) -> None:
    client.session.headers["x-forwarded-for"] = "192.0.2.1"
    client.studio.inject(Fault(kind="drop_before"))
    with pytest.raises(requests.ConnectionError):
        client.get("/data")
    assert client.get("/data")["success"]


def test_a_request_is_dropped_after_it_is_stored(either_client: Client) -> None:
    client = either_client
    client.studio.inject(Fault(operation=ADD, kind="drop_after"))
    request = dropped(client)
    assert (request.status, request.changed, request.fault) == (None, True, "drop_after")
    (item,) = client.studio.items()
    assert client.studio.read_file(item.id, "a") == b"x" * 3_000_000


def test_a_reused_connection_is_dropped(either_client: Client) -> None:
    client = either_client
    client.add("first")
    client.studio.inject(Fault(operation=ADD, kind="drop_after"))
    dropped(client)
    assert client.add("third")["success"]
    assert client.names() == ["first", "item", "third"]


@pytest.mark.parametrize("after_bytes", [0, 1, 1_000_000, 10_000_000])
def test_a_request_is_cut_in_its_body(either_client: Client, data_dir: Path, after_bytes: int) -> None:
    client = either_client
    client.studio.inject(Fault(operation=ADD, kind="cut_body", after_bytes=after_bytes))
    request = dropped(client)
    assert (request.status, request.changed, request.fault) == (None, False, "cut_body")
    assert min(after_bytes, 3_000_000) <= request.bytes_received <= max(after_bytes + 1_000_000, 0)
    assert list((data_dir / "uploads").iterdir()) == []
    assert client.names() == []


def test_a_request_is_stored_late(either_client: Client, until: Until) -> None:
    client = either_client
    client.studio.inject(Fault(operation=ADD, kind="store_late", delay_seconds=0.3))
    request = dropped(client)
    assert (request.status, request.changed, request.fault) == (None, False, "store_late")
    assert client.get("/data")["data"] == []
    until(client.names)
    assert client.studio.requests()[0].changed
    assert client.studio.read_file(client.studio.items()[0].id, "a") == b"x" * 3_000_000


def test_a_deletion_is_made_late_too(client: Client, until: Until) -> None:
    item_id = client.add_id()
    client.studio.inject(Fault(operation="deleteOrganizationDataItem", kind="store_late", delay_seconds=0.05))
    with pytest.raises(requests.ConnectionError):
        client.call("DELETE", f"/data/{item_id}")
    assert client.names() == ["item"]
    until(lambda: not client.names())


def test_late_requests_are_dropped_when_the_server_stops(client: Client, data_dir: Path) -> None:
    client.studio.inject(Fault(operation=ADD, kind="store_late", delay_seconds=600))
    dropped(client)
    assert len(list((data_dir / "uploads").iterdir())) == 1
    client.studio.stop()
    assert list((data_dir / "uploads").iterdir()) == []


def test_a_fault_answers_before_the_body(either_client: Client) -> None:
    client = either_client
    client.studio.inject(Fault(operation=ADD, kind="early_status", status=413))
    # The reset may overtake the answer, as with real servers.
    try:
        response = client.send("POST", "/data/add", data=b"x" * 20_000_000)
    except requests.ConnectionError:
        pass
    else:
        assert response.status_code == 413
    (request,) = client.studio.requests()
    assert (request.status, request.changed, request.bytes_received) == (413, False, 0)


def test_an_early_answer_reaches_a_client_that_sends_no_body(either_client: Client) -> None:
    client = either_client
    client.studio.inject(Fault(kind="early_status"))
    response = client.send("GET", "/data")
    assert response.status_code == 401
    assert client.get("/data")["success"], "on a new connection"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry-After": "3"},
        {"Retry-After": "1.5"},
        {"Retry-After": "soon"},
        {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"},
    ],
)
def test_status_429_is_answered_with_its_headers(client: Client, data_dir: Path, headers: dict[str, str]) -> None:
    client.studio.inject(Fault(operation=ADD, kind="status", status=429, headers=headers))
    response = client.send("POST", "/data/add", data={"name": "x"}, files=[("files[]", ("a", b"1" * 1000))])
    assert response.status_code == 429
    assert response.headers.get("retry-after") == headers.get("Retry-After")
    assert response.json()["success"] is False
    (request,) = client.studio.requests()
    assert (request.status, request.changed, request.fault) == (429, False, "status")
    assert [file.name for file in request.files] == ["a"]
    assert list((data_dir / "uploads").iterdir()) == []


def test_a_server_error_is_an_html_page(client: Client) -> None:
    client.studio.inject(Fault(kind="status"), Fault(kind="status", status=502), Fault(kind="status", status=599))
    for status in (503, 502, 599):
        response = client.send("GET", "/data")
        assert response.status_code == status
        assert response.headers["content-type"].startswith("text/html")
        assert f"<h1>{status}" in response.text


def test_the_body_of_a_status_can_be_given(client: Client) -> None:
    client.studio.inject(Fault(kind="status", status=200, body=""), Fault(kind="status", status=500, body='{"é": 1}'))
    assert client.send("GET", "/data").text == ""
    assert client.send("GET", "/data").json() == {"é": 1}


def test_a_fault_answers_success_false(client: Client) -> None:
    client.studio.inject(Fault(operation=ADD, kind="success_false", error="Disk is full"))
    assert client.add() == {"success": False, "error": "Disk is full"}
    assert client.names() == []


@pytest.mark.parametrize("status", [None, 301, 302, 303, 307, 308])
def test_a_fault_answers_with_a_redirect(client: Client, status: int) -> None:
    client.studio.inject(Fault(operation=ADD, kind="redirect", status=status, location="http://elsewhere.invalid/"))
    response = client.send("POST", "/data/add", data=b"")
    assert response.status_code == (status or 307)
    assert response.headers["location"] == "http://elsewhere.invalid/"
    assert client.names() == []


def test_a_slow_answer_is_stored_at_once(client: Client) -> None:
    client.studio.inject(Fault(operation=ADD, kind="slow", delay_seconds=0.2))
    before = time.monotonic()
    assert client.add()["success"]
    assert time.monotonic() - before >= 0.2
    assert client.studio.requests()[0].status == 200


def test_a_slow_answer_is_stored_although_its_client_does_not_wait(client: Client) -> None:
    client.studio.inject(Fault(operation=ADD, kind="slow", delay_seconds=600))
    with pytest.raises(requests.ReadTimeout):
        client.session.post(
            f"{client.organization}/data/add",
            data={"name": "item", "dataset": "d", "metadata": "{}"},
            files=[("files[]", ("a", b"1"))],
            timeout=0.2,
        )
    assert client.names() == ["item"]
    before = time.monotonic()
    client.studio.stop()
    assert time.monotonic() - before < 60  # of the 600 that the answer would take
    assert client.studio.requests()[0].status is None


def test_faults_hit_the_requests_they_are_injected_for(client: Client) -> None:
    client.studio.inject(
        Fault(operation="listOrganizationData", kind="success_false", error="first", count=2, skip=1),
        Fault(operation="*", kind="success_false", error="any", skip=1),
    )
    errors = [client.get(path).get("error") for path in ["/buckets", "/data", "/data", "/data", "/data", "/buckets"]]
    assert errors == [None, "any", "first", "first", None, None]


def test_a_fault_comes_before_the_key(client: Client) -> None:
    client.session.headers["x-api-key"] = "ei_wrong"
    client.studio.inject(Fault(kind="status", status=500), Fault(kind="drop_after"))
    assert client.send("GET", "/data").status_code == 500
    with pytest.raises(requests.ConnectionError):
        client.send("GET", "/data")
    assert client.send("GET", "/data").status_code == 401


def test_the_queue_returns_the_faults_that_are_left() -> None:
    queue = FaultQueue({"a", "b"})
    queue.inject([Fault(operation="a", kind="slow", count=2, skip=1)])
    assert queue.take("b") is None
    assert queue.take("a") is None
    assert queue.waiting() == [Fault(operation="a", kind="slow", count=2)]
    assert queue.take("a") and queue.take("a")
    assert queue.waiting() == [] and queue.take("a") is None
    with pytest.raises(ValueError, match="uploadThings"):
        queue.inject([Fault(operation="a", kind="slow"), Fault(operation="uploadThings", kind="slow")])
    assert queue.waiting() == []


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "explode"},
        {"kind": "slow", "count": 0},
        {"kind": "slow", "skip": -1},
        {"kind": "slow", "delay_seconds": -1},
        {"kind": "status", "status": 99},
        {"kind": "redirect"},
        {"kind": "redirect", "location": "/x", "status": 200},
        {"kind": "redirect", "location": "/x\r\n"},
        {"kind": "status", "headers": {"a": "b\n"}},
    ],
)
def test_a_fault_must_be_valid(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Fault(**bad)


def test_a_function_chooses_the_faults_that_are_not_injected(client: Client) -> None:
    seen: list[str | None] = []

    def choose(operation: str | None) -> Fault | None:
        seen.append(operation)
        return Fault(kind="success_false", error="chosen") if operation == "listOrganizationBuckets" else None

    client.studio.choose_faults(choose)
    client.studio.inject(Fault(operation="listOrganizationBuckets", kind="success_false", error="injected"))
    errors = [client.get(path).get("error") for path in ("/buckets", "/data", "/buckets")]
    assert errors == ["injected", None, "chosen"]
    assert seen == ["listOrganizationData", "listOrganizationBuckets"], "an injected fault comes first"
    client.studio.choose_faults(None)
    assert client.get("/buckets")["success"]


def test_faults_are_removed_and_the_server_is_reset(client: Client) -> None:
    client.studio.inject(Fault(kind="drop_before", count=9))
    client.studio.clear_faults()
    client.add()
    client.studio.inject(Fault(kind="drop_before", count=9), Fault(operation=ADD, kind="store_late", delay_seconds=600))
    client.studio.settings.listing_totals = False
    client.studio.reset()
    assert (client.studio.items(), client.studio.requests(), client.studio.late) == ([], [], 0)
    assert client.get("/buckets")["success"]
    assert client.studio.settings.listing_totals is False, "switches keep their values"
