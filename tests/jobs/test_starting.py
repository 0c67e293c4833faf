"""A job is started once, whatever happens to the request and to the worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_ei.emulator import FOREVER, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseJobConflictError,
    EdgeImpulseQualityError,
    EdgeImpulseServiceError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.jobs.starting import INTENT_KEY, MAX_STARTS, MemoryStore, find_active, find_started, start_once
from airflow_provider_ei.studio.api.projects import ProjectApi

from .conftest import Project


def start(project: Project, store: MemoryStore, **values: Any) -> int:
    return start_once(project.jobs, store, "retrain", project.retrain, **values)


def started(project: Project) -> list[int]:
    return [job.id for job in project.server.jobs.list() if job.kind == "retrain"]


def other_job(project: Project) -> None:
    body = {"description": "v", "makePublic": False}
    project.http.request_json("startVersionJob", "POST", "/api/1/jobs/version", body=body)


class Killed(BaseException):
    """The end of the process."""


def killed_after(project: Project, store: MemoryStore, *, sent: bool) -> None:
    def start_and_die() -> int:
        if sent:
            project.retrain()
        raise Killed

    with pytest.raises(Killed):
        start_once(project.jobs, store, "retrain", start_and_die)


def test_the_intent_is_stored_before_the_request(project: Project) -> None:
    store = MemoryStore()
    project.retrain()
    killed_after(project, store, sent=False)
    assert store.get(INTENT_KEY)["known"] == [1]


@pytest.mark.parametrize("sent", [False, True])
def test_a_new_try_with_an_intent_starts_only_what_was_not_started(project: Project, sent: bool) -> None:
    store = MemoryStore()
    project.retrain()
    killed_after(project, store, sent=sent)
    other_job(project)
    job_id = start(project, store)
    assert started(project) == [1, job_id]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "cut_response", "status"])
def test_a_lost_answer_leads_to_one_job(project: Project, kind: Any) -> None:
    project.server.inject(Fault(operation="startRetrainJob", kind=kind))
    job_id = start(project, MemoryStore())
    assert started(project) == [job_id]


def test_a_job_that_has_ended_meanwhile_is_found(project: Project) -> None:
    store = MemoryStore()
    project.server.jobs.plan("retrain", queued_seconds=0, running_seconds=0)
    killed_after(project, store, sent=True)
    assert start(project, store) == 1
    assert started(project) == [1]


def test_the_clock_of_the_service_may_be_hours_off(project: Project) -> None:
    for hours in (-6, 6):
        store = MemoryStore()
        project.server.reset()
        project.server.clock.advance(3600 * hours)
        before = project.retrain()
        killed_after(project, store, sent=True)
        assert start(project, store) == before + 1
        assert started(project) == [before, before + 1]


def test_several_jobs_are_named_and_nothing_is_started(project: Project) -> None:
    store = MemoryStore()
    killed_after(project, store, sent=True)
    project.retrain()
    with pytest.raises(EdgeImpulseJobConflictError, match=r"jobs 1 \(retrain\), 2 \(retrain\)") as caught:
        start(project, store)
    assert not caught.value.retryable
    assert started(project) == [1, 2]
    assert start(project, store) == 3, "clearing the task means a new job"


def test_a_job_whose_kind_cannot_be_told_is_not_adopted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    killed_after(project, store, sent=True)
    real = project.jobs.list_jobs

    def nameless(since: datetime | None = None) -> list[Any]:
        from msgspec.structs import replace

        return [replace(job, category="job", key="k1") for job in real(since)]

    monkeypatch.setattr(project.jobs, "list_jobs", nameless)
    with pytest.raises(EdgeImpulseJobConflictError, match=r"jobs 1 \(job\)"):
        start(project, store)


def test_the_key_tells_the_kind_when_the_category_does_not(project: Project) -> None:
    project.server.settings.job_categories = "same"
    store = MemoryStore()
    killed_after(project, store, sent=True)
    other_job(project)
    assert start(project, store) == 1


def test_an_earlier_job_of_the_task_is_not_found_again(project: Project) -> None:
    """An intent may survive the job that it led to: the worker died between the two changes of the store."""
    store = MemoryStore()
    killed_after(project, store, sent=True)
    assert start(project, store, ended_job_id=1) == 2


def test_a_refusal_is_raised_and_leaves_no_intent(project: Project) -> None:
    store = MemoryStore()
    project.server.inject(Fault(operation="startRetrainJob", kind="status", status=403))
    with pytest.raises(EdgeImpulseAuthError):
        start(project, store)
    assert store.get(INTENT_KEY) is None
    assert started(project) == []


def test_nothing_is_started_when_the_jobs_cannot_be_listed(project: Project) -> None:
    store = MemoryStore()
    project.server.inject(Fault(operation="listAllJobs", kind="status", status=503))
    with pytest.raises(EdgeImpulseServiceError):
        start(project, store)
    assert started(project) == []


def test_the_next_try_finds_out_when_the_listing_fails_after_a_lost_answer(project: Project) -> None:
    store = MemoryStore()
    project.server.inject(
        Fault(operation="startRetrainJob", kind="drop_after"),
        Fault(operation="listAllJobs", kind="status", status=503, skip=1),
    )
    with pytest.raises(EdgeImpulseServiceError):
        start(project, store)
    assert start(project, store) == 1
    assert started(project) == [1]


def test_the_starts_of_one_try_are_limited(project: Project) -> None:
    project.server.inject(Fault(operation="startRetrainJob", kind="drop_before", count=100))
    with pytest.raises(EdgeImpulseUnavailableError):
        start(project, MemoryStore())
    assert project.operations().count("startRetrainJob") == MAX_STARTS


def test_what_an_intent_led_to_is_found_without_starting(project: Project) -> None:
    store = MemoryStore()
    assert find_started(project.jobs, store, "retrain") is None
    killed_after(project, store, sent=False)
    assert find_started(project.jobs, store, "retrain") is None
    ProjectApi(project.http, 1).start_retrain()
    assert find_started(project.jobs, store, "retrain") == 1


def test_without_a_store_the_only_active_job_since_the_run_began_is_found(project: Project) -> None:
    began = datetime.fromtimestamp(project.server.clock.now(), UTC) + timedelta(seconds=1)
    project.server.jobs.plan("retrain", count=9, running_seconds=FOREVER)
    project.retrain()  # older
    project.server.clock.advance(5)
    assert find_active(project.jobs, "retrain", began) is None
    ended = project.retrain()
    project.server.jobs.finish(ended)
    assert find_active(project.jobs, "retrain", began) is None
    own = project.retrain()
    assert find_active(project.jobs, "retrain", began) == own
    project.retrain()
    with pytest.raises(EdgeImpulseJobConflictError):
        find_active(project.jobs, "retrain", began)


def test_no_intent_is_left_of_a_start_that_was_refused_before_the_request(project: Project) -> None:
    store = MemoryStore()

    def refuse() -> int:
        raise EdgeImpulseQualityError("not good enough")

    with pytest.raises(EdgeImpulseQualityError):
        start_once(project.jobs, store, "retrain", refuse)
    assert store.get(INTENT_KEY) is None
