"""Models on the page: what the jobs of a project have reported."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.utils.session import create_session
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.orm import Session

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.get_provider_info import get_provider_info
from airflow_provider_ei.operators.links import EdgeImpulseJobLink
from airflow_provider_ei.operators.model_report import MODEL_KINDS
from airflow_provider_ei.operators.project_job import EdgeImpulseProjectJobOperator
from airflow_provider_ei.plugins import model_reports, task_instances
from airflow_provider_ei.plugins import overview as overview_module
from airflow_provider_ei.plugins.chart import Point, draw_accuracy
from airflow_provider_ei.plugins.model_reports import read_model_report
from airflow_provider_ei.plugins.overview import Overview, read_overview
from airflow_provider_ei.plugins.plugin import URL_PREFIX
from tests.plugins.conftest import NOW, Rows, model, sync
from tests.support.airflow_runs import run_dag

TAB = f"{URL_PREFIX}/task?dag_id=release&run_id=run-1&map_index={{MAP_INDEX}}&task_id="
EVIL = "<script>alert('x')</script>\" onload=\"alert(1)"
SHA = "ab" * 32


@pytest.fixture
def session(rows: Rows) -> Iterator[Session]:
    with create_session() as session:
        yield session


@pytest.fixture
def overview(session: Session, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Overview]:
    """Gives what a user sees who may read the DAG ``release``."""
    monkeypatch.setattr(overview_module, "readable_dags", lambda _: {"release"})
    monkeypatch.setattr(overview_module, "dags_with_readable_xcoms", lambda _, dag_ids, session: set(dag_ids))
    return lambda: read_overview(session, None, NOW - timedelta(days=30))


def job(rows: Rows, kind: str, *, hours: float, run: str = "run-1", project: int = 1, **facts: Any) -> None:
    """Add a task that ran a job and ended so many hours ago."""
    error = facts.get("error")
    state, dag_id = "failed" if error else "success", facts.pop("dag_id", "release")
    report = model(kind, project, **facts)
    age, operator = timedelta(hours=hours), "EdgeImpulseRetrainOperator"
    rows.task(dag_id, run, kind, state=state, operator=operator, url=None, model=report, age=age)


def release(rows: Rows) -> None:
    job(rows, "retrain", hours=4)
    job(rows, "classify", hours=3, accuracy=0.94, variant="int8", samples=120)
    job(rows, "version", hours=2, version=3)
    build = {"target": "zip", "model_type": "int8", "deployment_version": 7}
    job(rows, "build", hours=1, **build, path="s3://out/firmware.zip", size_bytes=100_000, sha256=SHA)


def plain(text: str) -> str:
    """The text of a page, without tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_the_page_shows_the_last_build_the_accuracy_and_what_is_out(page: Callable[..., str], rows: Rows) -> None:
    release(rows)
    text = page()
    assert ">Project 1</h2>" in text and 'href="https://studio.edgeimpulse.com/studio/1"' in text
    words = plain(text)
    assert "accuracy, int8 94.0 %" in words and "test samples 120" in words and "version 3" in words
    assert "Out: build 7, zip, int8, 100 kB, " in words and "tested before with 94.0 %" in words
    assert "s3://out/firmware.zip" in words
    assert "Accuracy of the last 1 test, oldest first: 94.0 % in the newest" in text


def test_a_model_that_the_gate_rejects_leaves_out_what_is_out(page: Callable[..., str], rows: Rows) -> None:
    release(rows)
    error = "The model is not accepted: accuracy 0.61 is below 0.9."
    job(rows, "classify", hours=0.5, run="run-2", accuracy=0.61, variant="int8", accepted=False, error=error)
    words = plain(page())
    assert "accuracy, int8 61.0 %" in words and "61.0 %, rejected" in words
    assert "Out: build 7" in words and "tested before with 94.0 %" in words
    assert words.count(error) == 3  # the project, its jobs, and the failed tasks
    assert "project 1" in words


def test_models_are_beside_datasets(page: Callable[..., str], rows: Rows) -> None:
    rows.task(returns=sync(created=1))
    release(rows)
    text = page()
    assert ">sleep-study</h2>" in text and text.index(">sleep-study</h2>") < text.index(">Project 1</h2>")
    assert '<a href="#models">1 model</a>' in text
    assert ">Project 1</h2>" not in page(f"{URL_PREFIX}/?skip=10")


