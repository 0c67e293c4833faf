"""Queries the reports that jobs of projects have left (``operators/model_report.py``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.xcom import XComModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_provider_ei.operators.model_report import MODEL_REPORT_KEY
from airflow_provider_ei.operators.run_report import MAX_REPORT_BYTES
from airflow_provider_ei.plugins.stored_values import parse_json, safe_url
from airflow_provider_ei.plugins.task_keys import TaskKey, bounded
from airflow_provider_ei.results import is_number, read_id, read_string

#: Reports that are read, the newest ones. A release leaves four.
MAX_MODEL_REPORTS = 2000


@dataclass(frozen=True)
class ModelReport:
    """The report of a job of a project. What it does not tell, or tells wrongly, is None.

    :ivar kind: as operators name it in ``job_kind``.
    :ivar has_ended: False for a job that the task did not wait for.
    :ivar accuracy: from 0 to 1.
    :ivar accepted: whether the model has reached the limits of its test.
    :ivar path: path or URI of a build's file.
    """

    project_id: int | None
    kind: str | None
    has_ended: bool
    url: str | None
    error: str | None
    accuracy: float | None
    variant: str | None
    samples: int | None
    accepted: bool | None
    min_accuracy: float | None
    version: int | None
    target: str | None
    engine: str | None
    model_type: str | None
    deployment_version: int | None
    path: str | None
    size_bytes: int | None
    sha256: str | None

    @property
    def is_rejected(self) -> bool:
        """Whether a test has not accepted the model."""
        return self.accepted is False

    @property
    def has_succeeded(self) -> bool:
        """Whether the job has done its work."""
        return self.has_ended and self.error is None


@dataclass(frozen=True)
class ReportedJob:
    """A task instance that ran a job.

    :ivar report: None when it cannot be read.
    """

    key: TaskKey
    when: datetime
    report: ModelReport | None


def reported_jobs(session: Session, dag_ids: Collection[str], since: datetime) -> list[ReportedJob]:
    """Return the newest reports of jobs, newest first."""
    query = (
        select(
            XComModel.dag_id,
            XComModel.run_id,
            XComModel.task_id,
            XComModel.map_index,
            XComModel.timestamp,
            bounded(XComModel.value, MAX_REPORT_BYTES),
        )
        .where(XComModel.key == MODEL_REPORT_KEY, XComModel.timestamp >= since, XComModel.dag_id.in_(dag_ids))
        .order_by(XComModel.timestamp.desc())
        .limit(MAX_MODEL_REPORTS)
    )
    return [ReportedJob(TaskKey(*row[:4]), row[4], read_model_report(row[5])) for row in session.execute(query)]


def read_model_report(text: str | None) -> ModelReport | None:
    """Read a report; None when it is not a report or cannot be read."""
    value = parse_json(text)
    if not isinstance(value, Mapping):
        return None
    return ModelReport(
        project_id=read_id(value.get("project_id")),
        kind=read_string(value.get("kind")),
        has_ended=value.get("state") != "started",
        url=safe_url(value.get("url")),
        error=read_string(value.get("error")),
        accuracy=_fraction(value.get("accuracy")),
        variant=read_string(value.get("variant")),
        samples=_count(value.get("samples")),
        accepted=accepted if isinstance(accepted := value.get("accepted"), bool) else None,
        min_accuracy=_fraction(value.get("min_accuracy")),
        version=_count(value.get("version")),
        target=read_string(value.get("target")),
        engine=read_string(value.get("engine")),
        model_type=read_string(value.get("model_type")),
        deployment_version=_count(value.get("deployment_version")),
        path=read_string(value.get("path")),
        size_bytes=_count(value.get("size_bytes")),
        sha256=read_string(value.get("sha256")),
    )


def _fraction(value: Any) -> float | None:
    return float(value) if is_number(value) and value <= 1 else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and is_number(value) else None
