"""Changes of a running emulator without a request: by other people, late requests, callbacks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
import requests

from airflow_provider_ei.emulator import EmulatorServer, Fault, RequestRecord

from .conftest import Client

ADD = "addOrganizationDataItem"
LATER = 3600.0


def add_late(client: Client, name: str) -> None:
    client.studio.inject(Fault(operation=ADD, kind="store_late", delay_seconds=LATER))
    with pytest.raises(requests.ConnectionError):
        client.add(name)


def test_an_item_is_put_changed_and_removed_without_a_request(studio: EmulatorServer) -> None:
    studio.settings.change({"duplicate_names": "reject", "name_form": "trim", "file_folders": "drop"})
    item_id = studio.put_item(" a ", "d", {"x": "1"}, {"p/x.csv": b"12", "empty": b""})
    other = studio.put_item(" a ", "d", {}, {})
    assert other != item_id
    studio.edit_item(item_id, name=" b ", dataset="e", metadata={"y": "2"})
    studio.remove_file(item_id, "empty")
    studio.remove_item(other)
    (item,) = studio.items()
    assert (item.id, item.name, item.dataset, item.metadata) == (item_id, " b ", "e", {"y": "2"})
    assert [(file.name, studio.read_file(item_id, file.name)) for file in item.files] == [("p/x.csv", b"12")]
    assert studio.requests() == []


def test_an_edit_keeps_what_it_does_not_name(studio: EmulatorServer) -> None:
    item_id = studio.put_item("a", "d", {"x": "1"}, {})
    studio.edit_item(item_id, name="b")
    studio.edit_item(item_id, metadata={})
    (item,) = studio.items()
    assert (item.name, item.dataset, item.metadata) == ("b", "d", {})


@pytest.mark.parametrize(
    "change",
    [
        lambda studio: studio.edit_item(7, name="b"),
        lambda studio: studio.remove_item(7),
        lambda studio: studio.remove_file(7, "x"),
        lambda studio: studio.remove_file(studio.put_item("a", "d", {}, {}), "x"),
    ],
)
def test_a_missing_item_or_file_raises_key_error(
    studio: EmulatorServer, change: Callable[[EmulatorServer], None]
) -> None:
    with pytest.raises(KeyError):
        change(studio)


def test_late_requests_are_counted_and_carried_out_on_demand(client: Client) -> None:
    assert client.studio.late == 0
    for name in ("a", "b"):
        add_late(client, name)
    assert (client.studio.late, client.names()) == (2, [])
    client.studio.flush_late()
    assert (client.studio.late, sorted(client.names())) == (0, ["a", "b"])
    client.studio.flush_late()
    assert all(request.changed for request in client.studio.requests())


def test_the_callback_sees_each_request_before_it_is_carried_out(client: Client) -> None:
    seen: list[tuple[RequestRecord, list[str]]] = []
    client.studio.before_request(lambda request: seen.append((request, client.names())))
    item_id = client.add_id("a")
    client.call("DELETE", f"/data/{item_id}")
    client.studio.before_request(None)
    client.get("/data")
    assert [(request.operation, names) for request, names in seen] == [
        (ADD, []),
        ("deleteOrganizationDataItem", ["a"]),
    ]
    assert [request.seq for request, _ in seen] == [request.seq for request in client.studio.requests()][:2]
    assert seen[1][0].path.endswith(f"/data/{item_id}")


def test_a_request_sees_the_changes_of_the_callback_before_it(client: Client) -> None:
    item_id = client.studio.put_item("a", "d", {}, {})
    client.studio.before_request(lambda request: client.studio.edit_item(item_id, name="b"))
    assert [item["name"] for item in client.get("/data")["data"]] == ["b"]


def test_the_callback_can_carry_out_late_requests(client: Client) -> None:
    add_late(client, "a")
    client.studio.before_request(lambda request: client.studio.flush_late())
    assert [item["name"] for item in client.get("/data")["data"]] == ["a"]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "status", "early_status"])
def test_the_callback_is_called_once_for_each_fault(client: Client, kind: str) -> None:
    seen: list[str | None] = []
    client.studio.before_request(lambda request: seen.append(request.fault))
    client.studio.inject(Fault(operation=ADD, kind=kind))  # type: ignore[arg-type]
    with suppress(requests.ConnectionError):
        client.send("POST", "/data/add", data=b"x")
    assert seen == [kind]


def test_a_callback_that_raises_fails_the_request(client: Client) -> None:
    def fail(request: RequestRecord) -> None:
        raise ZeroDivisionError

    client.studio.before_request(fail)
    assert client.send("GET", "/data").status_code == 500
    client.studio.before_request(None)
    client.session.close()  # after an error of its own, the server closes the connection
    assert client.send("GET", "/data").status_code == 200


def test_changes_can_come_from_many_threads_during_requests(client: Client) -> None:
    studio = client.studio
    ids = [studio.put_item(f"{n}", "d", {}, {"x": b"1"}) for n in range(20)]

    def edit(item_id: int) -> None:
        studio.edit_item(item_id, metadata={"x": str(item_id)})
        studio.put_item("new", "d", {}, {"x": b"2"})
        studio.remove_file(item_id, "x")

    threads = [threading.Thread(target=edit, args=(item_id,)) for item_id in ids]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert client.get("/data/files")["success"]
    for thread in threads:
        thread.join()
    items = studio.items()
    assert [item.metadata for item in items[:20]] == [{"x": str(item_id)} for item_id in ids]
    assert len(items) == 40 and not any(item.files for item in items[:20])
