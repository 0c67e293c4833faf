"""Starts a job exactly once, although no request that starts one may be repeated.

Before the request, an intent is stored: which jobs there are already. After a lost answer, or in a new try that finds
an intent, the jobs that have come since are looked at. If there is none, the job is started. If there is exactly one of
the kind, it is ours. Anything else is an error that names them. Ids decide, not times: the service has its own clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from airflow_provider_ei.exceptions import (
    EdgeImpulseConfigError,
    EdgeImpulseDeleteLimitError,
    EdgeImpulseInputError,
    EdgeImpulseJobConflictError,
    EdgeImpulseQualityError,
    EdgeImpulseServiceError,
)
from airflow_provider_ei.jobs.state import JobStatus
from airflow_provider_ei.studio.api.jobs import Job, JobsApi
from airflow_provider_ei.studio.retry import may_be_done

log = logging.getLogger(__name__)

#: Key of the intent in the store.
INTENT_KEY = "edge_impulse_job_intent"

#: Start requests of one call whose answers may be lost.
MAX_STARTS = 3

#: Jobs that are older are not ours, however wrong one of the clocks is.
_WINDOW = timedelta(days=1)

#: Words by which the category or the key of a job tell its kind. The API documents neither.
_KIND_WORDS: dict[str, tuple[str, ...]] = {
    "retrain": ("train",),
    "classify": ("classify", "testing"),
    "evaluate": ("evaluate",),
    "build": ("build", "deploy"),
    "version": ("version",),
    "transform": ("transform",),
    "upload": ("upload", "import"),
    "refresh": ("refresh",),
    "add_dataset": ("add_dataset", "add-dataset"),
    "add_folder": ("add_folder", "add-folder"),
    "pipeline": ("pipeline_run",),
}


class JobStore(Protocol):
    """Keeps JSON values for the next try of a task, as Airflow's task state store does."""

    def get(self, key: str) -> Any:
        """Return a value; None when there is none."""

    def set(self, key: str, value: Any) -> None:
        """Store a value."""

    def delete(self, key: str) -> None:
        """Remove a value, if there is one."""


class MemoryStore:
    """A store for one try, where Airflow has none that survives it."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        """Return a value; None when there is none."""
        return self._values.get(key)

    def set(self, key: str, value: Any) -> None:
        """Store a value."""
        self._values[key] = value

    def delete(self, key: str) -> None:
        """Remove a value, if there is one."""
        self._values.pop(key, None)


@dataclass(frozen=True)
class _Intent:
    """What was there before the start request."""

    known: frozenset[int]
    since: datetime

    @classmethod
    def form(cls, jobs: JobsApi) -> _Intent:
        since = datetime.now(UTC) - _WINDOW
        return cls(frozenset(job.id for job in jobs.list_jobs(since)), since)

    @classmethod
    def from_json(cls, value: Any) -> _Intent:
        return cls(frozenset(value["known"]), datetime.fromisoformat(value["since"]))

    def to_json(self) -> dict[str, Any]:
        return {"known": sorted(self.known), "since": self.since.isoformat()}


def start_once(
    jobs: JobsApi, store: JobStore, kind: str, start: Callable[[], int], *, ended_job_id: int | None = None
) -> int:
    """Start a job, unless this call or an earlier try of the task has started it already.

    The intent stays in the store. Delete it (:data:`INTENT_KEY`) once the id is kept.

    :param kind: a kind of job, such as ``retrain``.
    :param start: sends the start request and returns the job's id.
    :param ended_job_id: an earlier job of the task, which is not to be found again.
    :return: the id of the job that was started or found.
    :raises EdgeImpulseJobConflictError: when nobody can tell which job is ours.
    :raises EdgeImpulseServiceError: when the job was not started, or the jobs cannot be listed.
    """
    stored = store.get(INTENT_KEY)
    if stored is not None and (found := _find(jobs, store, kind, _Intent.from_json(stored), ended_job_id)) is not None:
        log.info("Job %d was started by an earlier try of this task.", found)
        return found
    intent = _Intent.form(jobs)
    store.set(INTENT_KEY, intent.to_json())
    for number in range(1, MAX_STARTS + 1):
        try:
            return start()
        except (
            EdgeImpulseConfigError,
            EdgeImpulseInputError,
            EdgeImpulseDeleteLimitError,
            EdgeImpulseQualityError,
        ):
            store.delete(INTENT_KEY)  # nothing was sent
            raise
        except EdgeImpulseServiceError as error:
            if not may_be_done(error):
                store.delete(INTENT_KEY)
                raise
            if (found := _find(jobs, store, kind, intent, ended_job_id)) is not None:
                log.warning("Job %d was started, although the answer was lost: %s", found, error)
                return found
            if number == MAX_STARTS:
                raise
            log.warning("No job was started. Trying again (%d of %d): %s", number + 1, MAX_STARTS, error)
    raise AssertionError  # the loop returns or raises


def find_started(jobs: JobsApi, store: JobStore, kind: str) -> int | None:
    """Return the job started for the intent in the store; None if there is no intent or no such job.

    :raises EdgeImpulseJobConflictError: when nobody can tell which job is ours.
    """
    stored = store.get(INTENT_KEY)
    return None if stored is None else _find(jobs, store, kind, _Intent.from_json(stored), None)


def find_active(jobs: JobsApi, kind: str, since: datetime) -> int | None:
    """Return the only active job of a kind; None when there is none. For a new try where Airflow keeps no state.

    :param since: when the DAG run started; older jobs are not ours.
    :raises EdgeImpulseJobConflictError: when nobody can tell which job is ours.
    """
    listed = [job for job in jobs.list_jobs(since) if job.created >= since]
    return _only_one([job for job in listed if JobStatus.of(job).active], kind)


def _find(jobs: JobsApi, store: JobStore, kind: str, intent: _Intent, ended_job_id: int | None) -> int | None:
    new = [job for job in jobs.list_new_jobs(intent.since, intent.known) if job.id != ended_job_id]
    try:
        return _only_one(new, kind)
    except EdgeImpulseJobConflictError:
        store.delete(INTENT_KEY)  # whoever runs the task again after this error wants a new job
        raise


def _only_one(found: Iterable[Job], kind: str) -> int | None:
    candidates = [job for job in found if _may_be(job, kind)]
    ours = [job for job in candidates if is_of_kind(job, kind)]
    if len(ours) == 1:
        return ours[0].id
    if not candidates:
        return None
    names = ", ".join(f"{job.id} ({job.category or job.key})" for job in sorted(candidates, key=lambda job: job.id))
    raise EdgeImpulseJobConflictError(
        f"Cancel the jobs that are not wanted in Studio, and clear the task to start a new one: it may have started "
        f"one of the jobs {names}, and nobody can tell whether or which."
    )


def is_of_kind(job: Job, kind: str) -> bool:
    """Return whether the category or the key of a job says that it is of a kind."""
    text = f"{job.category} {job.key}".lower()
    return any(word in text for word in _KIND_WORDS[kind])


def _may_be(job: Job, kind: str) -> bool:
    return is_of_kind(job, kind) or not any(is_of_kind(job, other) for other in _KIND_WORDS)
