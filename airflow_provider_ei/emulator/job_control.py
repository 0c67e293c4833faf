"""Control of the emulator's jobs in tests: ``EmulatorServer.jobs``."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from airflow_provider_ei.emulator.job_engine import Job, JobKind, JobOutcome, JobPlan
from airflow_provider_ei.emulator.workspace import Workspace


class JobRecord(msgspec.Struct, frozen=True):
    """A job as it is now. Times are in seconds since 1970, by the clock of the emulator.

    :ivar project_id: None for a job of the organization.
    :ivar successful: None while the job has not ended, and if its outcome is not reported.
    """

    id: int
    kind: str
    project_id: int | None
    created: float
    started: float | None
    finished: float | None
    successful: bool | None

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``succeeded``, ``failed`` or ``unreported``."""
        if self.finished is None:
            return "queued" if self.started is None else "running"
        return {True: "succeeded", False: "failed", None: "unreported"}[self.successful]


class JobControl:
    """Control of jobs without requests. Safe to use from several threads."""

    def __init__(self, workspace: Callable[[], Workspace]) -> None:
        self._workspace = workspace

    def plan(self, kind: JobKind, plan: JobPlan | None = None, /, *, count: int = 1, **values: object) -> None:
        """Decide the course of the next jobs of a kind: ``jobs.plan("retrain", outcome="failure")``.

        :param plan: the course; or give the parameters of :class:`JobPlan` by name.
        :param count: how many jobs follow it.
        :raises ValueError: for invalid values.
        """
        with self._workspace() as workspace:
            workspace.jobs.plan(kind, plan or JobPlan(**values), count)  # type: ignore[arg-type]

    def list(self, project_id: int | None = None) -> list[JobRecord]:
        """Return the jobs of a project, or all jobs, oldest first."""
        with self._workspace() as workspace:
            jobs = workspace.jobs.all()
        return [job_record(job) for job in jobs if project_id in (None, job.project_id)]

    def finish(self, job_id: int, outcome: JobOutcome = "success") -> None:
        """End a job now, regardless of its plan.

        :raises KeyError: if the job does not exist or has ended.
        """
        with self._workspace() as workspace:
            for job in workspace.jobs.active():
                if job.id == job_id:
                    workspace.jobs.finish(job, outcome)
                    return
        raise KeyError(job_id)

    def forget(self, job_id: int) -> None:
        """Remove a job: its id is then unknown to the API.

        :raises KeyError: if the job does not exist.
        """
        with self._workspace() as workspace:
            workspace.jobs.forget(job_id)


def job_record(job: Job) -> JobRecord:
    """Return the record of a job."""
    return JobRecord(job.id, job.kind, job.project_id, job.created, job.started, job.finished, job.successful)
