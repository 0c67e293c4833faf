"""Collects what the page shows: the datasets that tasks have written to, their runs, and the tasks that failed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy.orm import Session

from airflow_provider_ei.plugins import task_instances, task_reports
from airflow_provider_ei.plugins.dataset_history import MAX_RUNS, DatasetHistory, TaskRun
from airflow_provider_ei.plugins.model_history import ModelHistory, group_by_project
from airflow_provider_ei.plugins.model_reports import MAX_MODEL_REPORTS, reported_jobs
from airflow_provider_ei.plugins.permissions import dags_with_readable_xcoms, readable_dags
from airflow_provider_ei.plugins.stored_values import read_head
from airflow_provider_ei.plugins.task_instances import FAILED_STATES, RUNNING_STATES, States, TaskRecord
from airflow_provider_ei.plugins.task_keys import TaskKey
from airflow_provider_ei.plugins.task_reports import MAX_RUN_REPORTS, ReportedRun, RunReports

#: Datasets on a page, projects, and failed and running tasks.
MAX_DATASETS = 10
MAX_MODELS = 10
MAX_FAILED = 20
MAX_RUNNING = 50

#: Reports that are added up for a page; a run has one for each task instance.
MAX_SUMMED = 30_000

_Identity = tuple[int | None, str]


@dataclass(frozen=True)
class FailedTask:
    """A task that failed, with all its mapped instances.

    :ivar first: its first instance that failed.
    :ivar failed: number of instances that failed.
    :ivar target: the dataset that it was to write to, or the project whose job it was to run, if known.
    """

    first: TaskRecord
    failed: int
    instances: int
    when: datetime | None
    target: str | None


@dataclass(frozen=True)
class Overview:
    """What the page shows.

    :ivar datasets: most recently written first, without the ``skipped`` ones.
    :ivar total: number of all datasets.
    :ivar models: projects, the one with the newest job first; ``model_count`` counts all.
    :ivar models_since: since when jobs were read, if there were too many to read all.
    :ivar oldest: since when tasks were read, if there were too many to read all.
    :ivar failed: newest first; ``is_failed_cut`` when there are more.
    :ivar unreadable: number of reports that cannot be read, by DAG.
    """

    datasets: Sequence[DatasetHistory]
    skipped: int
    total: int
    models: Sequence[ModelHistory]
    model_count: int
    models_since: datetime | None
    oldest: datetime | None
    failed: Sequence[FailedTask]
    is_failed_cut: bool
    unreadable: Mapping[str, int]


@dataclass
class _FoundDataset:
    """A dataset, and the number of reports of each of its newest runs."""

    runs: dict[TaskKey, int] = field(default_factory=dict)
    is_written: bool = False


def read_overview(session: Session, user: Any, since: datetime, skip: int = 0) -> Overview:
    """Read what the page shows to a user.

    :param skip: number of datasets that earlier pages have shown.
    """
    readable = readable_dags(user)
    reports = task_reports.run_reports(session, readable, since)
    jobs = reported_jobs(session, readable, since)
    dag_ids = {one.key.dag_id for one in reports} | {one.key.dag_id for one in jobs}
    dag_ids |= task_instances.dags_without_reports(session, readable, since)
    dag_ids = dags_with_readable_xcoms(user, dag_ids, session)
    models = group_by_project(one for one in jobs if one.key.dag_id in dag_ids)
    found, unreadable = _group_by_dataset(one for one in reports if one.key.dag_id in dag_ids)
    shown = dict(list(found.items())[skip : skip + MAX_DATASETS])
    runs = task_reports.sum_reports(session, _runs_to_sum(list(shown.values())))
    failed = task_instances.unfinished(session, dag_ids, FAILED_STATES, since, MAX_FAILED + 1)
    running = task_instances.unfinished(session, dag_ids, RUNNING_STATES, since, MAX_RUNNING)
    states = task_instances.states(session, {run.key for run in runs} | {key.task for key in (*failed, *running)})
    records = task_instances.task_records(session, [*failed, *running])
    datasets = {identity: DatasetHistory(*identity) for identity in shown}
    for run in runs:
        _add_reported(datasets, run, states.get(run.key))
    homes = {(run.key.dag_id, run.key.task_id): one for one in datasets.values() for run in reversed(one.runs)}
    for record in records.values():
        home = homes.get((record.key.dag_id, record.key.task_id))
        dataset = _dataset_of(record, datasets, home)
        if dataset and record.key.task in states:
            dataset.add_unreported(record, states[record.key.task])
    for dataset in datasets.values():
        dataset.sort_runs()
    _read_failures(session, datasets.values(), states)
    return Overview(
        datasets=[one for one in datasets.values() if one.runs],
        skipped=skip,
        total=len(found),
        models=models[:MAX_MODELS],
        model_count=len(models),
        models_since=jobs[-1].when if len(jobs) == MAX_MODEL_REPORTS else None,
        oldest=reports[-1].when if len(reports) == MAX_RUN_REPORTS else None,
        failed=[
            _failed_task(records[key], states[key.task], homes)
            for key in failed[:MAX_FAILED]
            if key in records and key.task in states  # it may have been deleted between two queries
        ],
        is_failed_cut=len(failed) > MAX_FAILED,
        unreadable=unreadable,
    )


def _group_by_dataset(reports: Iterable[RunReports]) -> tuple[dict[_Identity, _FoundDataset], Counter[str]]:
    """Group reports by dataset, without the datasets that no task has written to."""
    found: dict[_Identity, _FoundDataset] = {}
    unreadable: Counter[str] = Counter()
    read = cache(read_head)
    for one in reports:
        if (head := read(one.head)) is None:
            unreadable[one.key.dag_id] += one.reports
            continue
        dataset = found.setdefault((head.organization_id, head.dataset), _FoundDataset())
        dataset.is_written = dataset.is_written or head.has_written
        if one.key in dataset.runs or len(dataset.runs) < MAX_RUNS:
            dataset.runs[one.key] = dataset.runs.get(one.key, 0) + one.reports
    return {identity: one for identity, one in found.items() if one.is_written}, unreadable


def _runs_to_sum(datasets: Sequence[_FoundDataset]) -> set[TaskKey]:
    """Return the runs to add up: the newest of each dataset, then the others up to ``MAX_SUMMED`` reports."""
    keys: set[TaskKey] = set()
    reports = 0
    for place in range(MAX_RUNS):
        for dataset in datasets:
            for key, count in list(dataset.runs.items())[place : place + 1]:
                reports += count
                if place == 0 or reports <= MAX_SUMMED:
                    keys.add(key)
    return keys


def _add_reported(datasets: Mapping[_Identity, DatasetHistory], reported: ReportedRun, states: States | None) -> None:
    head = read_head(reported.head)
    dataset = datasets.get((head.organization_id, head.dataset)) if head else None
    if head is not None and dataset is not None and states is not None:
        dataset.add_reported(reported, head, states)


def _dataset_of(
    record: TaskRecord, datasets: Mapping[_Identity, DatasetHistory], home: DatasetHistory | None
) -> DatasetHistory | None:
    """Return the dataset of a task without a report: by its argument, or by the task's earlier runs (``home``)."""
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
    in_url = re.search(r"/organization/(\d{1,15})/", record.url or "")
    organization_id = (report.organization_id if report else None) or (int(in_url[1]) if in_url else None)
    return (report.dataset if report else None) or record.dataset, organization_id


def _read_failures(session: Session, datasets: Iterable[DatasetHistory], states: Mapping[TaskKey, States]) -> None:
    """Read the first failed instance of each dataset whose newest run failed."""
    failed: dict[TaskKey, list[TaskRun]] = {}
    for dataset in datasets:
        if dataset.runs and dataset.newest.has_failed:
            run = dataset.newest
            first = states[run.key].first[run.state]
            failed.setdefault(TaskKey(run.key.dag_id, run.key.run_id, run.key.task_id, first), []).append(run)
    for key, record in task_instances.task_records(session, failed).items():
        for run in failed[key]:
            run.failed = record


def _failed_task(first: TaskRecord, states: States, homes: Mapping[tuple[str, str], DatasetHistory]) -> FailedTask:
    home = homes.get((first.key.dag_id, first.key.task_id))
    return FailedTask(
        first=first,
        failed=sum(states.counts.get(state, 0) for state in FAILED_STATES),
        instances=sum(states.counts.values()),
        when=first.ended or first.started,
        target=_target(first)[0] or (home.name if home else None) or _project_of(first),
    )


def _project_of(record: TaskRecord) -> str | None:
    return f"project {record.model.project_id}" if record.model and record.model.project_id else None
