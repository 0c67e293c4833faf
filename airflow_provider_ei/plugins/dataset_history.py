"""A dataset with its runs, as the page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airflow_provider_ei.operators.run_report import DRY_RUN, SHARD, SYNC, UPLOAD
from airflow_provider_ei.plugins.stored_values import Head
from airflow_provider_ei.plugins.task_instances import FAILED_STATES, States, TaskRecord
from airflow_provider_ei.plugins.task_keys import TaskKey
from airflow_provider_ei.plugins.task_reports import ReportedRun
from airflow_provider_ei.results import Counts

#: Runs of a dataset.
MAX_RUNS = 20


@dataclass
class TaskRun:
    """A task in a DAG run, with all its mapped instances.

    :ivar instances: number of task instances.
    :ivar counts: the sum of what they reported; None when nothing was done.
    :ivar seconds: how long it took; None while it runs.
    :ivar odd: number of reports with numbers that could not be read.
    :ivar failed: the first instance that failed.
    :ivar is_part: whether it is a finished shard of a sync; the sync's last task reports its numbers, too.
    """

    key: TaskKey
    kind: str
    state: str
    when: datetime | None
    is_mapped: bool = False
    instances: int = 1
    counts: Counts | None = None
    seconds: float | None = None
    odd: int = 0
    failed: TaskRecord | None = None
    is_part: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether the task or one of its mapped instances failed."""
        return self.state in FAILED_STATES


@dataclass
class DatasetHistory:
    """A dataset that this Airflow has written to, with its runs, newest first."""

    organization_id: int | None
    name: str
    url: str | None = None
    runs: list[TaskRun] = field(default_factory=list)

    @property
    def newest(self) -> TaskRun:
        """The newest run, whatever its state."""
        return self.runs[0]

    @property
    def last_done(self) -> TaskRun | None:
        """The newest run that reported numbers and was not a dry run."""
        return next((run for run in self.runs if run.counts and run.kind != DRY_RUN), None)

    def add_reported(self, reported: ReportedRun, head: Head, states: States) -> None:
        """Add the run of a task that left a report."""
        run = task_run(reported.key, states, kind=_kind(head.kind, states.operator))
        run.is_part = head.kind == SHARD and run.state in ("success", "skipped")
        self.url = self.url or head.url
        same = next((one for one in self.runs if one.key == run.key), None)
        if same is None:
            run.when = max(filter(None, (run.when, reported.when)))
            self.runs.append(same := run)
        same.odd += reported.odd
        if head.has_written or not run.has_failed:
            same.counts = (same.counts or Counts()) + reported.counts
        if same.counts and same.counts.seconds and not same.is_mapped:
            same.seconds = same.counts.seconds

    def add_unreported(self, record: TaskRecord, states: States) -> None:
        """Add the run of a task that left no report about this dataset, unless the run is known."""
        if all(run.key != record.key.task for run in self.runs):
            self.runs.append(task_run(record.key.task, states, kind=_kind(None, record.operator)))

    def sort_runs(self) -> None:
        """Sort the runs, newest first, and drop shards that a whole sync covers and the runs beyond the limit."""
        self.runs = [run for run in self.runs if not run.is_part] or self.runs
        self.runs.sort(key=lambda run: run.when.timestamp() if run.when else 0, reverse=True)
        del self.runs[MAX_RUNS:]


def task_run(key: TaskKey, states: States, *, kind: str) -> TaskRun:
    """Return a run as the states of its task instances describe it."""
    ended = states.ended if states.all_ended else None
    seconds = max(ended - states.started, timedelta()).total_seconds() if ended and states.started else None
    return TaskRun(
        key=key,
        kind=kind,
        state=worst_state(states.counts),
        when=states.ended or states.started,
        is_mapped=max(states.first.values()) >= 0,
        instances=sum(states.counts.values()),
        seconds=seconds,
    )


def worst_state(states: Iterable[str | None]) -> str:
    """Return the state of a task from those of its mapped instances: failed before running before done."""
    present = set(states)
    for state in FAILED_STATES:
        if state in present:
            return state
    if present - {"success", "skipped", "removed"}:
        return "running"
    return "success" if "success" in present else "skipped"


def _kind(reported: str | None, operator: str | None) -> str:
    if reported in (DRY_RUN, SYNC, UPLOAD):
        return reported
    return UPLOAD if "AddData" in (operator or "") else SYNC
