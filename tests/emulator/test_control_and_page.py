"""The control API and the page."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import requests
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, Fault
from airflow_provider_ei.emulator.faults import FaultKind

from .conftest import Client, Contract, Until

SECRET = "ei_3e5f0a-not-to-be-seen"


def control(client: Client, method: str, path: str, **options: Any) -> dict[str, Any]:
    response = client.session.request(method, f"{client.studio.page_url}emulator/{path}", timeout=10, **options)
    assert response.status_code == 200, response.text
    return response.json()


def test_the_request_log_is_read_and_cleared(client: Client) -> None:
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
def test_the_log_can_be_read_after_any_json_body(client: Client, body: str) -> None:
    item_id = client.add_id()
    client.call("POST", f"/data/{item_id}", data=body)
    assert control(client, "GET", "requests")["requests"][-1]["status"] == 200


def test_faults_are_injected_and_cleared(client: Client) -> None:
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
    client.studio.inject(Fault(kind="drop_before", count=9))
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
        ("POST", "faults", b'[{"kind": "slow", "skip": NaN}]'),
        ("POST", "faults", b'[{"kind": "slow", "delay_seconds": 1e999}]'),
        ("POST", "faults", b'[{"kind": "slow", "skip": true}]'),
        ("POST", "faults", b'[{"kind": "status", "status": 200.5}]'),
        ("POST", "faults", b'[{"kind": "status", "body": "\\ud800"}]'),
        ("POST", "faults", b'[{"kind": "\\ud800"}]'),
        ("POST", "faults", b'[{"kind": "status", "headers": {"a b": "c"}}]'),
        ("POST", "faults", b"[" * 200_000),
        ("POST", "faults", b"[" * 900 + b"]" * 900),
        ("PATCH", "settings", b"[1]"),
        ("PATCH", "settings", b'[["latency_seconds", 1]]'),
        ("PATCH", "settings", b'{"latency_seconds": NaN}'),
        ("PATCH", "settings", b'{"latency_seconds": 1' + b"0" * 400 + b"}"),
        ("POST", "buckets", b"{}"),
        ("POST", "buckets", b'{"name": ""}'),
        ("POST", "buckets", b'{"name": "\\ud800"}'),
        ("POST", "buckets", b'["b"]'),
        ("PATCH", "settings", b'{"file_names": "latin1", "color": "red"}'),
        ("PATCH", "settings", b'{"file_names": "latin1", "latency_seconds": "1"}'),
        ("PATCH", "settings", b'{"api_key": "x"}'),
        ("GET", "state?items=many", b""),
        ("GET", "state?files=1_0", b""),
        ("GET", "state?characters=", b""),
    ],
)
def test_an_invalid_control_request_changes_nothing(client: Client, method: str, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"} if body else {}
    response = requests.request(method, f"{client.studio.page_url}emulator/{path}", data=body, headers=headers)
    assert response.status_code == 400 and response.json()["error"]
    assert control(client, "GET", "faults")["faults"] == []
    assert client.studio.settings == EmulatorSettings()


def test_switches_are_read_and_changed(client: Client) -> None:
    assert control(client, "GET", "settings") == EmulatorSettings().switches()
    changed = control(client, "PATCH", "settings", json={"duplicate_names": "reject", "wrong_key_status": 200})
    assert (changed["duplicate_names"], changed["wrong_key_status"]) == ("reject", 200)
    assert client.studio.settings.duplicate_names == "reject"


def test_the_state_contains_everything_within_its_limits(client: Client) -> None:
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


def test_an_unchanged_state_is_answered_with_304(client: Client) -> None:
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
        lambda: client.studio.put_item("by others", "d", {}, {}),
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


def test_items_are_in_the_order_of_the_time_that_the_page_shows(client: Client, until: Until) -> None:
    ids = [client.add_id(f"item {number}") for number in range(3)]
    changes = [
        lambda: client.call("POST", f"/data/{ids[1]}", json={"metadata": {"a": "b"}}),
        lambda: client.call("POST", f"/data/{ids[0]}/add", files=[("files[]", ("b", b""))]),
        lambda: client.call("DELETE", f"/data/{ids[0]}/download", params={"fileName": "b"}),
        lambda: client.call("POST", f"/data/{ids[2]}", json={"name": "other"}),
    ]
    for change in changes:
        before = {item.id: item for item in client.studio.items()}
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        until(lambda: datetime.now(UTC).isoformat(timespec="milliseconds") > started)  # noqa: B023
        assert change()["success"]
        (dataset,) = client.studio.state()["datasets"]
        times = [item["changed"] for item in dataset["items"]]
        assert times == sorted(times, reverse=True)
        assert times[0] > started.replace("+00:00", "Z") >= before[dataset["items"][0]["id"]].changed
        for item in dataset["items"]:
            assert item["created"] == before[item["id"]].created
            assert (item["changed"] == before[item["id"]].changed) == (item["revision"] == before[item["id"]].revision)
    page = requests.get(client.studio.page_url).text
    assert "moment(item.changed)" in page


def test_large_values_of_metadata_are_cut_for_the_page(client: Client) -> None:
    metadata = {"short": "x" * 300, "long": "é" * 301, "huge": "x" * 1_000_000}
    client.add(metadata=metadata)
    cut = control(client, "GET", "state?characters=300")["datasets"][0]["items"][0]["metadata"]
    assert cut == {
        "short": "x" * 300,
        "long": "é" * 300 + "… (301 characters)",
        "huge": "x" * 300 + "… (1,000,000 characters)",
    }
    assert len(json.dumps(control(client, "GET", "state"))) < 20_000
    assert client.studio.state()["datasets"][0]["items"][0]["metadata"] == metadata
    assert "characters: CHARACTERS" in requests.get(client.studio.page_url).text


def test_reset_forgets_data_requests_and_faults(client: Client, data_dir: Path, until: Until) -> None:
    client.studio.add_bucket("other")
    client.add(bucketName="other")
    client.studio.inject(Fault(operation="addOrganizationDataItem", kind="store_late", delay_seconds=0.1))
    with pytest.raises(requests.ConnectionError):
        client.add("late")
    client.studio.inject(Fault(kind="drop_before", count=9))
    client.studio.settings.metadata_update = "merge"
    control(client, "POST", "reset")
    assert (client.studio.requests(), client.studio.items()) == ([], [])
    assert client.studio.state()["datasets"] == []
    assert [bucket["id"] for bucket in client.get("/buckets")["buckets"]] == [1]
    assert list((data_dir / "uploads").iterdir()) == []
    assert client.studio.settings.metadata_update == "merge"
    assert client.add_id("new") == 2, "an id never comes back"


def test_a_bucket_is_added(client: Client) -> None:
    assert control(client, "POST", "buckets", json={"name": "plant"}) == {"id": 2}
    assert control(client, "POST", "buckets", json={"name": "plant"}) == {"id": 2}
    assert client.add(bucketName="plant")["success"]


TEXT = st.text(st.characters(exclude_categories=()), max_size=10)  # half surrogate pairs as well
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "operation": st.sampled_from(["*", "listOrganizationBuckets"]),
    "count": st.integers(1, 3),
    "skip": st.just(0),
    "after_bytes": st.integers(0, 9),
    "delay_seconds": st.just(0),
    "status": st.integers(200, 599),
    "body": PRINTABLE | TEXT,
    "headers": st.dictionaries(st.sampled_from(["Retry-After", "X-A", "a b"]), PRINTABLE, max_size=2),
    "error": PRINTABLE | TEXT,
    "location": PRINTABLE | TEXT,
}
assert set(PLAUSIBLE) == {field.name for field in fields(Fault)} - {"kind"}
KINDS = {"kind": st.sampled_from(get_args(FaultKind))}
FAULTS = st.lists(
    st.fixed_dictionaries(KINDS, optional=PLAUSIBLE)
    | st.fixed_dictionaries(KINDS, optional=dict.fromkeys(PLAUSIBLE, JSON)),
    max_size=2,
)
SWITCHES = st.dictionaries(st.sampled_from([*EmulatorSettings().switches(), "api_key"]), JSON, max_size=2)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "TRACE", "X"]),
    st.sampled_from(["requests", "faults", "settings", "buckets", "state", "reset", "", "other", "state/"]),
    st.dictionaries(
        st.sampled_from(["items", "files", "characters", "search", "x"]), st.text(max_size=8) | st.integers()
    ),
    (JSON | FAULTS | SWITCHES).map(json.dumps).map(str.encode) | st.binary(max_size=20) | st.just(b"[" * 100_000),
    st.sampled_from(["application/json", "Application/JSON; charset=utf-8", "text/plain", "application/x", "", None]),
)
def test_every_control_request_gets_an_answer(
    client: Client, method: str, path: str, query: dict[str, Any], body: bytes, content_type: str | None
) -> None:
    control(client, "DELETE", "faults")
    response = client.session.request(
        method,
        f"{client.studio.page_url}emulator/{path}",
        params={key: str(value).encode(errors="replace") for key, value in query.items()},
        data=body,
        headers={"content-type": content_type},
    )
    assert response.status_code < 500, response.text
    if method != "HEAD":
        assert isinstance(response.json(), dict)
        assert response.ok or response.json()["error"]
    waiting = client.studio.page_url + "emulator/faults"
    assert requests.get(waiting).ok and requests.get(waiting.replace("faults", "settings")).ok


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FAULTS)
def test_every_fault_that_is_accepted_can_be_carried_out(client: Client, wanted: list[dict[str, Any]]) -> None:
    control(client, "DELETE", "faults")
    body = json.dumps([{**fault, "delay_seconds": 0, "skip": 0, "count": 1} for fault in wanted])
    response = client.session.post(
        f"{client.studio.page_url}emulator/faults", data=body, headers={"content-type": "application/json"}
    )
    accepted = [Fault(**fault) for fault in response.json()["faults"]] if response.ok else []
    for fault in accepted:
        try:
            answer = client.send("GET", "/buckets")
            event(f"{fault.kind} is answered")
        except requests.ConnectionError:
            assert fault.kind in ("drop_before", "drop_after", "cut_body", "store_late", "early_status")
        except requests.exceptions.ChunkedEncodingError:
            assert fault.kind == "cut_response"
        else:
            assert answer.status_code in (200, fault.answered_status)


def test_the_page_loads_nothing_from_other_hosts(client: Client) -> None:
    response = requests.get(client.studio.page_url)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    addresses = set(re.findall(r"https?://[^'\"\s)]*", response.text))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name of a format, not an address"
    assert "/emulator/state" in response.text
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in response.text


@pytest.mark.parametrize("path", ["", "organization/1", "organization/1/data", "organization/1/data?dataset=x#item"])
def test_links_to_pages_of_studio_show_the_page(client: Client, path: str) -> None:
    response = requests.get(client.studio.page_url + path)
    assert response.status_code == 200 and response.text == requests.get(client.studio.page_url).text


def test_the_links_of_the_provider_lead_to_the_page(client: Client) -> None:
    # The address is written out: the emulator knows nothing of the rest of the package.
    assert requests.get(client.studio.url.removesuffix("/v1") + "/organization/1/data").ok


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "other", 404),
        ("GET", "v1", 404),
        ("GET", "v1/api", 404),
        ("GET", "organization/2/data", 404),
        ("GET", "organization/1/data/", 404),
        ("POST", "", 405),
        ("POST", "organization/1/data", 405),
        ("PUT", "emulator/state", 405),
        ("GET", "emulator/reset", 405),
        ("GET", "emulator/", 404),
    ],
)
def test_errors_are_json_everywhere(client: Client, method: str, path: str, status: int) -> None:
    response = requests.request(method, client.studio.page_url + path, allow_redirects=False)
    assert (response.status_code, response.json()["success"]) == (status, False)
    assert response.json()["error"]
    assert status != 405 or response.headers["allow"]


def test_a_defect_is_answered_in_json_without_details(
    client: Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a detail")

    monkeypatch.setattr("airflow_provider_ei.emulator.control.describe_state", fail)
    monkeypatch.setattr("airflow_provider_ei.emulator.item_store.ItemStore.totals", fail)
    for response in (requests.get(f"{client.studio.page_url}emulator/state"), client.send("GET", "/data")):
        assert (response.status_code, response.json()["success"]) == (500, False)
        assert "ZeroDivisionError" in response.json()["error"] and "detail" not in response.text
    assert client.studio.requests()[-1].status == 500


def test_the_key_is_shown_nowhere(contract: Contract, capfd: pytest.CaptureFixture[str]) -> None:
    emulator_settings = EmulatorSettings(api_key=SECRET)
    with EmulatorServer(emulator_settings) as studio:
        client = Client(studio, contract)
        client.add()
        client.send("GET", f"/data?key={SECRET}", headers={"x-api-key": SECRET})
        client.send("GET", f"/{SECRET}")
        client.call("POST", "/data/1", json={"name": "x", SECRET: [SECRET]})
        client.session.headers["x-api-key"] = SECRET + "x"
        client.send("GET", "/data")
        seen = [repr(studio), repr(emulator_settings), str(studio.requests()), str(studio.state())]
        for path in ("", "emulator/requests", "emulator/faults", "emulator/settings", "emulator/state"):
            seen.append(requests.get(studio.page_url + path).text)
    assert not [text for text in seen if SECRET in text]
    assert not any(SECRET in text for text in capfd.readouterr())
