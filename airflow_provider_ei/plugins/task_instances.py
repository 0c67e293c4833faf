"""Queries the state of task instances, their reports and their arguments: few rows, no values of unbounded size.

Tasks are found by their reports (``task_reports.py``). The state and the arguments matter where a task has left no
report, because it is still running or was killed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow.models.renderedtifields import RenderedTaskInstanceFields as Rendered
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import ColumnElement, Select, Text, and_, cast, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from airflow_provider_ei.operators.model_report import MODEL_REPORT_KEY
from airflow_provider_ei.operators.run_report import MAX_REPORT_BYTES, REPORT_KEY
from airflow_provider_ei.plugins import stored_values
from airflow_provider_ei.plugins.model_reports import ModelReport, read_model_report
from airflow_provider_ei.plugins.task_keys import TaskKey, bounded

#: DAGs that are read although none of their tasks has left a report.
MAX_DAGS = 1000

#: Longest rendered arguments and longest return value that are read, in characters.
MAX_ARGUMENTS_LENGTH = 100_000
MAX_VALUE_LENGTH = 2_000_000

#: XCom with Studio's address; the same as ``EdgeImpulseDatasetLink.xcom_key``.
LINK_KEY = "edge_impulse_studio_url"

#: The same of a job: ``EdgeImpulseJobLink.xcom_key``.
JOB_LINK_KEY = "edge_impulse_job_url"

#: Our operators as Airflow's database names them. They identify tasks that failed before they could push an XCom.
DATASET_OPERATORS = (
    "EdgeImpulseAddDataOperator",
    "EdgeImpulseSyncDatasetOperator",
    "FinishSyncOperator",
    "_AddDataDecoratedOperator",
    "PlanShardsOperator",
    "SyncShardOperator",
)
MODEL_OPERATORS = (
    "EdgeImpulseRetrainOperator",
    "EdgeImpulseTestModelOperator",
    "EdgeImpulseCreateVersionOperator",
    "EdgeImpulseBuildModelOperator",
    "CreateTestedVersionOperator",
    "BuildTestedModelOperator",
)
OPERATORS = (*DATASET_OPERATORS, *MODEL_OPERATORS)

FAILED_STATES = ("failed", "up_for_retry")
RUNNING_STATES = ("running", "deferred", "up_for_reschedule")


@dataclass
class States:
    """The states of a task's instances in a DAG run.

    :ivar counts: number of instances in each state.
    :ivar first: first map index in each state.
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

    :ivar label: what Airflow shows instead of a mapped task's index.
    :ivar is_ours: whether it is a task of this package.
    :ivar url: Studio's address, which the task pushed when it started.
    :ivar report: its report; None when there is none or it cannot be read (``is_unreadable``).
    :ivar model: the report of a job of a project.
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
    model: ModelReport | None
    dataset: str | None

    @property
    def is_of_model(self) -> bool:
        """Whether the task ran a job of a project."""
        return self.model is not None or self.operator in MODEL_OPERATORS

    @property
    def error(self) -> str | None:
        """The first sentence of the error that it failed with, if it has reported one."""
        return (self.report.error if self.report else None) or (self.model.error if self.model else None)


def dags_without_reports(session: Session, dag_ids: Collection[str], since: datetime) -> set[str]:
    """Return the DAGs in which our tasks are running or have failed, with or without a report."""
    query = (
        select(TaskInstance.dag_id)
        .where(TaskInstance.dag_id.in_(dag_ids), TaskInstance.operator.in_(OPERATORS), _is_unfinished(since))
        .distinct()
        .limit(MAX_DAGS)
    )
    return set(session.scalars(query))


