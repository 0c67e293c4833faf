"""Pipelines: runs without a status of their own, steps one after the other."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_ei.emulator import FOREVER, Fault

from .conftest import Client

STEPS = [
    {"name": "copy", "filter": "dataset = 'raw'", "uploadType": "dataset", "outputDatasetName": "clean"},
    {"name": "again", "filter": "dataset = 'clean'", "uploadType": "dataset", "outputDatasetName": "final"},
]


@pytest.fixture
def organization(client: Client) -> Client:
    """A client of the organization, with two items in the dataset ``raw``, at a time that stands still."""
    client.studio.clock.stop()
    for name in ("a", "b"):
        client.studio.put_item(name, "raw", {}, {"x.csv": b"1"})
    return client


@pytest.fixture
def pipeline(organization: Client) -> int:
    return organization.studio.pipelines.add("nightly", STEPS, dataset="final")


def get(client: Client, pipeline: int) -> dict[str, Any]:
    return dict(client.get(f"/pipelines/{pipeline}")["pipeline"])


def run(client: Client, pipeline: int, **query: Any) -> dict[str, Any]:
    answer = client.call("POST", f"/pipelines/{pipeline}/run", params=query)
    assert answer["success"], answer
    return dict(answer["pipelineRun"])


def step_states(run: dict[str, Any]) -> list[str | None]:
    return [step["transformationJob"]["status"] if "transformationJob" in step else None for step in run["steps"]]


def test_a_run_takes_its_steps_one_after_the_other(organization: Client, pipeline: int) -> None:
    client = organization
    client.studio.jobs.plan("transform", queued_seconds=0, running_seconds=10, count=2)
    started = run(client, pipeline)
    seen = [step_states(started)]
    for _ in range(3):
        client.studio.clock.advance(6)
        current = get(client, pipeline).get("currentRun")
        seen.append(step_states(current) if current else [])
        assert current is None or current["id"] == started["id"]
    assert seen == [["created", None], ["started", None], ["finished", "started"], ["finished", "started"]]
    client.studio.clock.advance(6)
    last = get(client, pipeline)["lastRun"]
    assert (last["id"], step_states(last), "finished" in last) == (started["id"], ["finished", "finished"], True)
    assert (last["itemCountBefore"]["itemCount"], last["itemCountAfter"]["itemCount"]) == (0, 2)
    assert last["itemCountImportIntoProjectFailed"] == 0
    assert "status" not in last["steps"][0], "a run has no status"
    assert sorted(item.name for item in client.studio.items("final")) == ["a", "b"]


def test_a_clock_that_jumps_takes_all_steps_at_once(organization: Client, pipeline: int) -> None:
    run(organization, pipeline)
    organization.studio.clock.advance(3600)
    assert step_states(get(organization, pipeline)["lastRun"]) == ["finished", "finished"]


def test_a_failed_step_ends_the_run(organization: Client, pipeline: int) -> None:
    organization.studio.pipelines.fail_items("a")
    run(organization, pipeline)
    organization.studio.clock.advance(3600)
    last = get(organization, pipeline)["lastRun"]
    assert (step_states(last), "finished" in last) == (["failed", None], True)
    assert organization.studio.items("final") == []


def test_a_run_takes_only_what_is_new_since_the_last_success(organization: Client, pipeline: int) -> None:
    client = organization

    def items_of_first_step(**query: Any) -> int:
        run(client, pipeline, **query)
        client.studio.clock.advance(3600)
        first = get(client, pipeline)["lastRun"]["steps"][0]["transformationJob"]
        return int(first["transformationSummary"]["totalFileCount"])

    assert items_of_first_step() == 2
    assert items_of_first_step() == 0
    client.studio.put_item("c", "raw", {}, {})
    client.studio.pipelines.fail_items("c")
    assert items_of_first_step() == 1
    client.studio.pipelines.fail_items()
    assert items_of_first_step() == 1, "the last run has failed"
    assert items_of_first_step(ignoreLastSuccessfulRun="true") == 3


def test_a_run_that_a_later_one_has_replaced_is_found_by_its_transformation_jobs(
    organization: Client, pipeline: int
) -> None:
    client = organization
    first = run(client, pipeline)["id"]
    client.studio.clock.advance(3600)
    second = run(client, pipeline)["id"]
    client.studio.clock.advance(3600)
    assert get(client, pipeline)["lastRun"]["id"] == second
    assert client.get("/create-project")["jobs"] == [], "those of pipelines are listed only where asked for"
    jobs = client.get("/create-project", includePipelineJobs="true")["jobs"]
    found = []
    for job in jobs:
        path = f"/create-project/{job['id']}"
        status = client.get(path, transformLimit=1, transformOffset=0)["status"]
        found.append((status["pipelineId"], status["pipelineRunId"], status["pipelineStep"], status["status"]))
    assert sorted(found)[:2] == [(pipeline, first, 0, "finished"), (pipeline, first, 1, "finished")]


def test_a_stopped_run_has_failed(organization: Client, pipeline: int) -> None:
    client = organization
    client.studio.jobs.plan("transform", running_seconds=FOREVER)
    run(client, pipeline)
    client.studio.clock.advance(60)
    assert client.call("POST", f"/pipelines/{pipeline}/stop")["success"]
    shown = get(client, pipeline)
    assert "currentRun" not in shown and step_states(shown["lastRun"]) == ["failed", None]
    assert "not running" in client.call("POST", f"/pipelines/{pipeline}/stop")["error"]


def test_a_second_run_starts_or_is_refused(organization: Client, pipeline: int) -> None:
    client = organization
    client.studio.jobs.plan("transform", running_seconds=FOREVER, count=2)
    run(client, pipeline)
    second = run(client, pipeline)["id"]
    assert get(client, pipeline)["currentRun"]["id"] == second
    client.studio.settings.concurrent_jobs = "reject"
    assert "already running" in client.call("POST", f"/pipelines/{pipeline}/run")["error"]


def test_a_pipeline_that_cannot_start_says_why(organization: Client, pipeline: int) -> None:
    organization.studio.pipelines.fail_start(pipeline, "The bucket is not connected")
    assert organization.call("POST", f"/pipelines/{pipeline}/run")["error"] == "The bucket is not connected"
    assert get(organization, pipeline)["lastRunStartError"] == "The bucket is not connected"
    organization.studio.pipelines.fail_start(pipeline, None)
    run(organization, pipeline)
    assert "lastRunStartError" not in get(organization, pipeline)


def test_failed_imports_into_a_project_are_counted(organization: Client) -> None:
    client = organization
    key = {"projectApiKey": client.studio.project_api_key}
    step = {"name": "import", "filter": "dataset = 'raw'", "uploadType": "project", **key}
    pipeline = client.studio.pipelines.add("import", [step], project_id=1)
    client.studio.jobs.plan("upload", outcome="failure")
    run(client, pipeline)
    client.studio.clock.advance(3600)
    last = get(client, pipeline)["lastRun"]
    assert last["itemCountImportIntoProjectFailed"] == 2
    assert key["projectApiKey"] not in str(get(client, pipeline))
    run(client, pipeline)
    client.studio.clock.advance(3600)
    assert get(client, pipeline)["lastRun"]["itemCountAfter"]["itemCount"] == 2


def test_pipelines_are_created_and_listed(organization: Client, pipeline: int) -> None:
    client = organization
    body = {
        "name": "weekly",
        "description": "d",
        "steps": STEPS[:1],
        "emailRecipientUids": [],
        "whenToEmail": "never",
        "projectId": 1,
    }
    created = client.call("POST", "/pipelines", json=body)["id"]
    assert [(each["id"], each["name"]) for each in client.get("/pipelines")["pipelines"]] == [
        (pipeline, "nightly"),
        (created, "weekly"),
    ]
    assert [each["id"] for each in client.get("/pipelines", projectId=1)["pipelines"]] == [created]
    for wrong in ({"steps": {}}, {"steps": [{}]}, {"name": ""}, {"projectId": "1"}):
        assert not client.call("POST", "/pipelines", json=body | wrong)["success"]
    assert "not found" in client.get("/pipelines/99")["error"]


def test_a_run_whose_answer_is_lost_has_started(organization: Client, pipeline: int) -> None:
    organization.studio.inject(Fault(operation="runOrganizationPipeline", kind="drop_after"))
    with pytest.raises(requests.ConnectionError):
        run(organization, pipeline)
    assert "currentRun" in get(organization, pipeline)
