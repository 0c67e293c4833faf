"""Reads from Airflow's own database what tasks of ours have done: few rows, and never a value of unbounded size.

Tasks are found by their reports (``operators/run_report.py``), which the database sums up: it has an index of XComs'
names. Where a task has left no report, because it still runs or was killed, its state and its arguments are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow.models.renderedtifields import RenderedTaskInstanceFields as Rendered
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from airflow_provider_ei.operators.run_report import MAX_REPORT_BYTES, REPORT_KEY
from airflow_provider_ei.plugins import json_sql, stored_values
from airflow_provider_ei.results import NUMBERS, Counts

#: Tasks in DAG runs that are looked at, the newest ones.
MAX_RUN_REPORTS = 10_000

#: DAGs that are looked at although no task in them has left a report.
MAX_DAGS = 1000

#: Characters of a rendered argument list, and of a return value, that are read.
MAX_ARGUMENTS = 100_000
MAX_VALUE = 2_000_000

#: Sums are cut here; no page has room for more digits.
MAX_SUM = 10**18

#: Under which an operator keeps Studio's address; the same as ``EdgeImpulseDatasetLink.xcom_key``.
LINK_KEY = "edge_impulse_studio_url"

#: As Airflow's database knows our operators. A task that failed before it could leave anything is found by them.
OPERATORS = (
    "EdgeImpulseAddDataOperator",
    "EdgeImpulseSyncDatasetOperator",
    "FinishSyncOperator",
    "_AddDataDecoratedOperator",
    "PlanShardsOperator",
    "SyncShardOperator",
)

FAILED_STATES = ("failed", "up_for_retry")
RUNNING_STATES = ("running", "deferred", "up_for_reschedule")


@dataclass(frozen=True)
class TaskKey:
    """A task in a DAG run; with a map index, one of its instances."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @property
    def task(self) -> TaskKey:
        """The task with all that it is mapped to."""
        return TaskKey(self.dag_id, self.run_id, self.task_id)


@dataclass(frozen=True)
class RunReports:
    """The reports that a task has left in a DAG run, of one dataset.

    :ivar key: the task with all that it is mapped to.
    :ivar head: dataset, organization and ``written`` as they are stored; None of reports that cannot be read.
    :ivar reports: how many.
    """

    key: TaskKey
    head: str | None
    reports: int
    when: datetime


@dataclass(frozen=True)
class Reported:
    """What a task has reported in a DAG run, over all that it is mapped to.

    :ivar head: dataset, organization, ``written``, kind and address as they are stored.
    :ivar odd: reports with a number that is none, or out of all bounds.
    """

    key: TaskKey
    head: str
    when: datetime
    counts: Counts
    odd: int


@dataclass
class States:
    """The states of a task's instances in a DAG run.

    :ivar counts: how many are in each state.
    :ivar first: the first map index in each state.
    """

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    operator: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    all_ended: bool = True


@dataclass(frozen=True)
class TaskRecord:
    """A task instance.

    :ivar label: what Airflow shows in the place of a mapped task's number.
    :ivar is_ours: whether it is a task of this package at all.
    :ivar url: Studio's address, which it left when it began.
    :ivar report: what it reported; None when it did not, or when that cannot be read (``is_unreadable``).
    :ivar dataset: its rendered argument.
    """

    key: TaskKey
    state: str | None
    operator: str | None
    label: str | None
    try_number: int
    started: datetime | None
    ended: datetime | None
    url: str | None
    is_ours: bool
    report: stored_values.Report | None
    is_unreadable: bool
    dataset: str | None


_value = XComModel.value
# Guarded, since SQLite ends a query at malformed JSON.
_head = case((json_sql.is_readable(_value), json_sql.texts(_value, "dataset", "organization_id", "written")))