def unfinished(
    session: Session, dag_ids: Collection[str], states: Collection[str], since: datetime, limit: int
) -> list[TaskKey]:
    """Return our tasks with an instance in one of the states, newest first; each with its first map index."""
    mark = aliased(XComModel)
    is_ours = or_(
        TaskInstance.operator.in_(OPERATORS),
        exists().where(*_same_task(mark), mark.key.in_((LINK_KEY, REPORT_KEY, MODEL_REPORT_KEY))),
    )
    task = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id)
    query = (
        select(*task, func.min(TaskInstance.map_index))
        .where(TaskInstance.dag_id.in_(dag_ids), TaskInstance.state.in_(states), _is_unfinished(since), is_ours)
        .group_by(*task)
        .order_by(func.max(func.coalesce(TaskInstance.end_date, TaskInstance.start_date)).desc())
        .limit(limit)
    )
    return [TaskKey(*row) for row in session.execute(query)]


def _is_unfinished(since: datetime) -> ColumnElement[bool]:
    return or_(
        and_(TaskInstance.state.in_(FAILED_STATES), TaskInstance.end_date >= since),
        TaskInstance.state.in_(RUNNING_STATES),
    )


def states(session: Session, keys: Iterable[TaskKey]) -> dict[TaskKey, States]:
    """Return the states of tasks, over all mapped instances."""
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
    """Return task instances of any operator."""
    task = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
    wanted = [(key.dag_id, key.run_id, key.task_id, key.map_index) for key in keys]
    rows = session.execute(_select_records().where(tuple_(*task).in_(wanted))) if wanted else ()
    return {record.key: record for row in rows if (record := _record(row))}


def returned_value(session: Session, key: TaskKey) -> stored_values.Value:
    """Return the whole return value of a task instance, with names."""
    query = select(bounded(XComModel.value, MAX_VALUE_LENGTH), func.length(cast(XComModel.value, Text))).where(
        XComModel.key == "return_value",
        XComModel.dag_id == key.dag_id,
        XComModel.task_id == key.task_id,
        XComModel.run_id == key.run_id,
        XComModel.map_index == key.map_index,
    )
    text, size = session.execute(query).first() or (None, 0)
    return stored_values.read_value(text, size or 0)


def _select_records() -> Select[Any]:
    mark, report, model, job = (aliased(XComModel) for _ in range(4))
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
        bounded(mark.value, stored_values.MAX_URL_LENGTH),
        report.key,
        bounded(report.value, MAX_REPORT_BYTES),
        bounded(model.value, MAX_REPORT_BYTES),
        bounded(job.value, stored_values.MAX_URL_LENGTH),
        bounded(Rendered.rendered_fields, MAX_ARGUMENTS_LENGTH),
    ]
    return (
        select(*columns)
        .select_from(TaskInstance)
        .join(mark, and_(*_same_task(mark), mark.key == LINK_KEY), isouter=True)
        .join(report, and_(*_same_task(report), report.key == REPORT_KEY), isouter=True)
        .join(model, and_(*_same_task(model), model.key == MODEL_REPORT_KEY), isouter=True)
        .join(job, and_(*_same_task(job), job.key == JOB_LINK_KEY), isouter=True)
        .join(Rendered, and_(*_same_task(Rendered)), isouter=True)
    )


def _record(row: Any) -> TaskRecord:
    state, operator, label, try_number, started, ended, mark, url, reported, report, model, job_url, arguments = row[4:]
    read, read_model = stored_values.read_report(report), read_model_report(model)
    return TaskRecord(
        key=TaskKey(*row[:4]),
        state=state,
        operator=operator,
        label=label,
        try_number=try_number or 0,
        started=started,
        ended=ended,
        url=stored_values.read_url(url) or (read.url if read else None) or stored_values.read_url(job_url),
        is_ours=mark is not None or reported is not None or read_model is not None or operator in OPERATORS,
        report=read,
        is_unreadable=reported is not None and read is None,
        model=read_model,
        dataset=stored_values.read_argument(arguments, "dataset"),
    )


def _same_task(other: Any) -> list[ColumnElement[bool]]:
    names = ("dag_id", "run_id", "task_id", "map_index")
    return [getattr(other, name) == getattr(TaskInstance, name) for name in names]
