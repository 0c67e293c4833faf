"""Projects and jobs as one JSON object, for the page."""

from __future__ import annotations

from typing import Any

from airflow_provider_ei.emulator.emulator_clock import iso_time
from airflow_provider_ei.emulator.job_control import job_record
from airflow_provider_ei.emulator.job_engine import Job
from airflow_provider_ei.emulator.projects import Project
from airflow_provider_ei.emulator.sample_store import LabelCounts, SampleStore
from airflow_provider_ei.emulator.workspace import Workspace

_MAX_BUILDS = 5


def describe_projects(workspace: Workspace, samples: SampleStore, *, jobs_limit: int) -> dict[str, Any]:
    """Return the projects, and the newest jobs of each and of the organization, newest first.

    :param jobs_limit: how many jobs to include of each.
    """
    with workspace:
        jobs: dict[int | None, list[Job]] = {None: []} | {project_id: [] for project_id in workspace.projects}
        for job in reversed(workspace.jobs.all()):
            if len(jobs[job.project_id]) < jobs_limit:
                jobs[job.project_id].append(job)
        return {
            "projects": [
                _project(project, jobs[project.id], samples.counts(project.id))
                for project in workspace.projects.values()
            ],
            "organization_jobs": [_job(job) for job in jobs[None]],
            "job_count": len(workspace.jobs.all()),
        }


def _project(project: Project, jobs: list[Job], labels: LabelCounts) -> dict[str, Any]:
    tested = project.tested
    return {
        "id": project.id,
        "name": project.name,
        "model_version": project.model_version,
        "samples": project.samples,
        "labels": labels,
        "accuracy": {} if tested is None else {variant: tested.accuracy(variant) for variant in tested.variants},
        "versions": [{"id": each.id, "description": each.description} for each in project.versions[::-1][:_MAX_BUILDS]],
        "builds": [
            {
                "version": each.version,
                "type": each.type,
                "engine": each.engine,
                "model_type": each.model_type,
                "created": iso_time(each.created),
                "fits": each.model_version == project.model_version,
            }
            for each in project.deployments[::-1][:_MAX_BUILDS]
        ],
        "jobs": [_job(job) for job in jobs],
    }


def _job(job: Job) -> dict[str, Any]:
    seconds = None if job.finished is None or job.started is None else job.finished - job.started
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job_record(job).state,
        "created": iso_time(job.created),
        "seconds": seconds,
    }
