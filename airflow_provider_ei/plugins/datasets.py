"""Puts together what the page shows: the datasets that tasks have written to, their runs, and the tasks that failed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy.orm import Session

from airflow_provider_ei.operators.run_report import DRY_RUN, SHARD, SYNC, UPLOAD
from airflow_provider_ei.plugins import task_history
from airflow_provider_ei.plugins.permissions import dags_with_readable_xcoms, readable_dags
from airflow_provider_ei.plugins.stored_values import Head, read_head
from airflow_provider_ei.plugins.task_history import (
    FAILED_STATES,
    MAX_RUN_REPORTS,
    RUNNING_STATES,
    Reported,
    RunReports,
    States,
    TaskKey,
    TaskRecord,
)
from airflow_provider_ei.results import Counts

#: Datasets of a page, runs of a dataset, and failed and running tasks.
MAX_DATASETS = 10
MAX_RUNS = 20
MAX_FAILED = 20
MAX_RUNNING = 50

#: Reports that are summed up for a page; a run has one for each task instance.
MAX_SUMMED = 30_000

_Identity = tuple[int | None, str]


@dataclass
class TaskRun:
    """A task in a DAG run, with all that it is mapped to.

    :ivar instances: task instances.
    :ivar counts: the sum of what they reported; None when nothing was done.
    :ivar seconds: how long it took; None while it runs.
    :ivar odd: reports with numbers that could not be read.
    :ivar failed: the first instance that failed.
    :ivar is_part: whether it is a finished part of a sync, whose numbers that sync's last task has, too.
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
        """Whether it, or any of what it is mapped to, failed."""
        return self.state in FAILED_STATES


@dataclass
class Dataset:
    """A dataset that this Airflow has written to.

    :ivar runs: newest first.
    """

    organization_id: int | None
    name: str
    url: str | None = None
    runs: list[TaskRun] = field(default_factory=list)

    @property
    def newest(self) -> TaskRun:
        """The newest run, whatever became of it."""
        return self.runs[0]

    @property
    def last_done(self) -> TaskRun | None:
        """The newest run that has reported numbers, and has not only tried."""
        return next((run for run in self.runs if run.counts and run.kind != DRY_RUN), None)


@dataclass(frozen=True)
class FailedTask:
    """A task that has failed, with all that it is mapped to.

    :ivar first: its first instance that failed.
    :ivar failed: how many failed.
    :ivar target: the dataset that it was to write to, if that is known.
    """

    first: TaskRecord
    failed: int
    instances: int
    when: datetime | None
    target: str | None


@dataclass(frozen=True)
class Overview:
    """What the page shows.

    :ivar datasets: the most lately written ones first, without the ``skipped`` ones.
    :ivar total: of all datasets.
    :ivar oldest: since when tasks were looked at, when there are so many that not all of them were.
    :ivar failed: newest first; ``is_failed_cut`` when there are more.
    :ivar unreadable: reports that cannot be read, by their DAG.
    """

    datasets: Sequence[Dataset]
    skipped: int
    total: int
    oldest: datetime | None
    failed: Sequence[FailedTask]
    is_failed_cut: bool
    unreadable: Mapping[str, int]


@dataclass
class _Found:
    """A dataset, and how many reports its newest runs have left."""

    runs: dict[TaskKey, int] = field(default_factory=dict)
    is_written: bool = False


def read_overview(session: Session, user: Any, since: datetime, skip: int = 0) -> Overview:
    """Read what the page shows to a user.

    :param skip: datasets that an earlier page has shown.
    """
    readable = readable_dags(user)
    left = task_history.run_reports(session, readable, since)
    dag_ids = {one.key.dag_id for one in left} | task_history.dags_without_reports(session, readable, since)
    dag_ids = dags_with_readable_xcoms(user, dag_ids, session)
    found, unreadable = _group(one for one in left if one.key.dag_id in dag_ids)
    shown = dict(list(found.items())[skip : skip + MAX_DATASETS])
    runs = task_history.reported(session, _to_be_summed(list(shown.values())))
    failed = task_history.unfinished(session, dag_ids, FAILED_STATES, since, MAX_FAILED + 1)
    running = task_history.unfinished(session, dag_ids, RUNNING_STATES, since, MAX_RUNNING)
    states = task_history.states(session, {run.key for run in runs} | {key.task for key in (*failed, *running)})
    records = task_history.task_records(session, [*failed, *running])
    datasets = {identity: Dataset(*identity) for identity in shown}
    for run in runs:
        _add_reported(datasets, run, states.get(run.key))
    homes = {(run.key.dag_id, run.key.task_id): one for one in datasets.values() for run in reversed(one.runs)}
    for record in records.values():
        home = homes.get((record.key.dag_id, record.key.task_id))
        dataset = _dataset_of(record, datasets, home)
        if dataset and record.key.task in states:
            _add_unreported(dataset, record, states[record.key.task])
    _finish(session, datasets.values(), states)
    return Overview(
        datasets=[one for one in datasets.values() if one.runs],
        skipped=skip,
        total=len(found),
        oldest=left[-1].when if len(left) == MAX_RUN_REPORTS else None,
        failed=[
            _failed_task(records[key], states[key.task], homes)
            for key in failed[:MAX_FAILED]
            if key in records and key.task in states  # it may be gone since
        ],
        is_failed_cut=len(failed) > MAX_FAILED,
        unreadable=unreadable,
    )


