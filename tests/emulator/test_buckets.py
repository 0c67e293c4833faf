"""Data that others put into a bucket: folders become items, and a refresh removes what is gone."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Client

BUCKET = {"id": 1, "path": "lab", "dataItemNamingLevelsDeep": 1}
DATASET = {"dataset": "lab", "tags": [], "category": "", "type": "clinical", "bucket": BUCKET}


@pytest.fixture
def organization(client: Client) -> Client:
    client.studio.clock.stop()
    return client


def do(client: Client, path: str, **options: Any) -> None:
    """Start a job of the organization, and let it end."""
    answer = client.call("POST", path, **options)
    assert answer["success"], answer
    client.studio.clock.advance(60)
    assert client.get(f"/jobs/{answer['id']}/status")["job"]["finishedSuccessful"]


def tree(client: Client) -> dict[str, dict[str, bytes]]:
    return {
        item.name: {file.name: client.studio.read_file(item.id, file.name) for file in item.files}
        for item in client.studio.items()
    }


def test_a_dataset_exists_when_its_job_has_ended(organization: Client) -> None:
    organization.call("POST", "/dataset", json=DATASET)
    assert not organization.get("/dataset/lab")["success"]
    organization.studio.clock.advance(60)
    assert organization.get("/dataset/lab")["dataset"]["bucketPath"] == "lab"


def test_folders_of_a_bucket_become_items(organization: Client) -> None:
    client = organization
    for key in ("lab/r1/a.csv", "lab/r1/sub/b.csv", "lab/r2/a.csv", "lab/readme.txt", "laboratory/r3/a.csv"):
        client.studio.put_object(key, key.encode())
    do(client, "/data/add-folder", json={"dataset": "lab", "bucketId": 1, "bucketPath": "/lab/"})
    assert tree(client) == {
        "r1": {"a.csv": b"lab/r1/a.csv", "sub/b.csv": b"lab/r1/sub/b.csv"},
        "r2": {"a.csv": b"lab/r2/a.csv"},
    }
    (item, _) = client.get("/data/files", dataset="lab")["data"]
    assert item["files"][0]["bucketPath"] == "lab/r1/a.csv"
    do(client, "/data/add-folder", json={"dataset": "lab", "bucketId": 1, "bucketPath": "lab"})
    assert len(client.studio.items()) == 2


def test_a_refresh_adds_changes_and_removes(organization: Client) -> None:
    client = organization
    do(client, "/dataset", json=DATASET)
    for key in ("lab/r1/a.csv", "lab/r1/b.csv", "lab/r2/a.csv"):
        client.studio.put_object(key, b"1")
    do(client, "/data/refresh", params={"dataset": "lab"})
    ids = {item.name: item.id for item in client.studio.items()}
    client.studio.edit_item(ids["r1"], metadata={"kept": "yes"})
    client.studio.put_object("lab/r1/a.csv", b"longer")
    client.studio.put_object("lab/r3/a.csv", b"3")
    for key in ("lab/r1/b.csv", "lab/r2/a.csv"):
        client.studio.remove_object(key)
    assert len(client.studio.items()) == 2, "nothing happens before a refresh"
    do(client, "/data/refresh", params={"dataset": "lab"})
    assert tree(client) == {"r1": {"a.csv": b"longer"}, "r3": {"a.csv": b"3"}}
    (r1, _) = client.studio.items()
    assert (r1.id, r1.metadata) == (ids["r1"], {"kept": "yes"})


def test_a_refresh_removes_uploads_whose_objects_are_gone(organization: Client) -> None:
    client = organization
    do(client, "/dataset", json=DATASET)
    client.add("up", [("a", b"1"), ("b", b"2")], dataset="lab")
    client.studio.remove_object("lab/up/a")
    do(client, "/data/refresh", params={"dataset": "lab"})
    assert tree(client) == {"up": {"b": b"2"}}
    client.studio.remove_object("lab/up/b")
    do(client, "/data/refresh", params={"dataset": "lab"})
    assert tree(client) == {}


def test_names_of_items_may_have_several_levels(organization: Client) -> None:
    client = organization
    do(client, "/dataset", json=DATASET | {"bucket": BUCKET | {"dataItemNamingLevelsDeep": 2}})
    client.studio.put_object("lab/site/r1/a.csv", b"1")
    client.studio.put_object("lab/site/notes.txt", b"1")
    do(client, "/data/refresh", params={"dataset": "lab"})
    assert tree(client) == {"site/r1": {"a.csv": b"1"}}


def test_a_refresh_of_a_dataset_without_a_bucket_path_changes_nothing(organization: Client) -> None:
    organization.add()
    organization.studio.remove_object("vibration/item/a.csv")
    do(organization, "/data/refresh", params={"dataset": "vibration"})
    assert organization.names() == ["item"]


@pytest.mark.parametrize(
    ("path", "options", "error"),
    [
        ("/data/refresh", {"params": {"dataset": "none"}}, "'none' not found"),
        ("/data/refresh", {}, "Missing dataset"),
        ("/data/add-folder", {"json": {"dataset": "x", "bucketId": 9, "bucketPath": "p"}}, "Bucket 9 not found"),
        ("/data/add-folder", {"json": {"dataset": "x", "bucketId": "1", "bucketPath": "p"}}, "bucketId"),
        ("/data/add-folder", {"json": {"dataset": "x", "bucketId": 1}}, "bucketPath"),
        ("/data/add-folder", {"json": {"bucketId": 1, "bucketPath": "p"}}, "Missing dataset"),
    ],
)
def test_an_invalid_import_is_not_started(organization: Client, path: str, options: dict[str, Any], error: str) -> None:
    assert error in organization.call("POST", path, **options)["error"]
    assert organization.studio.jobs.list() == []


def test_a_failed_job_changes_nothing(organization: Client) -> None:
    organization.studio.jobs.plan("add_folder", outcome="failure")
    organization.studio.put_object("lab/r1/a.csv", b"1")
    organization.call("POST", "/data/add-folder", json={"dataset": "lab", "bucketId": 1, "bucketPath": "lab"})
    organization.studio.clock.advance(60)
    assert organization.studio.state()["datasets"] == []