def test_a_release_appears_on_the_page_and_so_does_the_next_one_that_its_test_stops(
    page: Callable[..., str],
    emulator: EmulatorServer,
    airflow_database: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the reports that the operators themselves leave."""
    connection = {"conn_type": "edge_impulse_project", "host": emulator.url, "password": emulator.project_api_key}
    monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("RELEASE_OUTPUT", f"{tmp_path}/firmware.zip")
    emulator.settings.job_queued_seconds = emulator.settings.job_running_seconds = 0
    emulator.projects.set_results({"int8": {"idle": (95, 5), "walking": (91, 9)}})
    run_dag("edge_impulse_release")
    words = plain(page())
    assert "accuracy, int8 93.0 %" in words and "test samples 200" in words
    assert "Out: build 1, zip, int8, tflite-eon, " in words and "tested before with 93.0 %" in words
    assert f"{tmp_path}/firmware.zip" in words and "Last 4 jobs" in words

    emulator.projects.set_results({"int8": {"idle": (60, 40), "walking": (91, 9)}})
    run_dag("edge_impulse_release")
    words = plain(page())
    assert "accuracy, int8 75.5 %" in words and "75.5 %, rejected" in words
    assert "Out: build 1" in words and "tested before with 93.0 %" in words
    assert emulator.project_api_key not in words


def test_a_job_that_the_task_did_not_wait_for_has_built_nothing(overview: Callable[[], Overview], rows: Rows) -> None:
    job(rows, "build", hours=1, state="started")
    (history,) = overview().models
    assert (history.build, history.out, history.newest.state) == (None, None, "running")


def test_projects_are_listed_newest_first_up_to_the_limit(overview: Callable[[], Overview], rows: Rows) -> None:
    for number in range(1, 14):
        job(rows, "retrain", hours=number, run=f"run-{number}", project=number)
    seen = overview()
    assert [one.project_id for one in seen.models] == list(range(1, 11)) and seen.model_count == 13


def test_only_the_newest_reports_are_read_and_the_page_says_since_when(
    overview: Callable[[], Overview], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (model_reports, overview_module):
        monkeypatch.setattr(module, "MAX_MODEL_REPORTS", 2)
    for number in (1, 2, 3):
        job(rows, "retrain", hours=number, run=f"run-{number}", project=number)
    seen = overview()
    assert [one.project_id for one in seen.models] == [1, 2] and seen.models_since == NOW - timedelta(hours=2)


def test_only_models_of_readable_dags_are_shown(
    page: Callable[..., str], rows: Rows, client: Callable[[str | None], TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user may read both DAGs, but the XComs of one only."""
    job(rows, "retrain", hours=1)
    job(rows, "retrain", hours=1, project=99, dag_id="secret")
    assert ">Project 99</h2>" in page()

    def is_authorized(
        _: object, *, access_entity: DagAccessEntity | None = None, details: Any = None, **__: Any
    ) -> bool:
        return access_entity is not DagAccessEntity.XCOM or details.id in (None, "release")

    def batch(manager: SimpleAuthManager, requests: Sequence[Any], *, user: Any) -> bool:
        from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager

        return BaseAuthManager.batch_is_authorized_dag(manager, requests, user=user)

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", is_authorized)
    monkeypatch.setattr(SimpleAuthManager, "batch_is_authorized_dag", batch)
    assert ">Project 1</h2>" in page() and ">Project 99</h2>" not in page()
    address = TAB + "retrain"
    assert client("viewer").get(address).status_code == 200
    assert client("viewer").get(address.replace("release", "secret")).status_code == 403


def test_no_string_of_a_report_can_run_a_script(page: Callable[..., str], rows: Rows) -> None:
    evil = dict.fromkeys(("variant", "target", "engine", "model_type", "path", "sha256"), EVIL)
    job(rows, "build", hours=1, **evil, url="javascript:alert(1)")
    job(rows, EVIL, hours=2, error=EVIL)
    for text in (page(), page(TAB + "build")):
        assert "<script>alert" not in text and "javascript:" not in text and "&lt;script&gt;" in text


@pytest.mark.parametrize(
    "report",
    [
        7,
        "x",
        [],
        {},
        {"project_id": "1"},
        {"project_id": -1, "kind": 3},
        {"project_id": 1, "kind": "classify", "accuracy": "high", "samples": -3, "accepted": "yes", "url": 7},
        {"project_id": 1, "kind": "classify", "accuracy": 94, "samples": 10**30, "path": {}},
        {"project_id": 1, "kind": "build", "path": "x" * 100_000},
    ],
)
def test_the_page_copes_with_reports_of_any_content(page: Callable[..., str], rows: Rows, report: Any) -> None:
    release(rows)
    rows.task("release", "run-9", "strange", operator="X", url=None, model=report)
    assert "Out: build 7" in plain(page())
    page(TAB.replace("run-1", "run-9") + "strange")


def test_a_fraction_above_one_is_no_accuracy() -> None:
    report = read_model_report('{"project_id": 1, "accuracy": 94.0, "samples": 1.5}')
    assert report is not None and report.accuracy is None and report.samples is None
    assert read_model_report("nonsense") is None


def test_the_number_of_queries_does_not_grow_with_the_jobs(
    rows: Rows, session: Session, overview: Callable[[], Overview]
) -> None:
    def queries(jobs: int) -> int:
        for number in range(jobs):
            job(rows, "classify", hours=number, run=f"run-{jobs}-{number}", project=number + 1, error="x")
        statements: list[str] = []
        listener = lambda *arguments: statements.append(arguments[2])  # noqa: E731
        event.listen(session.get_bind(), "before_cursor_execute", listener)
        try:
            overview()
        finally:
            event.remove(session.get_bind(), "before_cursor_execute", listener)
        return len([text for text in statements if text.startswith("SELECT")])

    assert queries(1) == queries(20) < 10


def test_the_tab_of_a_test_shows_its_accuracy_and_why_it_was_rejected(page: Callable[..., str], rows: Rows) -> None:
    job(rows, "classify", hours=1, accuracy=0.61, min_accuracy=0.9, accepted=False, error="Too low.")
    words = plain(page(TAB + "classify"))
    assert "Project 1" in words and "61.0 %, rejected" in words and "at least 90.0 %" in words
    assert "Too low." in words and "Try 1 failed" in words


def test_the_tab_of_a_build_shows_its_file(page: Callable[..., str], rows: Rows) -> None:
    release(rows)
    words = plain(page(TAB + "build"))
    assert "build 7, zip, int8, 100 kB" in words and "s3://out/firmware.zip" in words and SHA in words


def test_the_tab_of_a_running_job_says_where_its_log_is(page: Callable[..., str], rows: Rows) -> None:
    rows.task("release", task_id="retrain", state="deferred", operator="EdgeImpulseRetrainOperator", url=None)
    assert "The result appears when the job has ended" in plain(page(TAB + "retrain"))


def test_the_chart_of_accuracies_has_a_text_and_marks_rejected_models() -> None:
    points = [Point(f"test {number}", number / 30, number % 2 == 1) for number in range(25)]
    tree = ElementTree.fromstring(draw_accuracy(points))
    assert tree.get("role") == "img" and "80.0 % in the newest" in (tree.get("aria-label") or "")
    assert len(tree.findall("circle")) == len(tree.findall("rect/title")) == 20
    assert sum(one.get("class") == "rejected" for one in tree.findall("circle")) == 10
    heights = [float(one.get("cy") or 0) for one in tree.findall("circle")]
    assert heights == sorted(heights, reverse=True) and 0 < heights[-1] < heights[0] <= 60
    ElementTree.fromstring(draw_accuracy([]))


def classes(of: type) -> Iterator[type]:
    for one in of.__subclasses__():
        yield one
        yield from classes(one)


def test_the_queries_know_the_operators_of_projects_by_name() -> None:
    for module in get_provider_info()["operators"][0]["python-modules"]:
        importlib.import_module(module)
    importlib.import_module("airflow_provider_ei.task_groups.release")
    found = {
        one.__name__
        for one in classes(EdgeImpulseProjectJobOperator)
        if one.__module__.startswith("airflow_provider_ei.") and getattr(one, "job_kind", None) in MODEL_KINDS
    }
    assert found == set(task_instances.MODEL_OPERATORS)
    assert EdgeImpulseJobLink().xcom_key == task_instances.JOB_LINK_KEY
