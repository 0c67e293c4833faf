"""The jobs of a project or of an organization."""

from __future__ import annotations

from collections.abc import Callable, Set
from datetime import datetime

from airflow_provider_ei.exceptions import EdgeImpulseRefusedError, EdgeImpulseResponseError
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Answer, ApiModel, Id, Time
from airflow_provider_ei.studio.reading import LISTING_BYTES

#: Jobs that a listing requests at once, and the maximum number of log entries that the service returns.
PAGE_JOBS = 500
MAX_LOG_ENTRIES = 1_000

#: Maximum number of bytes of a downloaded log.
MAX_LOG_BYTES = 64 * 1024 * 1024


class Job(ApiModel, frozen=True, kw_only=True):
    """A job (``getJobStatus``). ``category`` and ``key`` are its type; the API does not document their values."""

    id: Id
    category: str = ""
    key: str = ""
    created: Time
    started: Time | None = None
    finished: Time | None = None
    finished_successful: bool | None = None


class JobLogEntry(ApiModel, frozen=True, kw_only=True):
    """A piece of a job's log: a line, several lines, or a part of one."""

    data: str
    log_level: str | None = None


class JobAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getJobStatus``."""

    job: Job


class JobsAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``listAllJobs``: one page."""

    jobs: list[Job]


class JobLog(Answer, frozen=True, kw_only=True):
    """Response of ``getJobsLogs``: the newest entries of a job's log, newest first, and the total number."""

    stdout: tuple[JobLogEntry, ...]
    total_count: int


class StartedAnswer(Answer, frozen=True, kw_only=True):
    """Response of an operation that starts a job."""

    id: Id


class JobsApi:
    """The operations on the jobs of a project or of an organization.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass when
    the service refuses, fails or cannot be reached, after the tries that the settings allow.

    :ivar http: the client that the requests are sent through.
    """

    def __init__(self, http: HttpClient, path: str, owner: str) -> None:
        """Use :meth:`of_project` or :meth:`of_organization` instead."""
        self.http = http
        self._path = path
        self._owner = owner

    @classmethod
    def of_project(cls, http: HttpClient, project_id: int) -> JobsApi:
        """Return the operations on the jobs of a project."""
        return cls(http, f"/api/{project_id}/jobs", "")

    @classmethod
    def of_organization(cls, http: HttpClient, organization_id: int) -> JobsApi:
        """Return the operations on the jobs of an organization."""
        return cls(http, f"/api/organizations/{organization_id}/jobs", "Organization")

    def get_job(self, job_id: int) -> Job:
        """Get a job (``getJobStatus``, ``getOrganizationJobStatus``)."""
        path = f"{self._path}/{job_id}/status"
        return self.http.request_json(f"get{self._owner}JobStatus", "GET", path, JobAnswer).job

    def list_jobs(self, since: datetime | None = None) -> list[Job]:
        """List active and finished jobs, without parts of other jobs (``listAllJobs``, ``listAllOrganizationJobs``).

        :param since: leave out jobs that were created before.
        :raises EdgeImpulseResponseError: when the listing may be incomplete.
        """
        operation = f"listAll{self._owner}Jobs"
        jobs: dict[int, Job] = {}
        offset = 0
        while True:
            start = None if since is None else since.isoformat()
            query = {"startDate": start, "limit": PAGE_JOBS, "offset": offset, "rootOnly": "true"}
            path = f"{self._path}/all"
            answer = self.http.request_json(operation, "GET", path, JobsAnswer, query=query, max_bytes=LISTING_BYTES)
            page = answer.jobs
            is_new = any(job.id not in jobs for job in page)
            jobs.update((job.id, job) for job in page)
            if len(page) < PAGE_JOBS:
                break
            if not is_new:
                raise EdgeImpulseResponseError(
                    f"Try again later: the listing of jobs is incomplete, since the service ignores the offset. "
                    f"({operation})",
                    operation=operation,
                    status=200,
                )
            # Pages overlap, so that no job is missed when another one is started in the meantime.
            offset += PAGE_JOBS // 2
        return [job for job in jobs.values() if since is None or job.created >= since]

    def list_new_jobs(self, since: datetime, known: Set[int]) -> list[Job]:
        """List the jobs that :meth:`list_jobs` has not listed earlier.

        :param known: the ids of those that it has listed.
        """
        return [job for job in self.list_jobs(since) if job.id not in known]

    def get_job_log(self, job_id: int, limit: int = MAX_LOG_ENTRIES) -> JobLog:
        """Get the newest entries of a job's log (``getJobsLogs``, ``getOrganizationJobsLogs``)."""
        operation = f"get{self._owner}JobsLogs"
        path = f"{self._path}/{job_id}/stdout"
        query = {"limit": limit}
        return self.http.request_json(operation, "GET", path, JobLog, query=query, max_bytes=LISTING_BYTES)

    def download_job_log(self, job_id: int) -> str:
        """Download a job's whole log (``downloadJobsLogs``, ``downloadOrganizationJobsLogs``).

        :raises EdgeImpulseResponseError: when it is longer than 64 MiB.
        """
        operation = f"download{self._owner}JobsLogs"
        data = bytearray()

        def keep(block: bytes) -> None:
            data.extend(block)
            if len(data) > MAX_LOG_BYTES:
                error = EdgeImpulseResponseError(
                    f"Read the log of job {job_id} in Studio: it is longer than {MAX_LOG_BYTES} bytes. ({operation})",
                    operation=operation,
                    status=200,
                )
                error.retryable = False
                raise error

        def begin() -> Callable[[bytes], object]:
            data.clear()
            return keep

        self.http.download(operation, f"{self._path}/{job_id}/stdout/download", {}, begin)
        return data.decode(errors="replace")

    def cancel_job(self, job_id: int) -> None:
        """Cancel a job without waiting for the cluster that runs it (``cancelJob``, ``cancelOrganizationJob``).

        :raises EdgeImpulseRefusedError: when the job has ended, is unknown, or cannot be cancelled.
        """
        path = f"{self._path}/{job_id}/cancel"
        self.http.request_json(f"cancel{self._owner}Job", "POST", path, query={"forceCancel": "true"})


def is_unknown_job(error: Exception) -> bool:
    """Return whether an error says that the service does not know the job's id, or no longer does."""
    text = error.server_text if isinstance(error, EdgeImpulseRefusedError) else None
    return "unknown job id" in (text or "").lower()
