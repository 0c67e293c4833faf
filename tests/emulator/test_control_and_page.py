"""The control API and the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, Fault

from .conftest import Client, Contract, Until

SECRET = "ei_3e5f0a-not-to-be-seen"


def control(client: Client, method: str, path: str, **options: Any) -> dict[str, Any]:
    response = client.session.request(method, f"{client.studio.page_url}emulator/{path}", timeout=10, **options)
    assert response.status_code == 200, response.text
    return response.json()


def test_the_log_is_read_and_cleared(client: Client) -> None:
    client.add(metadata={"a": "b"})
    client.get("/data", dataset="x y")
    first, second = control(client, "GET", "requests")["requests"]
    assert first["operation"] == "addOrganizationDataItem" and first["changed"] is True
    assert set(first["files"][0]) == {"name", "content_type", "size", "sha256"}
    assert second == {
        "seq": 2,
        "time": second["time"],
        "method": "GET",
        "path": "/v1/api/organizations/1/data",
        "query": "dataset=x+y",
        "operation": "listOrganizationData",
        "key_ok": True,
        "status": 200,
        "bytes_received": 0,
        "changed": False,
        "fault": None,
        "fields": {},
        "files": [],
    }
    control(client, "DELETE", "requests")
    assert client.studio.requests() == []
    client.get("/data")
    assert client.studio.requests()[0].seq == 3


def test_the_members_of_a_json_body_are_logged(client: Client) -> None:
    item_id = client.add_id()
    client.call("POST", f"/data/{item_id}", json={"metadata": {"a": "1"}, "name": "x"})
    assert client.studio.requests()[-1].fields == {"metadata": {"a": "1"}, "name": "x"}


@pytest.mark.parametrize(
    "body", ['{"name": "\\ud800", "\\udfff": 1}', '{"a": NaN, "b": -1e999}', '{"a": ' + "[" * 900 + "]" * 900 + "}"]
)
def test_the_log_can_be_read_whatever_came(client: Client, body: str) -> None:
    item_id = client.add_id()
    client.call("POST", f"/data/{item_id}", data=body)
    assert control(client, "GET", "requests")["requests"][-1]["status"] == 200


def test_faults_are_ordered_and_cleared(client: Client) -> None:
    fault = {
        "operation": "listOrganizationData",
        "kind": "status",
        "status": 429,
        "headers": {"Retry-After": "1"},
    }
    (waiting,) = control(client, "POST", "faults", json=[fault])["faults"]
    assert fault.items() <= waiting.items()
    assert control(client, "GET", "faults")["faults"] == [waiting]
    assert client.send("GET", "/data").headers["retry-after"] == "1"
    assert control(client, "GET", "faults")["faults"] == []
    client.studio.order(Fault(kind="drop_before", count=9))
    control(client, "DELETE", "faults")
    assert client.get("/data")["success"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "faults", b"{"),
        ("POST", "faults", b'{"kind": "slow"}'),
        ("POST", "faults", b'[{"kind": "slow"}, {"kind": "x"}]'),
        ("POST", "faults", b'[{"kind": "slow", "often": 1}]'),
        ("POST", "faults", b'[{"kind": "slow", "operation": "none"}]'),
        ("POST", "faults", b'[{"kind": "slow", "count": "1"}]'),
        ("POST", "faults", b'[{"kind": "slow", "delay_seconds": null}]'),
        ("POST", "faults", b'[{"kind": "status", "headers": {"a": 1}}]'),
        ("POST", "faults", b'[{"kind": "status", "headers": [["a", "b"]]}]'),
        ("POST", "faults", b'[{"kind": "status", "body": 7}]'),
        ("POST", "faults", b'[{"kind": "success_false", "error": 7}]'),
        ("PATCH", "settings", b"[1]"),
        ("PATCH", "settings", b'{"file_names": "latin1", "colour": "red"}'),
        ("PATCH", "settings", b'{"file_names": "latin1", "latency_seconds": "1"}'),
        ("PATCH", "settings", b'{"api_key": "x"}'),
        ("GET", "state?items=many", b""),
    ],
)
def test_what_makes_no_sense_changes_nothing(client: Client, method: str, path: str, body: bytes) -> None:
    response = requests.request(method, f"{client.studio.page_url}emulator/{path}", data=body)
    assert response.status_code == 400 and response.json()["error"]
    assert control(client, "GET", "faults")["faults"] == []
    assert client.studio.settings == EmulatorSettings()


def test_switches_are_read_and_changed(client: Client) -> None:
    assert control(client, "GET", "settings") == {
        "duplicate_names": "new_id",
        "wrong_key_status": 401,
        "metadata_update": "replace",
        "file_names": "utf8",
        "latency_seconds": 0.0,
    }
    changed = control(client, "PATCH", "settings", json={"duplicate_names": "reject", "wrong_key_status": 200})
    assert (changed["duplicate_names"], changed["wrong_key_status"]) == ("reject", 200)
    assert client.studio.settings.duplicate_names == "reject"


def test_the_state_tells_everything_within_limits(client: Client) -> None:
    for number in range(30):
        files = [(f"f{each}", b"x" * each) for each in range(3)]
        client.add(f"Item {number}", files, {"n": str(number)}, dataset=f"d{number % 2}")
    state = control(client, "GET", "state")
    assert state["totals"] == {"items": 30, "files": 90, "size": 90}
    assert state == client.studio.state()
    newest = state["datasets"][1]["items"][0]
    assert (newest["name"], newest["metadata"], newest["file_count"]) == ("Item 29", {"n": "29"}, 3)
    assert newest["files"][2]["sha256"] == client.studio.requests()[-1].files[2].sha256
    few = control(client, "GET", "state?items=4&files=1&search=ITEM%201")
    assert (few["matching_items"], few["shown_items"], few["totals"]["items"]) == (11, 4, 30)
    assert [item["name"] for item in few["datasets"][1]["items"]] == ["Item 19", "Item 17"]
    assert all(len(item["files"]) == 1 for dataset in few["datasets"] for item in dataset["items"])
    assert few["datasets"][0]["item_count"] == 15


def test_the_state_costs_nothing_while_nothing_changes(client: Client) -> None:
    item_id = client.add_id()
    url = f"{client.studio.page_url}emulator/state"
    etag = requests.get(url).headers["etag"]
    assert requests.get(url, headers={"if-none-match": etag}).status_code == 304
    client.get("/data")
    assert requests.get(url, headers={"if-none-match": etag}).status_code == 304
    for change in [
        lambda: client.add(),
        lambda: client.call("POST", f"/data/{item_id}", json={"metadata": {"a": "b"}}),
        lambda: client.call("DELETE", f"/data/{item_id}"),
        lambda: client.call("POST", "/dataset/vibration", json={"dataset": "other"}),
    ]:
        change()
        response = requests.get(url, headers={"if-none-match": etag})
        assert response.status_code == 200
        etag = response.headers["etag"]


def test_an_item_that_changes_comes_to_the_top(client: Client) -> None:
    first = client.add_id("first")
    client.add("second")
    client.call("POST", f"/data/{first}/add", files=[("files[]", ("b", b""))])
    (dataset,) = client.studio.state()["datasets"]
    assert [item["name"] for item in dataset["items"]] == ["first", "second"]


def test_reset_forgets_data_requests_and_faults(client: Client, data_dir: Path, until: Until) -> None:
    client.studio.add_bucket("other")
    client.add(bucketName="other")
    client.studio.order(Fault(operation="addOrganizationDataItem", kind="store_late", delay_seconds=0.1))
    with pytest.raises(requests.ConnectionError):
        client.add("late")
    client.studio.order(Fault(kind="drop_before", count=9))
    client.studio.settings.metadata_update = "merge"
    control(client, "POST", "reset")
    assert (client.studio.requests(), client.studio.items()) == ([], [])
    assert client.studio.state()["datasets"] == []
    assert [bucket["id"] for bucket in client.get("/buckets")["buckets"]] == [1]
    assert list((data_dir / "uploads").iterdir()) == []
    assert client.studio.settings.metadata_update == "merge"
    assert client.add_id("new") == 2, "an id never comes back"


def test_the_page_comes_from_here_alone(client: Client) -> None:
    response = requests.get(client.studio.page_url)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    addresses = set(re.findall(r"https?://[^'\"\s)]*", response.text))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name of a format, not an address"
    assert "/emulator/state" in response.text
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in response.text
    assert requests.get(f"{client.studio.page_url}other").status_code == 404


def test_the_key_is_shown_nowhere(contract: Contract, capfd: pytest.CaptureFixture[str]) -> None:
    settings = EmulatorSettings(api_key=SECRET)
    with EmulatorServer(settings) as studio:
        client = Client(studio, contract)
        client.add()
        client.send("GET", f"/data?key={SECRET}", headers={"x-api-key": SECRET})
        client.send("GET", f"/{SECRET}")
        client.call("POST", "/data/1", json={"name": "x", SECRET: [SECRET]})
        client.session.headers["x-api-key"] = SECRET + "x"
        client.send("GET", "/data")
        seen = [repr(studio), repr(settings), str(studio.requests()), str(studio.state())]
        for path in ("", "emulator/requests", "emulator/faults", "emulator/settings", "emulator/state"):
            seen.append(requests.get(studio.page_url + path).text)
    assert not [text for text in seen if SECRET in text]
    assert not any(SECRET in text for text in capfd.readouterr())