def run_reports(session: Session, dag_ids: Collection[str], since: datetime) -> list[RunReports]:
    """Return what tasks have left reports of, newest first."""
    task, when = (XComModel.dag_id, XComModel.run_id, XComModel.task_id), func.max(XComModel.timestamp).label("when")
    query = (
        select(*task, _head.label("head"), func.count(), when)
        .where(XComModel.key == REPORT_KEY, XComModel.timestamp >= since, XComModel.dag_id.in_(dag_ids))
        .group_by(*task, "head")
        .order_by(when.desc())
        .limit(MAX_RUN_REPORTS)
    )
    return [RunReports(TaskKey(*row[:3]), *row[3:]) for row in session.execute(query)]


def reported(session: Session, keys: Iterable[TaskKey]) -> list[Reported]:
    """Return the sums of what tasks have reported, over all that they are mapped to."""
    wanted = [(key.dag_id, key.run_id, key.task_id) for key in keys]
    if not wanted:
        return []
    head = json_sql.texts(_value, "dataset", "organization_id", "written", "kind", "url").label("head")
    numbers = {one: func.sum(json_sql.number(_value, one)).label(f"sum_{one}") for one in NUMBERS}
    has_odd = or_(*(json_sql.is_odd(_value, one) for one in NUMBERS))
    odd = func.sum(case((has_odd, 1), else_=0)).label("odd")
    when = func.max(XComModel.timestamp).label("when")
    task = (XComModel.dag_id, XComModel.run_id, XComModel.task_id)
    query = (
        select(*task, head, when, odd, *numbers.values())
        .where(XComModel.key == REPORT_KEY, tuple_(*task).in_(wanted), json_sql.is_readable(_value))
        .group_by(*task, "head")
        .order_by(when.desc())
    )
    runs = []
    for row in session.execute(query).mappings():
        runs.append(
            Reported(
                key=TaskKey(row["dag_id"], row["run_id"], row["task_id"]),
                head=row["head"],
                when=row["when"],
                counts=Counts.read({one: float(row[f"sum_{one}"] or 0) for one in NUMBERS}, limit=MAX_SUM),
                odd=int(row["odd"] or 0),
            )
        )
    return runs


def dags_without_reports(session: Session, dag_ids: Collection[str], since: datetime) -> set[str]:
    """Return the DAGs whose tasks of ours run or have failed, whether or not they have left a report."""
    query = (
        select(TaskInstance.dag_id)
        .where(TaskInstance.dag_id.in_(dag_ids), TaskInstance.operator.in_(OPERATORS), _is_unfinished(since))
        .distinct()
        .limit(MAX_DAGS)
    )
    return set(session.scalars(query))


def unfinished(
    session: Session, dag_ids: Collection[str], states: Collection[str], since: datetime, most: int
) -> list[TaskKey]:
    """Return tasks of ours with an instance in one of the states, newest first; the map index is that of the first."""
    mark = aliased(XComModel)
    is_ours = or_(
        TaskInstance.operator.in_(OPERATORS),
        exists().where(*_same_task(mark), mark.key.in_((LINK_KEY, REPORT_KEY))),
    )
    task = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id)
    query = (
        select(*task, func.min(TaskInstance.map_index))
        .where(TaskInstance.dag_id.in_(dag_ids), TaskInstance.state.in_(states), _is_unfinished(since), is_ours)
        .group_by(*task)
        .order_by(func.max(func.coalesce(TaskInstance.end_date, TaskInstance.start_date)).desc())
        .limit(most)
    )
    return [TaskKey(*row) for row in session.execute(query)]


def _is_unfinished(since: datetime) -> ColumnElement[bool]:
    return or_(
        and_(TaskInstance.state.in_(FAILED_STATES), TaskInstance.end_date >= since),
        TaskInstance.state.in_(RUNNING_STATES),
    )


