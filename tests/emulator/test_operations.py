"""Every operation that the emulator implements, each answer checked against the contract."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_ei.emulator.api.routes import OPERATIONS

from .conftest import Client, Contract


def test_lists_the_organization_of_the_key(client: Client) -> None:
    answer = client.session.get(f"{client.studio.url}/api/organizations").json()
    client.contract.check("listOrganizations", answer)
    assert [organization["id"] for organization in answer["organizations"]] == [1]


def test_every_operation_is_one_of_the_contract(contract: Contract) -> None:
    assert {(each.id, each.method, f"/api{each.path}") for each in OPERATIONS} <= contract.operations


def test_organization_info_includes_the_datasets(client: Client) -> None:
    client.add(dataset="gearbox")
    answer = client.get("")
    assert answer["organization"]["id"] == 1
    assert [dataset["dataset"] for dataset in answer["datasets"]] == ["gearbox"]


def test_another_organization_is_refused(client: Client) -> None:
    response = client.session.get(f"{client.studio.url}/api/organizations/2/data")
    assert response.status_code == 200
    assert not response.json()["success"]
    assert "2" in response.json()["error"]


def test_stores_items_in_the_organizations_buckets(client: Client) -> None:
    assert [bucket["bucket"] for bucket in client.get("/buckets")["buckets"]] == ["Internal datasets"]
    assert client.studio.add_bucket("my-bucket") == client.studio.add_bucket("my-bucket") == 2
    client.add("a", bucketName="my-bucket")
    client.add("b", bucketName="my-bucket", bucketPath="plant/7/")
    client.add("c", bucketId="2")
    buckets = client.get("/buckets")["buckets"]
    assert [(bucket["id"], bucket["bucket"]) for bucket in buckets] == [
        (1, "Internal datasets"),
        (2, "my-bucket"),
    ]
    items = client.get("/data/files")["data"]
    assert [item["bucketName"] for item in items] == ["my-bucket"] * 3
    assert items[1]["files"][0]["bucketPath"] == "plant/7/a.csv"


@pytest.mark.parametrize(
    "bucket",
    [
        {"bucketId": "7"},
        {"bucketId": "seven"},
        {"bucketName": "Internal dataset"},
        {"bucketName": "internal datasets"},
        {"bucketName": " "},
    ],
)
def test_a_bucket_that_does_not_exist_is_refused(client: Client, data_dir: Path, bucket: dict[str, str]) -> None:
    answer = client.add(**bucket)
    assert not answer["success"]
    assert next(iter(bucket.values())) in answer["error"] or "bucketId" in answer["error"]
    assert (client.studio.state()["datasets"], list((data_dir / "uploads").iterdir())) == ([], [])
    assert len(client.get("/buckets")["buckets"]) == 1
    assert "'Internal datasets'" in client.add(bucketName="b")["error"], "it names those that exist"


def test_adding_an_item_creates_its_dataset(client: Client) -> None:
    item_id = client.add_id("pump", [("a", b"12"), ("b", b"345")], {"machine": "7"}, dataset="new one")
    item = client.get(f"/data/{item_id}")["data"]
    assert (item["name"], item["dataset"], item["metadata"]) == ("pump", "new one", {"machine": "7"})
    assert (item["totalFileCount"], item["totalFileSize"]) == (2, 5)
    assert [(file["name"], file["size"]) for file in item["files"]] == [("a", 2), ("b", 3)]
    dataset = client.get("/dataset/new%20one")["dataset"]
    assert (dataset["type"], dataset["totalItemCount"], dataset["totalFileSize"]) == ("clinical", 1, 5)


def test_pages_of_a_listing_are_in_order_of_id(client: Client) -> None:
    ids = [client.add_id(f"item {number}") for number in range(5)]
    whole = client.get("/data")
    assert [item["id"] for item in whole["data"]] == ids
    assert whole["totalDataItemCount"] == 5
    for path in ("/data", "/data/files"):
        page = client.get(path, limit=2, offset=1)
        assert [item["id"] for item in page["data"]] == ids[1:3]
        assert page["totalDataItemCount"] == 5
        assert client.get(path, limit=2, offset=9)["data"] == []
        assert not client.get(path, limit="few")["success"]
        assert not client.get(path, offset=-1)["success"]


def test_listings_are_limited_to_a_dataset_and_a_filter(client: Client) -> None:
    client.add("a", dataset="one", metadata={"user.name": "O'Neil"})
    client.add("b", dataset="one")
    client.add("a", dataset="two")
    assert [item["dataset"] for item in client.get("/data", dataset="one")["data"]] == ["one", "one"]
    found = client.get("/data/files", filter="metadata->user_name = 'O''Neil'")
    assert [item["name"] for item in found["data"]] == ["a"]
    assert (found["totalDataItemCount"], found["totalFileCount"], found["totalFileSize"]) == (1, 1, 4)
    both = client.get("/data", dataset="two", filter="name = 'a' OR name = 'b'")
    assert [item["dataset"] for item in both["data"]] == ["two"]


def test_reports_an_invalid_filter_with_success(client: Client) -> None:
    client.add()
    listing = client.get("/data", filter="name ==== 'a'")
    assert listing["success"] and listing["filterParseError"] and "data" not in listing
    files = client.get("/data/files", filter="color = 'red'")
    assert "color" in files["filterParseError"] and files["data"] == []


def test_metadata_for_the_command_line_includes_the_item(client: Client) -> None:
    client.add(metadata={"é": '"'})
    (item,) = client.get("/data")["data"]
    text = json.loads(item["metadataStringForCLI"])
    assert text["é"] == '"' and text["dataItemInfo"]["name"] == "item"
    assert item["fullBucketPath"].endswith(item["bucketPath"])


def test_an_item_is_updated(client: Client) -> None:
    item_id = client.add_id(metadata={"a": "1"})
    changes = {"name": "other", "dataset": "elsewhere", "metadata": {"b": "2"}}
    assert client.call("POST", f"/data/{item_id}", json=changes)["success"]
    item = client.get(f"/data/{item_id}")["data"]
    assert {key: item[key] for key in changes} == changes
    assert client.call("POST", f"/data/{item_id}", json={"name": "third"})["success"]
    assert client.get(f"/data/{item_id}")["data"]["metadata"] == {"b": "2"}
    assert client.get("/dataset/elsewhere")["dataset"]["totalItemCount"] == 1


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"metadata": {"a": 1}}',
        b'{"metadata": []}',
        b'{"name": 7}',
        b'{"name": "\\ud800"}',
    ],
)
def test_an_invalid_update_changes_nothing(client: Client, body: bytes) -> None:
    item_id = client.add_id(metadata={"a": "1"})
    assert not client.call("POST", f"/data/{item_id}", data=body)["success"]
    item = client.get(f"/data/{item_id}")["data"]
    assert (item["name"], item["metadata"]) == ("item", {"a": "1"})


def test_deleting_an_item_deletes_its_bytes(client: Client, data_dir: Path) -> None:
    item_id = client.add_id()
    assert list((data_dir / "uploads").iterdir())
    assert client.call("DELETE", f"/data/{item_id}")["success"]
    assert list((data_dir / "uploads").iterdir()) == []
    assert client.get("/data")["data"] == []
    assert client.get("/dataset/vibration")["dataset"]["totalItemCount"] == 0


def test_deleting_a_file_keeps_the_others(client: Client, data_dir: Path) -> None:
    item_id = client.add_id(files=[("a b", b"1"), ("c", b"22")])
    assert client.call("DELETE", f"/data/{item_id}/download", params={"fileName": "a b"})["success"]
    item = client.get(f"/data/{item_id}")["data"]
    assert [file["name"] for file in item["files"]] == ["c"]
    assert (item["totalFileCount"], item["totalFileSize"]) == (1, 2)
    assert client.studio.read_file(item_id, "c") == b"22"
    assert not client.call("DELETE", f"/data/{item_id}/download", params={"fileName": "a b"})["success"]
    assert not client.call("DELETE", f"/data/{item_id}/download")["success"]
    assert client.call("DELETE", f"/data/{item_id}/download", params={"fileName": "c"})["success"]
    assert list((data_dir / "uploads").iterdir()) == []


def test_files_are_added_and_replaced(client: Client, data_dir: Path) -> None:
    item_id = client.add_id(files=[("a", b"old"), ("b", b"kept")])
    files = [("files[]", ("a", b"newer")), ("files[]", ("c", b""))]
    assert client.call("POST", f"/data/{item_id}/add", files=files)["success"]
    item = client.get(f"/data/{item_id}")["data"]
    assert [(file["name"], file["size"]) for file in item["files"]] == [("a", 5), ("b", 4), ("c", 0)]
    assert (item["totalFileCount"], item["totalFileSize"]) == (3, 9)
    assert client.studio.read_file(item_id, "a") == b"newer"
    assert client.studio.read_file(item_id, "b") == b"kept"
    assert client.call("POST", f"/data/{item_id}/add", files=[("files[]", ("b", b"new too"))])["success"]
    assert len(list((data_dir / "uploads").iterdir())) == 2, "nothing needs the first upload any longer"


@pytest.mark.parametrize("item_id", ["99", "9" * 30])
def test_an_unknown_item_is_an_error_with_status_200(client: Client, item_id: str) -> None:
    for method, path, options in [
        ("GET", "", {}),
        ("POST", "", {"json": {"name": "x"}}),
        ("DELETE", "", {}),
        ("POST", "/add", {"files": [("files[]", ("a", b"1"))]}),
        ("GET", "/download", {}),
        ("DELETE", "/download", {"params": {"fileName": "a"}}),
        ("GET", "/files/download", {"params": {"fileName": "a"}}),
    ]:
        response = client.send(method, f"/data/{item_id}{path}", **options)
        assert response.status_code == 200
        client.contract.check(None, response.json())
        assert not response.json()["success"]
    assert not any(request.changed for request in client.studio.requests())


BUCKET = {"id": 1, "path": "lab", "dataItemNamingLevelsDeep": 1}
DATASET = {
    "dataset": "lab/2024",
    "tags": ["a"],
    "category": "training",
    "type": "files",
    "bucket": BUCKET,
}


def test_a_dataset_is_created_once(client: Client) -> None:
    client.studio.settings.job_queued_seconds = client.studio.settings.job_running_seconds = 0
    assert client.call("POST", "/dataset", json=DATASET)["success"]
    assert not client.call("POST", "/dataset", json=DATASET)["success"], "it exists"
    dataset = client.get("/dataset/lab%2F2024")["dataset"]
    assert (dataset["type"], dataset["tags"], dataset["category"]) == ("files", ["a"], "training")
    assert dataset["bucket"]["bucket"] == "Internal datasets" and dataset["bucketPath"] == "lab"
    client.add(dataset="lab/2024")
    assert client.get("/dataset/lab%2F2024")["dataset"]["totalItemCount"] == 1
    assert not client.get("/dataset/field")["success"]
    bad_buckets = [{"bucket": {"id": 1}}, {"bucket": BUCKET | {"id": 9}}]
    for wrong in ({"type": "other"}, {"tags": [7]}, {"dataset": ""}, *bad_buckets):
        assert not client.call("POST", "/dataset", json=DATASET | {"dataset": "plant"} | wrong)["success"]
    assert [dataset["dataset"] for dataset in client.get("")["datasets"]] == ["lab/2024"]


@pytest.mark.parametrize("member", sorted(DATASET))
def test_a_dataset_requires_all_its_members(client: Client, member: str) -> None:
    missing = {key: value for key, value in DATASET.items() if key != member}
    assert member in client.call("POST", "/dataset", json=missing)["error"]
    assert not client.call("POST", "/dataset", json={**DATASET, member: 7})["success"]
    assert client.get("")["datasets"] == []


def test_refuses_to_list_projects_for_an_organizations_key(client: Client) -> None:
    response = client.session.get(f"{client.studio.url}/api/projects")
    assert response.status_code == 200
    client.contract.check("listProjects", response.json())
    assert not response.json()["success"] and response.json()["error"].startswith("Invalid API key")


API = "/v1/api/organizations/1"


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        (
            "POST",
            f"{API}/data/delete",
            404,
            f"after {API}/data comes add or add-folder or files or refresh or {{dataId}} (a number), not 'delete'",
        ),
        ("GET", f"{API}/data/1/transformation-jobs", 404, "comes add or download or files, not 'transformation-jobs'"),
        ("GET", f"{API}/data/1/files", 404, f"after {API}/data/1/files comes download, but it ends there"),
        ("GET", f"{API}/data/1/files/download/x", 404, f"nothing comes after {API}/data/1/files/download"),
        ("GET", f"{API}/data/", 404, "not ''"),
        ("GET", f"{API}/data/-1", 404, "(a number), not '-1'"),
        ("GET", f"{API}/campaigns", 404, f"after {API} comes buckets or"),
        ("GET", "/v1/api/organizations/mine/data", 404, "comes {organizationId} (a number), not 'mine'"),
        ("GET", "/v1/api/organizations/", 404, "not ''"),
        ("POST", f"{API}/dataset/x/upload-link", 404, f"nothing comes after {API}/dataset/x"),
        ("PUT", f"{API}/data/add", 405, f"{API}/data/add takes POST, not PUT"),
        ("POST", f"{API}/dataset/x", 405, "takes GET, not POST"),
        ("PATCH", f"{API}/data/1", 405, "takes DELETE, GET, POST, not PATCH"),
        ("POST", f"{API}/buckets", 405, "takes GET, not POST"),
        ("GET", "/v1/api/123/data-axes", 404, "The emulator does not implement GET /v1/api/123/data-axes: after"),
        ("GET", "/v1/api/user", 501, "The emulator does not implement GET /v1/api/user"),
        ("GET", "/v1/api/" + "x" * 5_000, 501, "xxx…"),
        ("GET", f"{API}/data/" + "x" * 5_000, 404, "xxx…"),
    ],
)
def test_explains_an_unknown_path(client: Client, method: str, path: str, status: int, error: str) -> None:
    response = client.session.request(method, client.studio.page_url[:-1] + path, data=b"x" * 100_000)
    assert response.status_code == status
    client.contract.check(None, response.json())
    assert error in response.json()["error"]
    assert len(response.json()["error"]) < 1_000
    assert status != 405 or response.headers["allow"] in error
    assert client.studio.requests()[-1].operation is None


@given(
    st.text(st.sampled_from("/%.?#{}()0129aé \\ÿ") | st.characters(codec="utf-8"), max_size=20),
    st.sampled_from(["GET", "POST"]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_answers_every_path_with_json_or_the_page(client: Client, path: str, method: str) -> None:
    for root in ("/v1/api/", API + "/", API + "/data/", API + "/dataset/", "/"):
        response = client.session.request(
            method, client.studio.page_url[:-1] + root + quote(path, safe="/%?#"), allow_redirects=False
        )
        assert response.status_code in (200, 404, 405, 501), response.text
        assert response.headers["content-type"].startswith(("application/json", "text/html"))
