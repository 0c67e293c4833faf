"""The web application of the page and the tab. Read-only, and limited to what the user may read in Airflow."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, Query, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from airflow_provider_ei.operators.run_report import DRY_RUN
from airflow_provider_ei.plugins import formatting
from airflow_provider_ei.plugins.chart import Bar, Point, draw, draw_accuracy
from airflow_provider_ei.plugins.dataset_history import MAX_RUNS, DatasetHistory
from airflow_provider_ei.plugins.details import read_details
from airflow_provider_ei.plugins.model_history import KIND_NAMES, ModelHistory
from airflow_provider_ei.plugins.overview import read_overview
from airflow_provider_ei.plugins.permissions import ENTITIES
from airflow_provider_ei.plugins.task_instances import FAILED_STATES, TaskRecord, returned_value, task_records
from airflow_provider_ei.plugins.task_keys import TaskKey
from airflow_provider_ei.results import ITEM_OUTCOMES

DAYS = 30
#: Limits of what is shown: names in a list, and runs in a table.
MAX_SHOWN_NAMES = 50
MAX_ROWS = 8

#: Numbers that are always shown; the others only when they are not 0.
ALWAYS_SHOWN = ["created", "updated", "unchanged", "deleted", "failed"]

_TEMPLATES = Path(__file__).with_name("templates")


def create_app() -> FastAPI:
    """Return the application. All its routes require permission to read task instances and XComs."""
    app = FastAPI(
        title="Edge Impulse",
        # These routes would be public.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(requires_access_dag("GET", entity)) for entity in ENTITIES],
    )
    app.add_api_route("/", get_page, methods=["GET"], response_class=HTMLResponse)
    app.add_api_route("/task", get_task, methods=["GET"], response_class=HTMLResponse)
    return app


def get_page(user: GetUserDep, session: SessionDep, skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
    """Show the datasets that this Airflow has written to, the models that it has worked on, and the tasks that failed.

    :param skip: number of datasets that earlier pages have shown.
    """
    now = datetime.now(UTC)
    return _render(
        "page.html", now=now, days=DAYS, overview=read_overview(session, user, now - timedelta(days=DAYS), skip)
    )


def get_task(dag_id: str, run_id: str, task_id: str, session: SessionDep, map_index: str = "") -> Response:
    """Show what a task instance did."""
    # For a task that is not mapped, Airflow does not replace the placeholder in the URL.
    key = TaskKey(dag_id, run_id, task_id, int(map_index) if re.fullmatch(r"-?[0-9]{1,9}", map_index) else -1)
    record = task_records(session, [key]).get(key)
    returned = returned_value(session, key)
    details = read_details(returned.content)
    return _render(
        "task.html",
        now=datetime.now(UTC),
        record=record,
        report=record.report if record else None,
        model=record.model if record else None,
        failures=details.failures or (record.report.failures if record and record.report else ()),
        details=details,
        problem=returned.problem,
        seconds=_seconds(record),
        has_failed=record is not None and record.state in FAILED_STATES,
        max_names=MAX_SHOWN_NAMES,
    )


def _seconds(record: TaskRecord | None) -> float | None:
    """Return how long the last try took."""
    if record is None or record.started is None or record.ended is None:
        return None
    return max(record.ended - record.started, timedelta()).total_seconds()


def _chart(dataset: DatasetHistory) -> Markup:
    bars = [
        Bar(
            f"{formatting.date(run.when)}: {formatting.count(run.counts.sent_items, 'data item')}, "
            f"{formatting.size(run.counts['bytes_sent'])} sent",
            run.counts.sent_items,
            run.counts["bytes_sent"],
        )
        for run in reversed(dataset.runs)
        if run.counts and run.kind != DRY_RUN
    ]
    return draw(bars)


def _accuracy_chart(model: ModelHistory) -> Markup:
    points = [
        Point(
            f"{formatting.date(test.job.when)}: {formatting.percent(test.report.accuracy or 0)}"
            + (f", {test.report.variant}" if test.report.variant else "")
            + (", rejected" if test.report.is_rejected else ""),
            test.report.accuracy or 0,
            test.report.is_rejected,
        )
        for test in reversed(model.tests)
    ]
    return draw_accuracy(points)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "short": formatting.short,
        "size": formatting.size,
        "percent": formatting.percent,
        "duration": formatting.duration,
        "date": formatting.date,
    }
    environment.globals |= {
        "ago": formatting.ago,
        "count": formatting.count,
        "chart": _chart,
        "accuracy_chart": _accuracy_chart,
        "job_names": KIND_NAMES,
        "run_address": formatting.run_address,
        "task_address": formatting.task_address,
        "log_address": formatting.log_address,
        "script": Markup(_script()),
        "always_shown": ALWAYS_SHOWN,
        "sometimes_shown": [key for key in ITEM_OUTCOMES if key not in ALWAYS_SHOWN],
        "max_runs": MAX_RUNS,
        "max_rows": MAX_ROWS,
    }
    return environment


@cache
def _script() -> str:
    return (_TEMPLATES / "page.js").read_text()


@cache
def _headers() -> dict[str, str]:
    """Load nothing from other hosts, and run no script but our own, whatever names contain."""
    digest = base64.b64encode(hashlib.sha256(_script().encode()).digest()).decode()
    return {
        "content-security-policy": (
            f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'self'"
        ),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }


def _render(template: str, **values: Any) -> Response:
    return HTMLResponse(_environment().get_template(template).render(values), headers=_headers())
