"""Waits for a job: looks at it again and again, at growing intervals, until it ends or a deadline passes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from airflow_provider_ei.exceptions import (
    EdgeImpulseError,
    EdgeImpulseInputError,
    EdgeImpulseJobTimeoutError,
    EdgeImpulseRefusedError,
    EdgeImpulseServiceError,
)
from airflow_provider_ei.jobs.log_lines import JobLogLines
from airflow_provider_ei.jobs.state import JobStatus
from airflow_provider_ei.studio.api.jobs import JobsApi, is_unknown_job

log = logging.getLogger(__name__)

#: Seconds between the first two looks, unless given.
POLL_INTERVAL = 10.0

#: Each interval is so many times as long as the one before it, up to so many times the first one.
INTERVAL_GROWTH = 1.5
MAX_INTERVAL_FACTOR = 6.0

#: Looks in a row that may fail; each of them has already tried as often as the connection says.
MAX_FAILED_LOOKS = 5


def look_at_job(jobs: JobsApi, job_id: int, *, cancelled: bool = False) -> JobStatus:
    """Return the state of a job; ``unknown`` when the service does not know it.

    :param cancelled: whether this job was cancelled by us.
    """
    try:
        return JobStatus.of(jobs.get_job(job_id), cancelled=cancelled)
    except EdgeImpulseRefusedError as error:
        if is_unknown_job(error):
            return JobStatus.unknown(job_id)
        raise


def cancel_job(jobs: JobsApi, job_id: int) -> JobStatus:
    """Cancel a job, and return its state after that.

    A job that has ended, or that the service does not know, is not an error.

    :raises EdgeImpulseRefusedError: when the job is active and the service does not cancel it.
    """
    try:
        jobs.cancel_job(job_id)
    except EdgeImpulseRefusedError:
        status = look_at_job(jobs, job_id)
        if status.active:
            raise
        return status
    status = look_at_job(jobs, job_id, cancelled=True)
    if status.active:
        log.warning("Job %d was cancelled, and the service still reports it as %s.", job_id, status.state)
    return status


class JobWatcher:
    """Looks at a job. The caller waits between two looks, in a worker or in the triggerer.

    :param poll_interval: seconds between the first two looks; later intervals are longer, up to six times.
    :param deadline: when to stop, in seconds since the epoch; None for never.
    :param now: the time in seconds since the epoch.
    :raises EdgeImpulseInputError: when the interval is not positive.
    """

    def __init__(
        self,
        jobs: JobsApi,
        job_id: int,
        *,
        poll_interval: float = POLL_INTERVAL,
        deadline: float | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        if not poll_interval > 0:
            raise EdgeImpulseInputError(f"poll_interval must be a positive number of seconds, not {poll_interval!r}.")
        self.jobs = jobs
        self.job_id = job_id
        self._interval = poll_interval
        self._max_interval = poll_interval * MAX_INTERVAL_FACTOR
        self._deadline = deadline
        self._now = now
        self._log = JobLogLines(jobs, job_id)
        self._failed_looks = 0
        self._status: JobStatus | None = None

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines of the job's log."""
        return self._log.last_lines

    def use(self, jobs: JobsApi) -> None:
        """Look through another client from now on."""
        self.jobs = jobs
        self._log.jobs = jobs

    def look(self) -> JobStatus | None:
        """Look once, and write the new lines of the job's log.

        :return: the state; the one before, or None, when this look has failed and may be repeated.
        :raises EdgeImpulseServiceError: for a permanent error, or at the fifth failed look in a row.
        """
        try:
            status = look_at_job(self.jobs, self.job_id)
        except EdgeImpulseServiceError as error:
            self.failed_look(error)
            return self._status
        self._failed_looks = 0
        if status != self._status:
            log.info("%s.", status)
        self._status = status
        if status.state not in ("queued", "unknown"):
            self._log.update(is_complete=not status.active)
        return status

    def failed_look(self, error: EdgeImpulseError) -> None:
        """Count a look that has failed.

        :raises EdgeImpulseError: the error, when it is permanent, or for the fifth failed look in a row.
        """
        self._failed_looks += 1
        if not error.retryable or self._failed_looks >= MAX_FAILED_LOOKS:
            raise error
        log.warning("Look %d of %d has failed: %s", self._failed_looks, MAX_FAILED_LOOKS, error)

    def next_wait(self) -> float | None:
        """Return the seconds until the next look; None when the deadline has passed."""
        wait, self._interval = self._interval, min(self._interval * INTERVAL_GROWTH, self._max_interval)
        if self._deadline is None:
            return wait
        left = self._deadline - self._now()
        return min(wait, left) if left > 0 else None

    def timeout_error(self, url: str, *, cancelled: bool) -> EdgeImpulseJobTimeoutError:
        """Return the error for a job that has not ended by the deadline.

        :param cancelled: whether it was cancelled for that.
        """
        state = self._status.state if self._status else "not known to have ended"
        return EdgeImpulseJobTimeoutError(
            f"Raise timeout, or look at the job in Studio, {url}: job {self.job_id} was {state} when the timeout passed"
            f"{' and has been cancelled' if cancelled else ''}.",
            job_id=self.job_id,
            state="cancelled" if cancelled else state,
        )


def wait_for_job(watcher: JobWatcher, url: str, *, cancel_on_timeout: bool = True) -> JobStatus:
    """Wait until a job has succeeded.

    :param url: the job's page in Studio, for errors.
    :param cancel_on_timeout: cancel the job when the deadline passes.
    :raises EdgeImpulseJobError: when it ends without success; quotes the end of its log.
    :raises EdgeImpulseJobTimeoutError: when the deadline passes.
    :raises EdgeImpulseServiceError: when the service does not answer, several times in a row.
    :raises EdgeImpulseCancelledError: when the client is cancelled. The job goes on.
    """
    while True:
        status = watcher.look()
        if status is not None and not status.active:
            if status.state == "succeeded":
                return status
            raise status.error(url, watcher.last_lines)
        wait = watcher.next_wait()
        if wait is None:
            raise give_up(watcher, url, cancel=cancel_on_timeout)
        watcher.jobs.http.sleep(wait)


def give_up(watcher: JobWatcher, url: str, *, cancel: bool) -> EdgeImpulseJobTimeoutError:
    """Return the error for a deadline that has passed.

    :param cancel: cancel the job first. A job that cannot be cancelled is logged.
    """
    cancelled = False
    if cancel:
        try:
            cancelled = not cancel_job(watcher.jobs, watcher.job_id).active
        except EdgeImpulseServiceError as error:
            log.error("Cancel job %d in Studio, %s: it could not be cancelled: %s", watcher.job_id, url, error)
    return watcher.timeout_error(url, cancelled=cancelled)
