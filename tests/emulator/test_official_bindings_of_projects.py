"""The official Python bindings take a project's model from training to a download."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import ProjectClient, official_bindings

edgeimpulse_api = pytest.importorskip("edgeimpulse_api")


@pytest.fixture
def official(project: ProjectClient) -> Iterator[Callable[[str], Any]]:
    """The bindings' API object for a group of operations, with the key of a project."""
    with official_bindings(project.studio.url, project.studio.project_api_key) as group:
        yield group


def test_reads_the_project_of_a_key(official: Callable[[str], Any]) -> None:
    projects = official("ProjectsApi")
    assert [project.id for project in projects.list_projects().projects] == [1]
    assert projects.get_current_api_key_info().project_id == 1
    assert projects.get_project_last_modification_date(1).last_modification_date


def test_follows_a_job_to_its_end(project: ProjectClient, official: Callable[[str], Any]) -> None:
    jobs = official("JobsApi")
    project.studio.jobs.plan("retrain", running_seconds=10, log=["Training\n"])
    job_id = jobs.start_retrain_job(1).id
    assert jobs.get_job_status(1, job_id).job.finished is None
    assert [job.id for job in jobs.list_active_jobs(1).jobs] == [job_id]
    project.studio.clock.advance(60)
    job = jobs.get_job_status(1, job_id).job
    assert job.finished and job.finished_successful and job.started
    assert [line.data for line in jobs.get_jobs_logs(1, job_id).stdout] == ["Training\n"]
    assert [job.id for job in jobs.list_finished_jobs(1).jobs] == [job_id]
    second = jobs.start_retrain_job(1).id
    assert jobs.cancel_job(1, second, force_cancel="true").success
    assert jobs.get_job_status(1, second).job.finished_successful is False


def test_tests_builds_and_downloads(project: ProjectClient, official: Callable[[str], Any]) -> None:
    jobs, deployment = official("JobsApi"), official("DeploymentApi")
    jobs.start_classify_job(1, edgeimpulse_api.StartClassifyJobRequest(model_variants=["int8"]))
    project.studio.clock.advance(60)
    result = official("ClassifyApi").get_classify_job_result(1)
    assert result.accuracy.accuracy_score == pytest.approx(0.9)
    formats = [target.format for target in deployment.list_deployment_targets_for_project(1).targets]
    assert "zip" in formats
    request = edgeimpulse_api.BuildOnDeviceModelRequest(engine="tflite-eon", model_type="int8")
    built = jobs.build_on_device_model_job(1, "zip", request)
    project.studio.clock.advance(60)
    assert deployment.get_last_deployment_build(1).last_build.version == built.deployment_version
    assert deployment.get_historic_deployment(1, built.deployment_version).deployment.deployment_format == "zip"
    assert len(deployment.list_deployment_history(1).deployments) == 1
    response = deployment.download_historic_deployment(1, built.deployment_version, _preload_content=False)
    assert response.data == project.studio.projects.firmware(built.deployment_version)


def test_creates_and_lists_a_version(project: ProjectClient, official: Callable[[str], Any]) -> None:
    request = edgeimpulse_api.ProjectVersionRequest(description="run 7", make_public=False)
    official("JobsApi").start_version_job(1, request)
    project.studio.clock.advance(60)
    assert [version.description for version in official("ProjectsApi").list_versions(1).versions] == ["run 7"]
