"""The state of a job, derived from what the service reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from airflow_provider_ei.exceptions import EdgeImpulseJobError

if TYPE_CHECKING:
    from airflow_provider_ei.studio.api.jobs import Job

#: ``unknown``: the service no longer knows the job.
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled", "unknown"]

ACTIVE_STATES: tuple[JobState, ...] = ("queued", "running")


@dataclass(frozen=True)
class JobStatus:
    """The state of a job at one moment.

    :ivar reason: why the job did not succeed, where the state does not say it.
    """

    job_id: int
    state: JobState
    reason: str = ""

    @classmethod
    def of(cls, job: Job, *, cancelled: bool = False) -> JobStatus:
        """Derive the state of a job. It has succeeded only if the service says so.

        :param cancelled: whether this job was cancelled by us; the service does not report that.
        """
        if job.finished_successful:
            return cls(job.id, "succeeded")
        if job.finished is None and job.finished_successful is None:
            return cls(job.id, "queued" if job.started is None else "running")
        if cancelled:
            return cls(job.id, "cancelled")
        if job.finished_successful is None:
            return cls(job.id, "failed", "the service reports that it has finished, but not that it has succeeded")
        return cls(job.id, "failed")

    @classmethod
    def unknown(cls, job_id: int) -> JobStatus:
        """Return the state of a job that the service does not know."""
        return cls(job_id, "unknown", "the service no longer knows it, so that its outcome cannot be told")

    @property
    def active(self) -> bool:
        """Whether the job has not ended."""
        return self.state in ACTIVE_STATES

    def __str__(self) -> str:
        what = "is gone" if self.state == "unknown" else f"is {self.state}" if self.active else self._ended()
        return f"Job {self.job_id} {what}{f': {self.reason}' if self.reason else ''}"

    def _ended(self) -> str:
        return "was cancelled" if self.state == "cancelled" else self.state

    def error(self, url: str, last_lines: tuple[str, ...] = ()) -> EdgeImpulseJobError:
        """Return the error of a job that has ended without success.

        :param url: the job's page in Studio.
        :param last_lines: of the job's log.
        """
        lines = "".join(f"\n  {line}" for line in last_lines)
        return EdgeImpulseJobError(
            f"Look at the job in Studio, {url}, and run the task again: {str(self)[0].lower()}{str(self)[1:]}."
            + (f" The end of its log:{lines}" if lines else ""),
            job_id=self.job_id,
            state=self.state,
        )
