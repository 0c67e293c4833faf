"""States of datasets and projects that event triggers compare, and what counts as a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from airflow_provider_ei.exceptions import EdgeImpulseRefusedError, EdgeImpulseResponseError
from airflow_provider_ei.jobs.state import JobStatus

if TYPE_CHECKING:
    from airflow_provider_ei.studio.api.jobs import JobsApi
    from airflow_provider_ei.studio.api.organizations import DatasetTotals
    from airflow_provider_ei.studio.api.projects import ProjectApi

#: Jobs that run longer are not recognized as the reason why a project was modified.
_MAX_JOB_TIME = timedelta(days=7)

#: A project may be marked as modified so long after the job that modified it has ended.
_JOB_SLACK = timedelta(minutes=1)


class State(Protocol):
    """What an event trigger knows about what it watches. Plain values, so that Airflow can keep them as JSON."""

    def to_json(self) -> dict[str, Any]:
        """Return the state as a JSON object."""

    def differs_from(self, earlier: Self) -> bool:
        """Return whether something has changed since an earlier state."""

    def after(self, earlier: Self) -> Self:
        """Return this state, completed by what only an earlier one has."""


@dataclass(frozen=True)
class _JsonState:
    @classmethod
    def from_json(cls, value: object) -> Self:
        """Restore a state.

        :raises ValueError: when the value is not such a state.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(value, Mapping) or set(value) != names:
            raise ValueError(f"not an object with the fields {', '.join(sorted(names))}")
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        """Return the state as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class DatasetState(_JsonState):
    """The totals of a dataset; zeros when it does not exist.

    :ivar bytes: size of all its files.
    :ivar last_file_created: when its newest file was added, as the service reports it.
    """

    items: int = 0
    files: int = 0
    bytes: int = 0
    last_file_created: str | None = None

    @classmethod
    def of(cls, name: str, datasets: Iterable[DatasetTotals]) -> DatasetState:
        """Return the state of a dataset, in whichever form the service has stored its name."""
        from airflow_provider_ei.studio.spelling import may_be_stored_as

        ours = [one for one in datasets if may_be_stored_as(name, one.dataset)]
        return cls(
            items=sum(one.total_item_count for one in ours),
            files=sum(one.total_file_count for one in ours),
            bytes=sum(one.total_file_size for one in ours),
            last_file_created=max((one.last_file_created or "" for one in ours), default="") or None,
        )

    def differs_from(self, earlier: DatasetState) -> bool:
        """Return whether any of the totals has changed."""
        return self != earlier

    def after(self, earlier: DatasetState) -> DatasetState:
        """Return this state, which is always complete."""
        return self


@dataclass(frozen=True)
class ProjectState(_JsonState):
    """What tells that a project was changed.

    :ivar training: number of samples in the training set.
    :ivar testing: number of samples in the test set.
    :ivar last_modified: when the project was last changed, as the service reports it; None if it does not.
    """

    training: int
    testing: int
    last_modified: str | None = None

    @classmethod
    def read(cls, project: ProjectApi) -> ProjectState:
        """Ask the service for the state (``getProjectLastModificationDate``, and ``countSamples`` for each set).

        :raises EdgeImpulseError: when it does not answer.
        """
        try:
            last_modified = project.get_last_modification()
        except (EdgeImpulseRefusedError, EdgeImpulseResponseError):
            last_modified = None  # an older service does not have this operation
        return cls(project.count_samples("training"), project.count_samples("testing"), last_modified)

    def has_same_samples(self, other: ProjectState) -> bool:
        """Return whether both sets have as many samples as in another state."""
        return (self.training, self.testing) == (other.training, other.testing)

    def differs_from(self, earlier: ProjectState) -> bool:
        """Return whether the number of samples has changed, or the time of the last change, if both states have it."""
        times = (self.last_modified, earlier.last_modified)
        return not self.has_same_samples(earlier) or (None not in times and times[0] != times[1])

    def after(self, earlier: ProjectState) -> ProjectState:
        """Return this state, with the time of an earlier one if the service did not report it this time."""
        return self if self.last_modified is not None else replace(self, last_modified=earlier.last_modified)


def is_work_of_a_job(last_modified: str | None, jobs: JobsApi) -> bool | None:
    """Return whether a project was modified while one of its jobs was running, and so perhaps by it (``listAllJobs``).

    The DAG that an event starts trains and versions the project, which modifies it, too. Without this distinction, each
    event would lead to the next one.

    :return: None while such a job is active: its end modifies the project once more.
    :raises EdgeImpulseError: when the jobs cannot be listed.
    """
    try:
        when = datetime.fromisoformat(last_modified or "")
    except ValueError:
        return False
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    possible = [
        job
        for job in jobs.list_jobs(when - _MAX_JOB_TIME)
        if job.created <= when and (job.finished is None or when <= job.finished + _JOB_SLACK)
    ]
    if any(JobStatus.of(job).active for job in possible):
        return None
    return bool(possible)


_S = TypeVar("_S", bound=State)


class ChangeTracker(Generic[_S]):
    """Decides when a change is reported.

    :param quiet_seconds: report a change only after the state has stayed the same for so long.
    :ivar cursor: the state that was reported last; later changes are relative to it.
    """

    def __init__(self, cursor: _S, quiet_seconds: float = 0) -> None:
        self.cursor = cursor
        self._quiet_seconds = quiet_seconds
        self._pending: _S | None = None
        self._since = 0.0

    def see(self, state: _S, now: float) -> bool:
        """Return whether to report the state: it differs from the cursor, and has been quiet long enough.

        :param now: a time in seconds that never goes back.
        """
        if not state.differs_from(self.cursor):
            self._pending = None
            self.cursor = state.after(self.cursor)
            return False
        if self._pending is None or state.differs_from(self._pending):
            self._pending, self._since = state, now
        return now - self._since >= self._quiet_seconds

    def move_to(self, state: _S) -> None:
        """Make a state the new cursor."""
        self.cursor, self._pending = state.after(self.cursor), None
