"""Each switch with each of its values."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorSettings

from .conftest import Client


def test_a_second_item_of_a_name_gets_its_own_id(client: Client) -> None:
    assert client.add_id() != client.add_id()
    assert client.names() == ["item", "item"]


def test_a_second_item_of_a_name_is_rejected(client: Client, data_dir: Path) -> None:
    client.studio.settings.duplicate_names = "reject"
    client.add_id(files=[("a", b"first")])
    answer = client.add(files=[("a", b"second")])
    assert not answer["success"] and "already exists" in answer["error"]
    assert [request.changed for request in client.studio.requests()] == [True, False]
    assert len(list((data_dir / "uploads").iterdir())) == 1
    assert client.add(dataset="another")["success"]


def test_a_second_item_of_a_name_is_merged(client: Client) -> None:
    client.studio.settings.duplicate_names = "merge"
    first = client.add_id(files=[("a", b"old"), ("b", b"kept")], metadata={"x": "1", "y": "1"})
    assert client.add_id(files=[("a", b"new"), ("c", b"")], metadata={"y": "2"}) == first
    (item,) = client.studio.items()
    assert item.metadata == {"x": "1", "y": "2"}
    assert [file.name for file in item.files] == ["a", "b", "c"]
    assert client.studio.read_file(first, "a") == b"new"
    assert client.add_id(dataset="another") != first


@pytest.mark.parametrize("status", [401, 403, 200])
@pytest.mark.parametrize("key", [None, "", "ei_wrong", "ei_emulatorx", "Ei_emulator", "ei_é"])
def test_a_wrong_key_gets_the_status_of_the_switch(client: Client, status: int, key: str | None) -> None:
    client.studio.settings.wrong_key_status = status
    client.session.headers["x-api-key"] = None if key is None else key.encode()
    for method, path in [
        ("GET", "/data"),
        ("POST", "/data/add"),
        ("DELETE", "/data/1"),
        ("GET", "/pipelines"),
    ]:
        response = client.send(method, path, data=b"x" * 70_000)
        assert response.status_code == status
        assert response.json() == {"success": False, "error": "Invalid API key"}
    assert not any(request.key_ok or request.changed for request in client.studio.requests())


def test_an_update_replaces_the_metadata_or_merges_into_it(client: Client) -> None:
    item_id = client.add_id(metadata={"a": "1", "b": "1"})
    client.call("POST", f"/data/{item_id}", json={"metadata": {"b": "2"}})
    assert client.studio.items()[0].metadata == {"b": "2"}
    client.studio.settings.metadata_update = "merge"
    client.call("POST", f"/data/{item_id}", json={"metadata": {"c": "3"}})
    assert client.studio.items()[0].metadata == {"b": "2", "c": "3"}


def test_latency_is_added_to_every_request(client: Client) -> None:
    client.get("/data")
    client.studio.settings.latency_seconds = 0.1
    before = time.monotonic()
    client.get("/data")
    assert time.monotonic() - before >= 0.1


@pytest.mark.parametrize("path", ["/data", "/data/files"])
def test_items_are_listed_in_the_order_of_the_switch(client: Client, path: str) -> None:
    ids = {name: client.studio.put_item(name, "d", {}, {}) for name in ("b", "a", "c")}
    for order, names in (("oldest", "bac"), ("newest", "cab"), ("name", "abc")):
        client.studio.settings.listing_order = order  # type: ignore[assignment]
        assert [item["id"] for item in client.get(path)["data"]] == [ids[name] for name in names]
        assert [item["name"] for item in client.get(path, limit=1, offset=1)["data"]] == [names[1]]


@pytest.mark.parametrize("path", ["/data", "/data/files"])
def test_a_listing_that_ignores_the_offset_begins_at_the_first_item(client: Client, path: str) -> None:
    for name in "abc":
        client.studio.put_item(name, "d", {}, {})
    client.studio.settings.listing_offset = "ignored"
    assert [item["name"] for item in client.get(path, limit=2, offset=2)["data"]] == ["a", "b"]


@pytest.mark.parametrize("path", ["/data", "/data/files"])
def test_a_listing_can_lack_totals(client: Client, path: str) -> None:
    client.studio.put_item("a", "d", {}, {})
    client.studio.settings.listing_totals = False
    assert set(client.send("GET", path).json()) == {"success", "data"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("duplicate_names", "twice"),
        ("wrong_key_status", 404),
        ("wrong_key_status", True),
        ("metadata_update", None),
        ("file_names", "utf-8"),
        ("file_folders", True),
        ("file_quotes", ""),
        ("trailing_backslash", "drop"),
        ("name_form", "nfd"),
        ("listing_order", "id"),
        ("listing_offset", False),
        ("listing_totals", "no"),
        ("listing_totals", 1),
        ("latency_seconds", -1),
        ("latency_seconds", float("nan")),
        ("latency_seconds", "1"),
        ("api_key", ""),
    ],
)
def test_a_switch_accepts_only_its_values(name: str, value: object) -> None:
    settings = EmulatorSettings()
    with pytest.raises(ValueError, match=name):
        setattr(settings, name, value)
    with pytest.raises(ValueError, match=name):
        EmulatorSettings(**{name: value})
    with pytest.raises(AttributeError):
        settings.duplicate_name = "reject"


def test_settings_do_not_show_the_key() -> None:
    settings = EmulatorSettings(api_key="ei_secret")
    assert "ei_secret" not in repr(settings) and "ei_secret" not in str(settings.switches())