def states(session: Session, keys: Iterable[TaskKey]) -> dict[TaskKey, States]:
    """Return the states of tasks, over all that they are mapped to."""
    task = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id)
    query = (
        select(
            *task,
            TaskInstance.state,
            func.count(),
            func.min(TaskInstance.map_index),
            func.max(TaskInstance.operator),
            func.min(TaskInstance.start_date),
            func.max(TaskInstance.end_date),
            func.count(TaskInstance.end_date),
        )
        .where(tuple_(*task).in_([(key.dag_id, key.run_id, key.task_id) for key in keys]))
        .group_by(*task, TaskInstance.state)
    )
    found: dict[TaskKey, States] = {}
    for dag_id, run_id, task_id, state, count, first, operator, started, ended, with_end in session.execute(query):
        one = found.setdefault(TaskKey(dag_id, run_id, task_id), States())
        one.counts[state or "none"] = count
        one.first[state or "none"] = first
        one.operator = operator
        one.started = min(filter(None, (one.started, started)), default=None)
        one.ended = max(filter(None, (one.ended, ended)), default=None)
        one.all_ended = one.all_ended and with_end == count
    return found


def task_records(session: Session, keys: Iterable[TaskKey]) -> dict[TaskKey, TaskRecord]:
    """Return task instances, of whatever kind they are."""
    task = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
    wanted = [(key.dag_id, key.run_id, key.task_id, key.map_index) for key in keys]
    rows = session.execute(_select_records().where(tuple_(*task).in_(wanted))) if wanted else ()
    return {record.key: record for row in rows if (record := _record(row))}


def returned_value(session: Session, key: TaskKey) -> stored_values.Value:
    """Return all that a task instance has returned, names included."""
    query = select(_bounded(_value, MAX_VALUE), func.length(cast(_value, Text))).where(
        XComModel.key == "return_value",
        XComModel.dag_id == key.dag_id,
        XComModel.task_id == key.task_id,
        XComModel.run_id == key.run_id,
        XComModel.map_index == key.map_index,
    )
    text, size = session.execute(query).first() or (None, 0)
    return stored_values.read_value(text, size or 0)


def _select_records() -> Select[Any]:
    mark, report = aliased(XComModel), aliased(XComModel)
    columns: list[Any] = [
        TaskInstance.dag_id,
        TaskInstance.run_id,
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance.state,
        TaskInstance.operator,
        TaskInstance._rendered_map_index,
        TaskInstance.try_number,
        TaskInstance.start_date,
        TaskInstance.end_date,
        mark.key,
        _bounded(mark.value, stored_values.MAX_URL_TEXT),
        report.key,
        _bounded(report.value, MAX_REPORT_BYTES),
        _bounded(Rendered.rendered_fields, MAX_ARGUMENTS),
    ]
    return (
        select(*columns)
        .select_from(TaskInstance)
        .join(mark, and_(*_same_task(mark), mark.key == LINK_KEY), isouter=True)
        .join(report, and_(*_same_task(report), report.key == REPORT_KEY), isouter=True)
        .join(Rendered, and_(*_same_task(Rendered)), isouter=True)
    )


def _record(row: Any) -> TaskRecord:
    state, operator, label, try_number, started, ended, mark, url, reported, report, arguments = row[4:]
    read = stored_values.read_report(report)
    return TaskRecord(
        key=TaskKey(*row[:4]),
        state=state,
        operator=operator,
        label=label,
        try_number=try_number or 0,
        started=started,
        ended=ended,
        url=stored_values.read_url(url) or (read.url if read else None),
        is_ours=mark is not None or reported is not None or operator in OPERATORS,
        report=read,
        is_unreadable=reported is not None and read is None,
        dataset=stored_values.read_argument(arguments, "dataset"),
    )


def _bounded(value: Any, most: int) -> ColumnElement[str | None]:
    """Select a JSON value as it is stored, unless it is large: what is not read cannot fail to be decoded."""
    text = cast(value, Text)
    return case((func.length(text) <= most, text))


def _same_task(other: Any) -> list[ColumnElement[bool]]:
    names = ("dag_id", "run_id", "task_id", "map_index")
    return [getattr(other, name) == getattr(TaskInstance, name) for name in names]
