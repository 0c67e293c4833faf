"""The application behind the page and the tab. It only reads, and only what the user may read in Airflow itself."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from airflow_provider_ei.plugins import words
from airflow_provider_ei.plugins.chart import Bar, draw
from airflow_provider_ei.plugins.datasets import MOST_RUNS, Dataset, TaskRun, by_dataset
from airflow_provider_ei.plugins.details import read_details
from airflow_provider_ei.plugins.records import (
    MOST_FAILURES,
    MOST_WORKS,
    TaskKey,
    failures,
    returned_value,
    work_of,
    works,
)

DAYS = 30
#: Datasets of a page, and names of a list.
MOST_DATASETS = 200
MOST_NAMES = 50

_TEMPLATES = Path(__file__).with_name("templates")


def _readable_dags(user: GetUserDep) -> set[str]:
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def create_app() -> FastAPI:
    """Return the application. Its guards hold for all its routes: what it shows are XComs of task instances."""
    app = FastAPI(
        title="Edge Impulse",
        # They would be routes too, and for everyone.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[
            Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE)),
            Depends(requires_access_dag("GET", DagAccessEntity.XCOM)),
        ],
    )
    app.add_api_route("/", get_page, methods=["GET"], response_class=HTMLResponse)
    app.add_api_route("/task", get_task, methods=["GET"], response_class=HTMLResponse)
    return app


def get_page(dag_ids: Annotated[set[str], Depends(_readable_dags)], session: SessionDep) -> Response:
    """Show the datasets that this Airflow writes to, and what has failed."""
    now = datetime.now(UTC)
    since = now - timedelta(days=DAYS)
    newest = works(session, dag_ids, since)
    datasets = by_dataset(newest)
    return _render(
        "page.html",
        now=now,
        datasets=datasets[:MOST_DATASETS],
        left_out=max(0, len(datasets) - MOST_DATASETS),
        failures=failures(session, dag_ids, since),
        most_failures=MOST_FAILURES,
        days=DAYS,
        oldest=newest[-1].when if len(newest) == MOST_WORKS else None,
    )


def get_task(dag_id: str, run_id: str, task_id: str, session: SessionDep, map_index: str = "") -> Response:
    """Show what a task instance has done."""
    # Airflow leaves its placeholder in the address of a task that is not mapped.
    key = TaskKey(dag_id, run_id, task_id, int(map_index) if re.fullmatch(r"-?[0-9]{1,9}", map_index) else -1)
    work = work_of(session, key)
    return _render(
        "task.html",
        now=datetime.now(UTC),
        work=work,
        run=TaskRun([work]) if work else None,
        details=read_details(returned_value(session, key)),
        most_names=MOST_NAMES,
    )


def _chart(dataset: Dataset) -> Markup:
    done = [run for run in dataset.runs[:MOST_RUNS] if run.numbers and run.kind != "dry run"]
    bars = []
    for run in reversed(done):
        numbers = run.numbers
        assert numbers is not None
        title = f"{words.date(run.when)}: {words.count(numbers.sent, 'data item')}, {words.size(numbers.bytes)} sent"
        bars.append(Bar(title, numbers.sent, numbers.bytes))
    return draw(bars)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"size": words.size, "duration": words.duration, "date": words.date}
    environment.globals |= {
        "ago": words.ago,
        "count": words.count,
        "chart": _chart,
        "run_address": words.run_address,
        "task_address": words.task_address,
        "log_address": words.log_address,
        "script": Markup(_script()),
        "most_runs": MOST_RUNS,
    }
    return environment


@cache
def _script() -> str:
    return (_TEMPLATES / "page.js").read_text()


@cache
def _headers() -> dict[str, str]:
    """Nothing from anywhere else, and whatever a dataset is called can start nothing."""
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
