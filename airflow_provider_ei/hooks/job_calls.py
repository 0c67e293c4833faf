"""Hook methods for jobs, whether they belong to a project or to an organization."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from airflow_provider_ei.hooks.connected import ConnectedHook
from airflow_provider_ei.hooks.interruptible import interruptible

if TYPE_CHECKING:
    from airflow_provider_ei.jobs.state import JobStatus
    from airflow_provider_ei.results import JobResult
    from airflow_provider_ei.studio.api.jobs import JobsApi
    from airflow_provider_ei.studio.http import HttpClient

log = logging.getLogger(__name__)


class JobCalls(ConnectedHook):
    """Looks at jobs, waits for them and cancels them. A subclass says whose jobs they are."""

    @property
    def knows_owner(self) -> bool:
        """Whether the project or organization is known without a request."""
        raise NotImplementedError

    def open_jobs_api(self, client: HttpClient) -> JobsApi:
        """Return the operations on the owner's jobs, through a client.

        :raises EdgeImpulseError: when the owner must be asked for, and that fails.
        """
        raise NotImplementedError

    def job_url(self, job_id: int) -> str:
        """Return a job's page in Studio, on the connection's host."""
        raise NotImplementedError

    def job_result(self, job_id: int, state: Literal["succeeded", "started"]) -> JobResult:
        """Return what a job's task returns."""
        raise NotImplementedError

    @property
    def jobs_api(self) -> JobsApi:
        """The operations on the owner's jobs.

        :raises EdgeImpulseError: as :meth:`open_jobs_api` does.
        """
        return self.open_jobs_api(self.client)

    @interruptible
    def get_job(self, job_id: int) -> JobStatus:
        """Return the state of a job (``getJobStatus``, ``getOrganizationJobStatus``).

        :param job_id: id of the job.
        """
        from airflow_provider_ei.jobs.waiting import look_at_job

        return look_at_job(self.jobs_api, job_id)

    @interruptible
    def wait_for_job(
        self,
        job_id: int,
        *,
        poll_interval: float = 10.0,
        timeout: float | None = None,
        cancel_on_timeout: bool = False,
    ) -> JobStatus:
        """Wait until a job has succeeded, and write its log lines to the log.

        :param job_id: id of the job.
        :param poll_interval: seconds between the first two looks; later intervals are longer.
        :param timeout: how many seconds to wait; None for no limit.
        :param cancel_on_timeout: cancel the job when the timeout passes.
        :raises EdgeImpulseJobError: when the job ends without success; quotes the end of its log.
        :raises EdgeImpulseJobTimeoutError: when the timeout passes.
        """
        deadline = None if timeout is None else time.time() + timeout
        return self._wait_for_job(job_id, poll_interval, deadline, cancel_on_timeout=cancel_on_timeout)

    @interruptible
    def cancel_job(self, job_id: int) -> JobStatus:
        """Cancel a job, and return its state after that. A job that has ended is not an error.

        The operation is ``cancelJob`` or ``cancelOrganizationJob``.

        :param job_id: id of the job.
        """
        from airflow_provider_ei.jobs.waiting import cancel_job

        return cancel_job(self.jobs_api, job_id)

    def _run_job(
        self,
        kind: str,
        start: Callable[[], int],
        *,
        wait_for_completion: bool,
        poll_interval: float,
        timeout: float | None,
    ) -> JobResult:
        """Start a job, even if the answer is lost, and wait until it has succeeded.

        :param kind: a kind of job, such as ``retrain``.
        :param start: sends the start request and returns the job's id.
        :param timeout: seconds after which the job is cancelled; None for no limit.
        """
        from airflow_provider_ei.jobs.starting import MemoryStore, start_once

        deadline = None if timeout is None else time.time() + timeout
        job_id = start_once(self.jobs_api, MemoryStore(), kind, start)
        log.info("Job %d was started: %s", job_id, self.job_url(job_id))
        if wait_for_completion:
            self._wait_for_job(job_id, poll_interval, deadline, cancel_on_timeout=True)
        return self.job_result(job_id, "succeeded" if wait_for_completion else "started")

    def _wait_for_job(
        self, job_id: int, poll_interval: float, deadline: float | None, *, cancel_on_timeout: bool
    ) -> JobStatus:
        from airflow_provider_ei.jobs.waiting import JobWatcher, wait_for_job

        watcher = JobWatcher(self.jobs_api, job_id, poll_interval=poll_interval, deadline=deadline)
        return wait_for_job(watcher, self.job_url(job_id), cancel_on_timeout=cancel_on_timeout)
