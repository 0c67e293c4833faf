"""Jobs and projects, as the emulator and stranger servers answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_ei.emulator import FOREVER, EmulatorServer, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.api import jobs as jobs_module
from airflow_provider_ei.studio.api.jobs import JobsApi, StartedAnswer, is_unknown_job
from airflow_provider_ei.studio.api.projects import ProjectApi, get_key_info, list_projects
from airflow_provider_ei.studio.http import HttpClient

from .conftest import OpenClient
from .wire import Reply, ScriptedServer

JOB: dict[str, Any] = {"id": 5, "category": "c", "key": "k", "created": "2024-01-01T00:00:00.000Z"}


@pytest.fixture
def project(studio_emulator: EmulatorServer, studio_open: OpenClient) -> HttpClient:
    """A client with the key of project 1."""
    return studio_open(studio_emulator.url, api_key=studio_emulator.project_api_key)


@pytest.fixture
def organization(studio_client: HttpClient) -> HttpClient:
    return studio_client


def test_a_retrain_job_is_started_and_its_status_read(studio_emulator: EmulatorServer, project: HttpClient) -> None:
    studio_emulator.jobs.plan("retrain", queued_seconds=0, running_seconds=0)
    job_id = ProjectApi(project, 1).start_retrain()
    job = JobsApi.of_project(project, 1).get_job(job_id)
    assert (job.id, job.finished_successful, job.category) == (job_id, True, "retrain")
    assert job.created <= (job.started or job.created) <= (job.finished or job.created)


def test_a_job_of_the_organization_is_read_by_the_other_operations(
    studio_emulator: EmulatorServer, organization: HttpClient
) -> None:
    path = "/api/organizations/7/data/refresh"
    jobs = JobsApi.of_organization(organization, 7)
    studio_emulator.put_item("n", "d", {}, {"1.csv": b"1"})
    studio_emulator.jobs.plan("refresh", running_seconds=FOREVER, queued_seconds=0)
    query = {"dataset": "d"}
    job_id = organization.request_json("refreshOrganizationData", "POST", path, StartedAnswer, query=query).id
    studio_emulator.clear_requests()
    assert [job.id for job in jobs.list_jobs()] == [job_id]
    assert jobs.get_job(job_id).finished is None
    jobs.get_job_log(job_id)
    jobs.download_job_log(job_id)
    jobs.cancel_job(job_id)
    assert jobs.get_job(job_id).finished_successful is False
    assert [request.operation for request in studio_emulator.requests()] == [
        "listAllOrganizationJobs",
        "getOrganizationJobStatus",
        "getOrganizationJobsLogs",
        "downloadOrganizationJobsLogs",
        "cancelOrganizationJob",
        "getOrganizationJobStatus",
    ]


@pytest.mark.parametrize("kind", ["drop_after", "cut_response"])
def test_a_start_whose_answer_is_lost_is_not_repeated(
    studio_emulator: EmulatorServer, studio_open: OpenClient, kind: Any
) -> None:
    http = studio_open(studio_emulator.url, api_key=studio_emulator.project_api_key, retry_attempts=4)
    studio_emulator.inject(Fault(operation="startRetrainJob", kind=kind))
    with pytest.raises((EdgeImpulseUnavailableError, EdgeImpulseResponseError)):
        ProjectApi(http, 1).start_retrain()
    assert len(studio_emulator.jobs.list()) == 1
    assert len(studio_emulator.requests()) == 1


def test_all_jobs_are_listed_page_by_page(
    studio_emulator: EmulatorServer, project: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "PAGE_JOBS", 4)
    started = [ProjectApi(project, 1).start_retrain() for _ in range(9)]
    assert sorted(job.id for job in JobsApi.of_project(project, 1).list_jobs()) == started


def test_a_listing_whose_pages_repeat_is_incomplete(studio_open: OpenClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "PAGE_JOBS", 2)
    page = Reply(200, {"success": True, "jobs": [JOB, JOB | {"id": 6}], "totalJobCount": 9})
    with ScriptedServer(page, page, page) as server, pytest.raises(EdgeImpulseResponseError, match="incomplete"):
        JobsApi.of_project(studio_open(server.url), 1).list_jobs()


def test_older_jobs_are_left_out_also_when_the_service_ignores_the_date(
    studio_open: OpenClient,
) -> None:
    new = JOB | {"id": 6, "created": "2024-01-03T00:00:00.000Z"}
    since = datetime(2024, 1, 2, tzinfo=UTC)
    with ScriptedServer(Reply(200, {"success": True, "jobs": [new, JOB], "totalJobCount": 2})) as server:
        jobs = JobsApi.of_project(studio_open(server.url), 1)
        assert [job.id for job in jobs.list_jobs(since)] == [6]


def test_a_log_is_read_newest_first_and_downloaded_whole(studio_emulator: EmulatorServer, project: HttpClient) -> None:
    studio_emulator.jobs.plan("retrain", queued_seconds=0, running_seconds=0, log_lines=1500)
    job_id = ProjectApi(project, 1).start_retrain()
    jobs = JobsApi.of_project(project, 1)
    log = jobs.get_job_log(job_id)
    assert (len(log.stdout), log.total_count) == (1000, 1500)
    assert log.stdout[0].data == "[retrain] step 1500 of 1500\n"
    lines = jobs.download_job_log(job_id).splitlines()
    assert (len(lines), lines[0]) == (1500, "[retrain] step 1 of 1500")


def test_a_log_that_is_too_long_is_not_kept_in_memory(
    studio_emulator: EmulatorServer, project: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "MAX_LOG_BYTES", 10)
    studio_emulator.jobs.plan("retrain", queued_seconds=0, running_seconds=0, log_lines=3)
    job_id = ProjectApi(project, 1).start_retrain()
    with pytest.raises(EdgeImpulseResponseError, match=r"longer than 10 bytes"):
        JobsApi.of_project(project, 1).download_job_log(job_id)


def test_an_unknown_job_is_told_from_other_refusals(studio_emulator: EmulatorServer, project: HttpClient) -> None:
    jobs = JobsApi.of_project(project, 1)
    with pytest.raises(EdgeImpulseRefusedError) as caught:
        jobs.get_job(99)
    assert is_unknown_job(caught.value)
    job_id = ProjectApi(project, 1).start_retrain()
    studio_emulator.jobs.finish(job_id)
    with pytest.raises(EdgeImpulseRefusedError) as caught:
        jobs.cancel_job(job_id)
    assert not is_unknown_job(caught.value)


def test_the_key_tells_its_project_role_and_expiry(studio_emulator: EmulatorServer, studio_open: OpenClient) -> None:
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    added = studio_emulator.projects.add("gearbox", role="readonly", key_expires=expires.timestamp())
    http = studio_open(studio_emulator.url, api_key=added.api_key)
    info = get_key_info(http)
    assert (info.project_id, info.role, info.expires) == (added.id, "readonly", expires)
    assert [(project.id, project.name) for project in list_projects(http)] == [(added.id, "gearbox")]
    with pytest.raises(EdgeImpulseRefusedError, match="role is readonly"):
        ProjectApi(http, added.id).start_retrain()


def test_the_key_of_the_other_kind_is_refused(organization: HttpClient, project: HttpClient) -> None:
    with pytest.raises(EdgeImpulseAuthError):
        get_key_info(organization)
    with pytest.raises(EdgeImpulseAuthError):
        JobsApi.of_organization(project, 7).list_jobs()
