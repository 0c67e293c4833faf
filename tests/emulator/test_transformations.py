"""Transformation jobs: into datasets and projects, with failures, retries and deletion."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_ei.emulator import FOREVER

from .conftest import Client

TO_DATASET = {"name": "t", "filter": "dataset = 'raw'", "uploadType": "dataset", "outputDatasetName": "clean"}


@pytest.fixture
def organization(client: Client) -> Client:
    """A client of the organization, with three items in the dataset ``raw``, at a time that stands still."""
    client.studio.clock.stop()
    for name in ("a", "b", "c"):
        client.studio.put_item(name, "raw", {"n": name}, {"x.csv": name.encode() * 10})
    return client


def to_project(client: Client, **more: Any) -> dict[str, Any]:
    key = {"projectApiKey": client.studio.project_api_key}
    return {"name": "t", "filter": "dataset = 'raw'", "uploadType": "project", "category": "training", **key, **more}


def start(client: Client, body: dict[str, Any]) -> int:
    answer = client.call("POST", "/create-project", json=body)
    assert answer["success"], answer
    return int(answer["createProjectId"])


def status(client: Client, number: int, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/create-project/{number}", **{"transformLimit": 10, "transformOffset": 0, **query})
    return dict(answer["status"])


def of_files(client: Client, number: int) -> dict[str, str]:
    return {each["fileName"]: each["transformationJobStatus"] for each in status(client, number)["files"]}


def test_a_job_fills_a_dataset(organization: Client) -> None:
    client = organization
    client.studio.jobs.plan("transform", queued_seconds=1, running_seconds=30)
    number = start(client, TO_DATASET)
    seen = []
    for seconds in (0, 2, 20, 60):
        client.studio.clock.advance(seconds)
        now = status(client, number)
        seen.append((now["status"], now["inProgress"], now["transformationSummary"]["succeededCount"]))
    assert seen == [("created", True, 0), ("started", True, 0), ("started", True, 2), ("finished", False, 3)]
    copies = {item.name: item for item in client.studio.items("clean")}
    assert {name: item.metadata for name, item in copies.items()} == {name: {"n": name} for name in "abc"}
    assert client.studio.read_file(copies["b"].id, "x.csv") == b"b" * 10


def test_a_job_imports_into_the_project_of_the_key(organization: Client) -> None:
    client = organization
    before = client.studio.projects.get()
    client.studio.jobs.plan("transform", queued_seconds=0, running_seconds=10)
    client.studio.jobs.plan("upload", queued_seconds=0, running_seconds=10)
    answer = client.call("POST", "/create-project", json=to_project(client))
    assert answer["apiKey"] == client.studio.project_api_key, "the service gives it away"
    number = answer["createProjectId"]
    seen = []
    for seconds in (5, 10, 10):
        client.studio.clock.advance(seconds)
        now = status(client, number)
        seen.append((now["transformJobStatus"], now["uploadJobStatus"], now["status"]))
    assert seen == [
        ("started", "waiting", "started"),
        ("finished", "started", "started"),
        ("finished", "finished", "finished"),
    ]
    assert (now["projectId"], now["uploadJobId"], before.samples) == (1, 2, 0)
    assert client.studio.projects.get().samples == 3
    assert client.studio.project_api_key not in str(client.studio.requests())


@pytest.mark.parametrize(("way", "uploaded"), [("stop", 0), ("import", 2)])
def test_inputs_fail_and_are_tried_again(organization: Client, way: Any, uploaded: int) -> None:
    client = organization
    client.studio.settings.partial_transformation = way
    client.studio.pipelines.fail_items("b")
    number = start(client, to_project(client))
    client.studio.clock.advance(60)
    assert of_files(client, number) == {"a": "finished", "b": "failed", "c": "finished"}
    now = status(client, number, selection="failed")
    assert (now["status"], now["inProgress"], now["fileCountForFilter"]) == ("failed", False, 1)
    summary = now["transformationSummary"]
    assert (summary["succeededCount"], summary["finishedCount"], summary["totalFileCount"]) == (2, 3, 3)
    assert client.studio.projects.get().samples == uploaded
    client.studio.pipelines.fail_items()
    assert client.call("POST", f"/create-project/{number}/transform/retry")["success"]
    assert not client.call("POST", f"/create-project/{number}/transform/retry")["success"], "it is in progress"
    client.studio.clock.advance(60)
    assert (status(client, number)["status"], client.studio.projects.get().samples) == ("finished", uploaded + 3)
    assert "nothing to try again" in client.call("POST", f"/create-project/{number}/transform/retry")["error"]


def test_one_input_is_tried_again(organization: Client) -> None:
    client = organization
    client.studio.pipelines.fail_items("a", "b")
    number = start(client, TO_DATASET)
    client.studio.clock.advance(60)
    client.studio.pipelines.fail_items()
    (failed,) = [each for each in status(client, number)["files"] if each["fileName"] == "b"]
    assert client.call("POST", f"/create-project/{number}/files/{failed['id']}/retry")["success"]
    client.studio.clock.advance(60)
    assert of_files(client, number) == {"a": "failed", "b": "finished", "c": "finished"}
    assert sorted(item.name for item in client.studio.items("clean")) == ["b", "c"]


def test_a_whole_job_fails(organization: Client) -> None:
    client = organization
    client.studio.jobs.plan("transform", outcome="failure")
    number = start(client, TO_DATASET)
    client.studio.clock.advance(60)
    assert status(client, number)["status"] == "failed"
    assert set(of_files(client, number).values()) == {"failed"} and client.studio.items("clean") == []


def test_an_import_fails_and_is_tried_again(organization: Client) -> None:
    client = organization
    client.studio.jobs.plan("upload", outcome="failure")
    number = start(client, to_project(client))
    client.studio.clock.advance(60)
    now = status(client, number)
    assert (now["transformJobStatus"], now["uploadJobStatus"], now["status"]) == ("finished", "failed", "failed")
    assert client.call("POST", f"/create-project/{number}/upload/retry")["success"]
    client.studio.clock.advance(60)
    assert (status(client, number)["status"], client.studio.projects.get().samples) == ("finished", 3)
    assert not client.call("POST", f"/create-project/{number}/upload/retry")["success"]


def test_jobs_are_found_by_name(organization: Client) -> None:
    client = organization
    numbers = [start(client, TO_DATASET | {"name": name}) for name in ("one", "two", "three")]
    listing = client.get("/create-project")
    assert [(job["id"], job["name"]) for job in listing["jobs"]] == list(
        zip(numbers[::-1], ("three", "two", "one"), strict=True)
    )
    page = client.get("/create-project", limit=1, offset=1)
    assert ([job["name"] for job in page["jobs"]], page["totalJobCount"]) == (["two"], 3)


def test_deleting_a_job_stops_it(organization: Client) -> None:
    client = organization
    client.studio.jobs.plan("transform", running_seconds=FOREVER)
    number = start(client, TO_DATASET)
    assert client.call("DELETE", f"/create-project/{number}")["success"]
    assert client.studio.jobs.list()[0].state == "failed"
    assert "not found" in client.get(f"/create-project/{number}", transformLimit=1, transformOffset=0)["error"]
    assert client.studio.items("clean") == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": ""}, "Missing name"),
        ({"projectApiKey": None}, "Missing projectApiKey"),
        ({"projectApiKey": "ei_emulator"}, "not the key of a project"),
        ({"projectId": 7}, "not a key of project 7"),
        ({"uploadType": "dataset"}, "Missing outputDatasetName"),
        ({"uploadType": "cloud"}, "uploadType"),
        ({"transformationBlockId": 99}, "block 99 not found"),
        ({"filter": "name ==== 'x'"}, "filter"),
    ],
)
def test_an_invalid_job_is_not_started(organization: Client, change: dict[str, Any], error: str) -> None:
    client = organization
    assert error in client.call("POST", "/create-project", json=to_project(client, **change))["error"]
    assert client.get("/create-project")["jobs"] == [] and client.studio.jobs.list() == []


def test_a_project_may_need_its_hmac_key(organization: Client) -> None:
    client = organization
    client.studio.settings.project_hmac_key = "required"
    assert "projectHmacKey" in client.call("POST", "/create-project", json=to_project(client))["error"]
    assert start(client, to_project(client, projectHmacKey="h"))


def test_the_status_needs_its_limits(organization: Client) -> None:
    number = start(organization, TO_DATASET)
    assert "Missing transformLimit" in organization.get(f"/create-project/{number}")["error"]
    assert "Missing transformOffset" in organization.get(f"/create-project/{number}", transformLimit=1)["error"]
    page = status(organization, number, transformLimit=1, transformOffset=1)
    assert [each["fileName"] for each in page["files"]] == ["b"]


def test_path_filters_select_datasets(organization: Client) -> None:
    organization.studio.put_item("z", "other", {}, {})
    body = {name: value for name, value in TO_DATASET.items() if name != "filter"}
    number = start(organization, {**body, "pathFilters": [{"dataset": "other", "filter": "*"}]})
    assert set(of_files(organization, number)) == {"z"}
