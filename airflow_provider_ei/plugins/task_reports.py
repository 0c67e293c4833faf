"""Queries the reports that tasks have left (``operators/run_report.py``), summed up by the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from airflow.models.xcom import XComModel
from sqlalchemy import case, func, or_, select, tuple_
from sqlalchemy.orm import Session

from airflow_provider_ei.operators.run_report import REPORT_KEY
from airflow_provider_ei.plugins import json_sql
from airflow_provider_ei.plugins.task_keys import TaskKey
from airflow_provider_ei.results import NUMBERS, Counts

#: Tasks in DAG runs that are read, the newest ones.
MAX_RUN_REPORTS = 10_000

#: Limit of each sum; a page has no room for more digits.
MAX_SUM = 10**18


@dataclass(frozen=True)
class RunReports:
    """The reports of a task in a DAG run about one dataset.

    :ivar key: the task with all its mapped instances.
    :ivar head: dataset, organization and ``written`` as stored; None for reports that cannot be read.
    :ivar reports: number of reports.
    """

    key: TaskKey
    head: str | None
    reports: int
    when: datetime


@dataclass(frozen=True)
class ReportedRun:
    """The sums of what a task reported in a DAG run, over all its mapped instances.

    :ivar head: dataset, organization, ``written``, kind and URL as stored.
    :ivar odd: number of reports in which a number is invalid or out of range.
    """

    key: TaskKey
    head: str
    when: datetime
    counts: Counts
    odd: int


_value = XComModel.value
# Guarded, because SQLite fails the query at malformed JSON.
_stored_head = case((json_sql.is_readable(_value), json_sql.array(_value, "dataset", "organization_id", "written")))


def run_reports(session: Session, dag_ids: Collection[str], since: datetime) -> list[RunReports]:
    """Return which tasks left reports, and about which datasets, newest first."""
    task, when = (XComModel.dag_id, XComModel.run_id, XComModel.task_id), func.max(XComModel.timestamp).label("when")
    query = (
        select(*task, _stored_head.label("head"), func.count(), when)
        .where(XComModel.key == REPORT_KEY, XComModel.timestamp >= since, XComModel.dag_id.in_(dag_ids))
        .group_by(*task, "head")
        .order_by(when.desc())
        .limit(MAX_RUN_REPORTS)
    )
    return [RunReports(TaskKey(*row[:3]), *row[3:]) for row in session.execute(query)]


def sum_reports(session: Session, keys: Iterable[TaskKey]) -> list[ReportedRun]:
    """Return the sums of the tasks' reports, over all mapped instances."""
    wanted = [(key.dag_id, key.run_id, key.task_id) for key in keys]
    if not wanted:
        return []
    head = json_sql.array(_value, "dataset", "organization_id", "written", "kind", "url").label("head")
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
            ReportedRun(
                key=TaskKey(row["dag_id"], row["run_id"], row["task_id"]),
                head=row["head"],
                when=row["when"],
                counts=Counts.read({one: float(row[f"sum_{one}"] or 0) for one in NUMBERS}, limit=MAX_SUM),
                odd=int(row["odd"] or 0),
            )
        )
    return runs
