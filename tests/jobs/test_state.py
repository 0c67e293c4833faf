"""The state of a job follows from what the service reports, and success is never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_ei.jobs.state import JobStatus
from airflow_provider_ei.studio.api.jobs import Job

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize(
    ("reported", "state", "after_our_cancel"),
    [
        ({}, "queued", "queued"),
        ({"started": NOW}, "running", "running"),
        ({"started": NOW, "finished": NOW, "finished_successful": True}, "succeeded", "succeeded"),
        ({"finished": NOW, "finished_successful": True}, "succeeded", "succeeded"),
        ({"started": NOW, "finished": NOW, "finished_successful": False}, "failed", "cancelled"),
        ({"started": NOW, "finished_successful": False}, "failed", "cancelled"),
        ({"started": NOW, "finished": NOW}, "failed", "cancelled"),
    ],
)
def test_success_needs_an_explicit_true(
    reported: dict[str, Any], state: str, after_our_cancel: str, cancelled: bool
) -> None:
    status = JobStatus.of(Job(id=5, created=NOW, **reported), cancelled=cancelled)
    assert status.state == (after_our_cancel if cancelled else state)
    assert status.active == (status.state in ("queued", "running"))


def test_a_failure_without_a_reported_outcome_says_so() -> None:
    status = JobStatus.of(Job(id=5, created=NOW, finished=NOW))
    error = status.error("https://studio/jobs")
    assert "https://studio/jobs" in str(error)
    assert "job 5 failed: the service reports that it has finished, but not that it has succeeded" in str(error)
    assert (error.job_id, error.state, error.retryable) == (5, "failed", True)


def test_the_error_quotes_the_end_of_the_log() -> None:
    error = JobStatus(5, "failed").error("u", ("Epoch 1", "out of memory"))
    assert str(error).endswith("job 5 failed. The end of its log:\n  Epoch 1\n  out of memory")
