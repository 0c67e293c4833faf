"""The job engine, through the operations of a project's jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
import requests

from airflow_provider_ei.emulator import FOREVER, EmulatorServer, EmulatorSettings, Fault, JobPlan
from airflow_provider_ei.emulator.emulator_clock import EmulatorClock

from .conftest import Client, Contract, ProjectClient

RETRAIN = "/jobs/retrain"


def state(status: dict[str, Any]) -> str:
    """The state of a job, as a client has to derive it."""
    if "finished" not in status:
        return "running" if "started" in status else "queued"
    return {True: "succeeded", False: "failed", None: "unreported"}[status.get("finishedSuccessful")]


def test_a_job_is_queued_runs_and_succeeds(project: ProjectClient) -> None:
    project.studio.jobs.plan("retrain", queued_seconds=10, running_seconds=20)
    job_id = project.start(RETRAIN)
    states = []
    for _ in range(4):
        states.append(state(project.status(job_id)))
        assert project.studio.jobs.list()[0].state == states[-1]
        project.studio.clock.advance(10)
    assert states == ["queued", "running", "running", "succeeded"]
    status = project.status(job_id)
    times = [datetime.fromisoformat(status[name]) for name in ("created", "started", "finished")]
    assert [(after - before).total_seconds() for before, after in pairwise(times)] == [10, 20]


def test_a_retrained_model_takes_effect_when_the_job_succeeds(project: ProjectClient) -> None:
    outcomes: list[tuple[Any, int]] = [("failure", 1), ("unreported", 1), ("success", 2)]
    for outcome, trained in outcomes:
        project.studio.jobs.plan("retrain", running_seconds=5, outcome=outcome)
        project.start(RETRAIN)
        project.studio.clock.advance(4)
        assert project.studio.projects.get().model_version == 1
        project.studio.clock.advance(2)
        assert project.studio.projects.get().model_version == trained


@pytest.mark.parametrize(
    ("outcome", "seen"), [("success", "succeeded"), ("failure", "failed"), ("unreported", "unreported")]
)
def test_a_job_that_ends_between_two_looks_has_its_outcome(project: ProjectClient, outcome: Any, seen: str) -> None:
    project.studio.jobs.plan("retrain", JobPlan(queued_seconds=0, running_seconds=0, outcome=outcome))
    assert state(project.status(project.start(RETRAIN))) == seen
    assert project.studio.jobs.list()[0].state == seen


def test_a_plan_applies_to_as_many_jobs_as_it_says(project: ProjectClient) -> None:
    project.studio.settings.job_queued_seconds = project.studio.settings.job_running_seconds = 0
    project.studio.jobs.plan("retrain", count=2, outcome="failure")
    project.studio.jobs.plan("retrain", outcome="unreported")
    states = [state(project.status(project.start(RETRAIN))) for _ in range(4)]
    assert states == ["failed", "failed", "unreported", "succeeded"]


def test_a_test_can_end_and_forget_a_job(project: ProjectClient) -> None:
    project.studio.jobs.plan("retrain", queued_seconds=FOREVER)
    job_id = project.start(RETRAIN)
    project.studio.clock.advance(1e9)
    assert state(project.status(job_id)) == "queued"
    project.studio.jobs.finish(job_id, "failure")
    assert state(project.status(job_id)) == "failed"
    with pytest.raises(KeyError):
        project.studio.jobs.finish(job_id)
    project.studio.jobs.forget(job_id)
    for path in ("status", "stdout", "stdout/download"):
        assert project.get(f"/jobs/{job_id}/{path}")["error"] == f"Unknown job ID {job_id}"
    assert project.call("POST", f"/jobs/{job_id}/cancel")["error"] == f"Unknown job ID {job_id}"
    with pytest.raises(KeyError):
        project.studio.jobs.forget(job_id)


@pytest.mark.parametrize(
    ("cancel", "success", "seen"),
    [
        ("accept", True, "failed"),
        ("unreported", True, "unreported"),
        ("ignore", True, "running"),
        ("refuse", False, "running"),
    ],
)
def test_cancelling_a_job_has_the_planned_result(project: ProjectClient, cancel: Any, success: bool, seen: str) -> None:
    project.studio.jobs.plan("retrain", running_seconds=100, cancel=cancel)
    job_id = project.start(RETRAIN)
    project.studio.clock.advance(50)
    assert state(project.status(job_id)) == "running"
    answer = project.call("POST", f"/jobs/{job_id}/cancel", params={"forceCancel": "true"})
    assert answer["success"] is success
    assert state(project.status(job_id)) == seen
    project.studio.clock.advance(100)
    assert project.studio.projects.get().model_version == (2 if seen == "running" else 1)
    assert not project.call("POST", f"/jobs/{job_id}/cancel")["success"], "it has ended"


def test_lists_jobs_newest_first_with_every_filter(project: ProjectClient) -> None:
    clock = project.studio.clock
    project.studio.jobs.plan("retrain", running_seconds=5)
    project.studio.jobs.plan("version", running_seconds=FOREVER)
    first = project.start(RETRAIN)
    clock.advance(60)
    middle = datetime.fromtimestamp(clock.now(), UTC).isoformat()
    clock.advance(60)
    second = project.start("/jobs/version", json={"description": "v", "makePublic": False})

    def ids(path: str, **query: Any) -> list[int]:
        answer = project.get(path, **query)
        assert answer["totalJobCount"] >= len(answer["jobs"])
        return [job["id"] for job in answer["jobs"]]

    assert ids("/jobs") == [second] and ids("/jobs/history") == [first] and ids("/jobs/all") == [second, first]
    assert ids("/jobs/all", finished="true") == [first] and ids("/jobs/all", finished="false") == [second]
    assert ids("/jobs/all", startDate=middle) == [second] and ids("/jobs/all", endDate=middle) == [first]
    assert ids("/jobs/all", category="retrain") == [first] and ids("/jobs/all", rootOnly="true") == [second, first]
    assert ids("/jobs/all", limit=1, offset=1) == [first] and ids("/jobs/all", offset=2) == []
    key = project.status(first)["key"]
    assert ids("/jobs/all", key=key) == [first]
    assert not project.get("/jobs/all", startDate="yesterday")["success"]


def test_the_category_of_a_job_need_not_tell_its_kind(project: ProjectClient) -> None:
    job_id = project.start(RETRAIN)
    assert project.status(job_id)["category"] == "retrain"
    project.studio.settings.job_categories = "same"
    assert project.status(job_id)["category"] == "job"


def test_log_lines_appear_while_a_job_runs_newest_first(project: ProjectClient) -> None:
    project.studio.jobs.plan("retrain", queued_seconds=0, running_seconds=5_000, log_lines=5_000)
    job_id = project.start(RETRAIN)
    project.studio.clock.advance(2)
    logs = project.get(f"/jobs/{job_id}/stdout")
    assert [line["data"] for line in logs["stdout"]] == [f"[retrain] step {n} of 5000\n" for n in (3, 2, 1)]
    project.studio.clock.advance(10_000)
    logs = project.get(f"/jobs/{job_id}/stdout", limit=4_000)
    assert (len(logs["stdout"]), logs["totalCount"]) == (1_000, 5_000), "the service gives the last 1,000"
    assert logs["stdout"][0]["data"].startswith("[retrain] step 5000 ")
    assert [line["data"] for line in project.get(f"/jobs/{job_id}/stdout", limit=2)["stdout"]] == [
        "[retrain] step 5000 of 5000\n",
        "[retrain] step 4999 of 5000\n",
    ]
    text = project.send("GET", f"/jobs/{job_id}/stdout/download")
    assert text.headers["content-type"].startswith("text/plain")
    lines = text.text.splitlines()
    assert (len(lines), lines[0]) == (5_000, "[retrain] step 1 of 5000")
    last = project.send("GET", f"/jobs/{job_id}/stdout/download", params={"limit": 2}).text
    assert last.splitlines() == lines[-2:]


def test_log_lines_have_levels(project: ProjectClient) -> None:
    log = ["Training\n", "warn: low memory\n", "error: exploded é\n"]
    project.studio.jobs.plan("retrain", queued_seconds=0, running_seconds=0, log=log, outcome="failure")
    job_id = project.start(RETRAIN)
    lines = project.get(f"/jobs/{job_id}/stdout")["stdout"]
    assert [(line["logLevel"], line["data"]) for line in lines] == [
        ("error", "exploded é\n"),
        ("warn", "low memory\n"),
        ("info", "Training\n"),
    ]
    assert len(project.get(f"/jobs/{job_id}/stdout", logLevel="error")["stdout"]) == 1


def test_a_cancelled_job_writes_no_more_lines(project: ProjectClient) -> None:
    project.studio.jobs.plan("retrain", queued_seconds=0, running_seconds=100, log_lines=10)
    job_id = project.start(RETRAIN)
    project.studio.clock.advance(35)
    project.call("POST", f"/jobs/{job_id}/cancel")
    project.studio.clock.advance(1_000)
    assert project.get(f"/jobs/{job_id}/stdout")["totalCount"] == 4


def test_a_second_job_runs_or_is_refused(project: ProjectClient) -> None:
    project.studio.jobs.plan("retrain", running_seconds=10, count=3)
    assert project.start(RETRAIN) != project.start(RETRAIN)
    project.studio.settings.concurrent_jobs = "reject"
    assert "already in progress" in project.call("POST", RETRAIN)["error"]
    assert project.start("/jobs/version", json={"description": "", "makePublic": False} | {"description": "v"})
    project.studio.clock.advance(100)
    assert project.start(RETRAIN)


def test_a_start_whose_answer_is_lost_has_or_has_not_happened(project: ProjectClient) -> None:
    for kind, jobs in (("drop_before", 0), ("drop_after", 1)):
        project.studio.inject(Fault(operation="startRetrainJob", kind=kind))  # type: ignore[arg-type]
        with pytest.raises(requests.ConnectionError):
            project.call("POST", RETRAIN)
        assert project.get("/jobs/all")["totalJobCount"] == jobs


def test_jobs_of_other_projects_are_unknown(project: ProjectClient, contract: Contract) -> None:
    other = ProjectClient(project.studio, contract, project.studio.projects.add("another").id)
    job_id = project.start(RETRAIN)
    assert "Unknown job ID" in other.get(f"/jobs/{job_id}/status")["error"]
    assert other.get("/jobs/all")["jobs"] == []
    assert [job.id for job in project.studio.jobs.list(project_id=1)] == [job_id]
    organization = Client(project.studio, contract)
    assert organization.get("/jobs/all")["jobs"] == []
    assert not organization.get(f"/jobs/{job_id}/status")["success"]


def test_a_reset_forgets_jobs_plans_and_projects(project: ProjectClient) -> None:
    project.studio.projects.add("another")
    project.studio.jobs.plan("retrain", outcome="failure", running_seconds=0, queued_seconds=0)
    job_id = project.start("/jobs/version", json={"description": "v", "makePublic": False})
    project.studio.reset()
    assert project.studio.jobs.list() == [] and len(project.studio.projects.list()) == 1
    project.studio.settings.job_queued_seconds = project.studio.settings.job_running_seconds = 0
    again = project.start(RETRAIN)
    assert again > job_id and state(project.status(again)) == "succeeded"


def test_the_clock_stands_still_turns_and_runs() -> None:
    clock = EmulatorClock()
    clock.stop()
    stopped = clock.now()
    assert clock.now() == stopped
    clock.advance(100)
    assert clock.now() == stopped + 100
    clock.resume()
    assert stopped + 100 <= clock.now() < stopped + 1_000
    clock.advance(10_000)
    assert clock.now() >= stopped + 10_100


@pytest.mark.parametrize(
    "values",
    [
        {"outcome": "luck"},
        {"cancel": "maybe"},
        {"queued_seconds": -1},
        {"running_seconds": "1"},
        {"running_seconds": float("nan")},
        {"log_lines": -1},
    ],
)
def test_a_plan_must_be_valid(studio: EmulatorServer, values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        studio.jobs.plan("retrain", **values)
    with pytest.raises(ValueError, match="kind"):
        studio.jobs.plan("dance")  # type: ignore[arg-type]


def test_settings_say_how_long_jobs_wait_and_run(contract: Contract) -> None:
    settings = EmulatorSettings(job_queued_seconds=3, job_running_seconds=4)
    with EmulatorServer(settings) as studio:
        studio.clock.stop()
        project = ProjectClient(studio, contract)
        job_id = project.start(RETRAIN)
        states = []
        for seconds in (2, 2, 2, 2):
            studio.clock.advance(seconds)
            states.append(state(project.status(job_id)))
    assert states == ["queued", "running", "running", "succeeded"]
