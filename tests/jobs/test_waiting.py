"""Waiting for a job: its end is never guessed, its log is complete, and it is cancelled when that is wanted."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_ei.emulator import FOREVER, EmulatorServer, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseInputError,
    EdgeImpulseJobError,
    EdgeImpulseJobTimeoutError,
    EdgeImpulseRefusedError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.jobs.waiting import MAX_FAILED_LOOKS, JobWatcher, cancel_job, wait_for_job

from .conftest import Project


def watcher(project: Project, job_id: int, **values: Any) -> JobWatcher:
    return JobWatcher(project.jobs, job_id, now=project.server.clock.now, **values)


def wait(project: Project, job_id: int, *, cancel_on_timeout: bool = True, **values: Any) -> str:
    made = watcher(project, job_id, **values)
    return wait_for_job(made, "https://studio/job", cancel_on_timeout=cancel_on_timeout).state


def job_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("[job ")]


def test_waits_at_growing_intervals_until_the_job_succeeds(project: Project) -> None:
    project.server.jobs.plan("retrain", queued_seconds=30, running_seconds=300)
    assert wait(project, project.retrain()) == "succeeded"
    assert project.sleeps == [10, 15, 22.5, 33.75, 50.625, 60, 60, 60, 60]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("failure", "job 1 failed"), ("unreported", "has finished, but not that it has succeeded")],
)
def test_a_job_that_does_not_succeed_is_an_error_with_the_end_of_its_log(
    project: Project, outcome: Any, words: str
) -> None:
    project.server.jobs.plan("retrain", log=["Epoch 1\n", "error: out of memory\n"], outcome=outcome)
    with pytest.raises(EdgeImpulseJobError, match=words) as caught:
        wait(project, project.retrain())
    assert str(caught.value).endswith("\n  Epoch 1\n  out of memory")


def test_a_job_that_ends_before_the_first_look_has_its_outcome(project: Project) -> None:
    project.server.jobs.plan("retrain", queued_seconds=0, running_seconds=0)
    assert wait(project, project.retrain()) == "succeeded"
    assert project.sleeps == []


def test_a_job_that_the_service_forgets_is_gone(project: Project) -> None:
    job_id = project.retrain()
    project.server.jobs.forget(job_id)
    with pytest.raises(EdgeImpulseJobError, match="job 1 is gone") as caught:
        wait(project, job_id)
    assert caught.value.state == "unknown"


def test_failed_looks_are_repeated_until_there_are_too_many_in_a_row(project: Project) -> None:
    project.server.jobs.plan("retrain", running_seconds=FOREVER)
    job_id = project.retrain()
    fault = Fault(operation="getJobStatus", kind="status", status=502, count=MAX_FAILED_LOOKS - 1)
    project.server.inject(fault)
    watching = watcher(project, job_id)
    assert [watching.look() for _ in range(MAX_FAILED_LOOKS - 1)] == [None] * (MAX_FAILED_LOOKS - 1)
    project.server.clock.advance(10)
    status = watching.look()
    assert status is not None
    assert status.state == "running"
    project.server.inject(fault)
    assert [watching.look() for _ in range(MAX_FAILED_LOOKS - 1)] == [status] * (MAX_FAILED_LOOKS - 1)
    assert watching.look() == status
    project.server.inject(Fault(operation="getJobStatus", kind="drop_before", count=MAX_FAILED_LOOKS))
    with pytest.raises(EdgeImpulseUnavailableError):
        wait(project, job_id)
    assert project.server.jobs.list()[0].state == "running"


def test_a_permanent_error_ends_the_waiting_at_once(project: Project) -> None:
    job_id = project.retrain()
    project.server.inject(Fault(operation="getJobStatus", kind="status", status=401))
    with pytest.raises(EdgeImpulseAuthError):
        wait(project, job_id)


@pytest.mark.parametrize(("cancel", "state"), [(True, "failed"), (False, "running")])
def test_the_deadline_cancels_the_job_unless_told_otherwise(project: Project, cancel: bool, state: str) -> None:
    project.server.jobs.plan("retrain", running_seconds=FOREVER)
    job_id = project.retrain()
    deadline = project.server.clock.now() + 33
    with pytest.raises(EdgeImpulseJobTimeoutError, match="https://studio/job") as caught:
        wait(project, job_id, deadline=deadline, cancel_on_timeout=cancel)
    assert project.sleeps == [10, 15, pytest.approx(8)]
    assert project.server.jobs.list()[0].state == state
    assert ("has been cancelled" in str(caught.value)) == cancel


def test_a_job_that_cannot_be_cancelled_is_reported_at_the_deadline(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.server.jobs.plan("retrain", running_seconds=FOREVER, cancel="refuse")
    job_id = project.retrain()
    with pytest.raises(EdgeImpulseJobTimeoutError) as caught:
        wait(project, job_id, deadline=project.server.clock.now())
    assert "has been cancelled" not in str(caught.value)
    assert "Cancel job 1 in Studio" in caplog.text


@pytest.mark.parametrize(("cancel", "state"), [("accept", "cancelled"), ("unreported", "cancelled")])
def test_a_cancelled_job_is_not_a_success(project: Project, cancel: Any, state: str) -> None:
    project.server.jobs.plan("retrain", running_seconds=FOREVER, cancel=cancel)
    assert cancel_job(project.jobs, project.retrain()).state == state


def test_cancelling_tells_when_the_job_goes_on(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.server.jobs.plan("retrain", running_seconds=FOREVER, cancel="ignore", queued_seconds=0)
    assert cancel_job(project.jobs, project.retrain()).active
    assert "still reports it as running" in caplog.text
    project.server.jobs.plan("retrain", running_seconds=FOREVER, cancel="refuse")
    with pytest.raises(EdgeImpulseRefusedError):
        cancel_job(project.jobs, project.retrain())


def test_a_job_that_has_ended_or_is_gone_needs_no_cancel(project: Project) -> None:
    job_id = project.retrain()
    project.server.jobs.finish(job_id)
    assert cancel_job(project.jobs, job_id).state == "succeeded"
    project.server.jobs.forget(job_id)
    assert cancel_job(project.jobs, job_id).state == "unknown"


@pytest.mark.parametrize("lines", [0, 3, 1000, 1001, 5000])
def test_every_line_of_the_log_appears_once_and_in_order(
    project: Project, caplog: pytest.LogCaptureFixture, lines: int
) -> None:
    caplog.set_level(logging.INFO)
    project.server.jobs.plan("retrain", log_lines=lines, running_seconds=120)
    wait(project, project.retrain())
    assert job_lines(caplog) == [f"[job 1] [retrain] step {n} of {lines}" for n in range(1, lines + 1)]


def test_parts_of_a_line_are_joined_and_levels_kept(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = ["Epoch ", "1\nEpo", "ch 2\n", "warn: slow\n", "error: bad\n", "the end"]
    project.server.jobs.plan("retrain", log=log, running_seconds=60)
    wait(project, project.retrain())
    assert job_lines(caplog) == [f"[job 1] {line}" for line in ("Epoch 1", "Epoch 2", "slow", "bad", "the end")]
    levels = [record.levelname for record in caplog.records if record.getMessage().startswith("[job ")]
    assert levels == ["INFO", "INFO", "WARNING", "ERROR", "INFO"]


def test_lines_that_cannot_be_caught_up_are_counted(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    project.server.jobs.plan("retrain", log_lines=1500, queued_seconds=0, running_seconds=0)
    project.server.inject(Fault(operation="downloadJobsLogs", kind="status", status=503))
    wait(project, project.retrain())
    assert "500 entries are missing here" in caplog.text
    assert job_lines(caplog) == [f"[job 1] [retrain] step {n} of 1500" for n in range(501, 1501)]


def test_a_log_that_cannot_be_read_does_not_end_the_waiting(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    project.server.jobs.plan("retrain", log_lines=10, queued_seconds=0, running_seconds=15)
    project.server.inject(Fault(operation="getJobsLogs", kind="status", status=503))
    assert wait(project, project.retrain()) == "succeeded"
    assert "could not be read" in caplog.text
    assert len(job_lines(caplog)) == 10


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
def test_the_interval_must_be_positive(emulator: EmulatorServer, project: Project, interval: float) -> None:
    with pytest.raises(EdgeImpulseInputError, match="poll_interval"):
        watcher(project, 1, poll_interval=interval)
