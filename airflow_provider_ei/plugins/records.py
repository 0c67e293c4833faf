"""Reads what tasks of ours have done from Airflow's own database: a bounded number of rows, in one query each.

Each operator here leaves an XCom with Studio's address as soon as it begins (``operators/links.py``). That is what
tasks are found by: the database has an index of XComs' names, and none of operators' names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.renderedtifields import RenderedTaskInstanceFields as Rendered
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, null, or_, select
from sqlalchemy.orm import Session, aliased

from airflow_provider_ei.operators.results import FIELDS, Result, read_result

#: Rows of one query.
MOST_WORKS = 2000
MOST_FAILURES = 50

#: Under which an operator keeps Studio's address; the same as ``EdgeImpulseDatasetLink.xcom_key``.
LINK_KEY = "edge_impulse_studio_url"

#: As Airflow's database knows our operators. A task that failed before it could leave an address is found by them.
PARTS_OF_A_SYNC = ("PlanShardsOperator", "SyncShardOperator")
OPERATORS = (
    "EdgeImpulseAddDataOperator",
    "EdgeImpulseSyncDatasetOperator",
    "FinishSyncOperator",
    "_AddDataDecoratedOperator",
    *PARTS_OF_A_SYNC,
)

FAILED_STATES = ("failed", "up_for_retry")


@dataclass(frozen=True)
class TaskKey:
    """Which task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True)
class Work:
    """A task instance of ours.

    :ivar label: what Airflow shows in the place of a mapped task's number.
    :ivar is_ours: whether it is a task of this package at all.
    :ivar has_begun: whether it has got as far as to leave a trace.
    :ivar result: what it has returned; None while it runs, after a failure, and when it was skipped.
    """

    key: TaskKey
    state: str | None
    operator: str | None
    label: str | None
    try_number: int
    started: datetime | None
    ended: datetime | None
    organization_id: int | None
    dataset: str | None
    url: str | None
    is_ours: bool
    has_begun: bool
    result: Result | None

    @property
    def when(self) -> datetime | None:
        """When it ended, or began."""
        return self.ended or self.started


_mark = aliased(XComModel)
_returned = aliased(XComModel)


def works(session: Session, dag_ids: Collection[str], since: datetime, most: int = MOST_WORKS) -> list[Work]:
    """Return the newest tasks that have begun, newest first.

    :param dag_ids: only of these DAGs.
    """
    query = (
        _with_results()
        .where(_mark.timestamp >= since, _mark.dag_id.in_(dag_ids))
        .order_by(_mark.timestamp.desc())
        .limit(most)
    )
    return _read(session, query)


def failures(session: Session, dag_ids: Collection[str], since: datetime, most: int = MOST_FAILURES) -> list[Work]:
    """Return tasks whose last try has failed, newest first, also those that had not got as far as to leave a trace."""
    query = (
        _with_results(all_tasks=True)
        .where(
            TaskInstance.state.in_(FAILED_STATES),
            TaskInstance.end_date >= since,
            TaskInstance.dag_id.in_(dag_ids),
            or_(TaskInstance.operator.in_(OPERATORS), _mark.key.is_not(None)),
        )
        .order_by(TaskInstance.end_date.desc())
        .limit(most)
    )
    return _read(session, query)


def work_of(session: Session, key: TaskKey) -> Work | None:
    """Return one task instance, of whatever kind it is."""
    query = _with_results(all_tasks=True).where(
        TaskInstance.dag_id == key.dag_id,
        TaskInstance.run_id == key.run_id,
        TaskInstance.task_id == key.task_id,
        TaskInstance.map_index == key.map_index,
    )
    return next(iter(_read(session, query)), None)


def returned_value(session: Session, key: TaskKey) -> Any:
    """Return all that a task instance has returned, names included."""
    return session.scalar(
        select(XComModel.value).where(
            XComModel.key == "return_value",
            XComModel.dag_id == key.dag_id,
            XComModel.task_id == key.task_id,
            XComModel.run_id == key.run_id,
            XComModel.map_index == key.map_index,
        )
    )


def _with_results(*, all_tasks: bool = False) -> Select[Any]:
    """Select task instances with what they have left; with ``all_tasks`` also those that have left nothing."""
    value = _returned.value
    columns: list[Any] = [
        TaskInstance.dag_id,
        TaskInstance.run_id,
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance.state,
        TaskInstance.operator,
        TaskInstance._rendered_map_index.label("label"),
        TaskInstance.try_number,
        TaskInstance.start_date,
        TaskInstance.end_date,
        _mark.key.label("mark"),
        _mark.value.label("mark_url"),
        Rendered.rendered_fields["dataset"].as_string().label("rendered_dataset"),
        *(value[name].label(f"returned_{name}") for name in FIELDS),
        # Several uploads of one task: a list, which has no fields.
        case((value["dataset"].as_string().is_(None), value), else_=null()).label("returned"),
    ]
    return (
        select(*columns)
        .select_from(TaskInstance)
        .join(_mark, and_(*_same_task(_mark), _mark.key == LINK_KEY), isouter=all_tasks)
        .join(_returned, and_(*_same_task(_returned), _returned.key == "return_value"), isouter=True)
        .join(Rendered, and_(*_same_task(Rendered)), isouter=True)
    )


def _same_task(other: Any) -> Sequence[ColumnElement[bool]]:
    names = ("dag_id", "run_id", "task_id", "map_index")
    return [getattr(other, name) == getattr(TaskInstance, name) for name in names]


def _read(session: Session, query: Select[Any]) -> list[Work]:
    return [_work(row) for row in session.execute(query).mappings()]


def _work(row: RowMapping) -> Work:
    result = read_result({name: row[f"returned_{name}"] for name in FIELDS}) or read_result(row["returned"])
    url = _web_address(row["mark_url"]) or _web_address(result.url if result else None)
    return Work(
        key=TaskKey(row["dag_id"], row["run_id"], row["task_id"], row["map_index"]),
        state=row["state"],
        operator=row["operator"],
        label=row["label"],
        try_number=row["try_number"] or 0,
        started=row["start_date"],
        ended=row["end_date"],
        organization_id=(result.organization_id if result else None) or _organization_of(url),
        dataset=result.dataset if result else row["rendered_dataset"],
        url=url,
        is_ours=row["mark"] is not None or row["operator"] in OPERATORS,
        has_begun=row["mark"] is not None,
        result=result,
    )


def _web_address(value: object) -> str | None:
    """Return what may be a link's address: a connection's host can be anything."""
    return value if isinstance(value, str) and re.match(r"https?://", value) else None


def _organization_of(url: str | None) -> int | None:
    found = re.search(r"/organization/(\d{1,18})/", url or "")
    return int(found[1]) if found else None