def _group(left: Iterable[RunReports]) -> tuple[dict[_Identity, _Found], Counter[str]]:
    """Put what tasks have reported of one dataset together, and leave out what no task has written to."""
    found: dict[_Identity, _Found] = {}
    unreadable: Counter[str] = Counter()
    read = cache(read_head)
    for one in left:
        if (head := read(one.head)) is None:
            unreadable[one.key.dag_id] += one.reports
            continue
        dataset = found.setdefault((head.organization_id, head.dataset), _Found())
        dataset.is_written = dataset.is_written or head.has_written
        if one.key in dataset.runs or len(dataset.runs) < MAX_RUNS:
            dataset.runs[one.key] = dataset.runs.get(one.key, 0) + one.reports
    return {identity: one for identity, one in found.items() if one.is_written}, unreadable


def _to_be_summed(datasets: Sequence[_Found]) -> set[TaskKey]:
    """Return the runs that are summed up: of each dataset the newest, then the others while it costs little."""
    keys: set[TaskKey] = set()
    reports = 0
    for place in range(MAX_RUNS):
        for dataset in datasets:
            for key, count in list(dataset.runs.items())[place : place + 1]:
                reports += count
                if place == 0 or reports <= MAX_SUMMED:
                    keys.add(key)
    return keys


def _add_reported(datasets: Mapping[_Identity, Dataset], reported: Reported, states: States | None) -> None:
    head = read_head(reported.head)
    dataset = datasets.get((head.organization_id, head.dataset)) if head else None
    if head is None or dataset is None or states is None:
        return
    run = _run(reported.key, states, kind=_kind(head, states))
    run.is_part = head.kind == SHARD and run.state in ("success", "skipped")
    dataset.url = dataset.url or head.url
    same = next((one for one in dataset.runs if one.key == run.key), None)
    if same is None:
        run.when = max(filter(None, (run.when, reported.when)))
        dataset.runs.append(same := run)
    same.odd += reported.odd
    if head.has_written or not run.has_failed:
        same.counts = (same.counts or Counts()) + reported.counts
    if same.counts and same.counts.seconds and not same.is_mapped:
        same.seconds = same.counts.seconds


def _add_unreported(dataset: Dataset, record: TaskRecord, states: States) -> None:
    if all(run.key != record.key.task for run in dataset.runs):
        kind = UPLOAD if "AddData" in (record.operator or "") else SYNC
        dataset.runs.append(_run(record.key.task, states, kind=kind))


def _dataset_of(record: TaskRecord, datasets: Mapping[_Identity, Dataset], home: Dataset | None) -> Dataset | None:
    """Return the dataset of a task that has reported nothing of it: by its argument, or by its earlier runs."""
    name, organization_id = _target(record)
    if name is None:
        return home
    if organization_id is not None:
        return datasets.get((organization_id, name))
    if home and home.name == name:
        return home
    return next((one for one in datasets.values() if one.name == name), None)


def _target(record: TaskRecord) -> tuple[str | None, int | None]:
    """Return the dataset that a task was to write to, and its organization."""
    report = record.report
    in_address = re.search(r"/organization/(\d{1,15})/", record.url or "")
    organization_id = (report.organization_id if report else None) or (int(in_address[1]) if in_address else None)
    return (report.dataset if report else None) or record.dataset, organization_id


def _finish(session: Session, datasets: Iterable[Dataset], states: Mapping[TaskKey, States]) -> None:
    """Sort the runs, and read what the newest ones that failed have reported."""
    failed: dict[TaskKey, list[TaskRun]] = {}
    for dataset in datasets:
        dataset.runs = [run for run in dataset.runs if not run.is_part] or dataset.runs
        dataset.runs.sort(key=lambda run: run.when.timestamp() if run.when else 0, reverse=True)
        del dataset.runs[MAX_RUNS:]
        if dataset.runs and dataset.newest.has_failed:
            run = dataset.newest
            first = states[run.key].first[run.state]
            failed.setdefault(TaskKey(run.key.dag_id, run.key.run_id, run.key.task_id, first), []).append(run)
    for key, record in task_history.task_records(session, failed).items():
        for run in failed[key]:
            run.failed = record


def _run(key: TaskKey, states: States, *, kind: str) -> TaskRun:
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
    """Return the state of a task with all that it is mapped to: what one looks for first."""
    there = set(states)
    for state in FAILED_STATES:
        if state in there:
            return state
    if there - {"success", "skipped", "removed"}:
        return "running"
    return "success" if "success" in there else "skipped"


def _kind(head: Head, states: States) -> str:
    if head.kind in (DRY_RUN, SYNC, UPLOAD):
        return head.kind
    return UPLOAD if "AddData" in (states.operator or "") else SYNC


def _failed_task(first: TaskRecord, states: States, homes: Mapping[tuple[str, str], Dataset]) -> FailedTask:
    home = homes.get((first.key.dag_id, first.key.task_id))
    return FailedTask(
        first=first,
        failed=sum(states.counts.get(state, 0) for state in FAILED_STATES),
        instances=sum(states.counts.values()),
        when=first.ended or first.started,
        target=_target(first)[0] or (home.name if home else None),
    )
