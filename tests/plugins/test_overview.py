"""The queries of Airflow's database, and what the page makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.utils.session import create_session
from sqlalchemy import event, select
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import Session

from airflow_provider_ei.decorators import add_data
from airflow_provider_ei.operators import data
from airflow_provider_ei.operators.dataset_base import EdgeImpulseDatasetOperator
from airflow_provider_ei.operators.links import EdgeImpulseDatasetLink
from airflow_provider_ei.plugins import json_sql, task_instances, task_reports
from airflow_provider_ei.plugins import overview as overview_module
from airflow_provider_ei.plugins.overview import Overview, read_overview
from airflow_provider_ei.plugins.task_instances import returned_value, task_records
from airflow_provider_ei.plugins.task_keys import TaskKey
from airflow_provider_ei.results import read_result
from airflow_provider_ei.task_groups import sync as sync_group
from tests.plugins.conftest import NOW, URL, Rows, sync, upload

SINCE = NOW - timedelta(days=30)
DAGS = {"nightly", "uploads"}


@pytest.fixture
def session(rows: Rows) -> Iterator[Session]:
    with create_session() as session:
        yield session


@pytest.fixture
def overview(session: Session, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Overview]:
    """Gives what a user sees who may read the DAGs ``nightly`` and ``uploads``."""
    monkeypatch.setattr(overview_module, "readable_dags", lambda _: DAGS)
    monkeypatch.setattr(overview_module, "dags_with_readable_xcoms", lambda _, dag_ids, session: set(dag_ids))
    return lambda skip=0: read_overview(session, None, SINCE, skip)


def classes(of: type) -> Iterator[type]:
    for one in of.__subclasses__():
        yield one
        yield from classes(one)


def test_the_queries_know_all_operators_by_name() -> None:
    modules = {module.__name__ for module in (sync_group, add_data, data)}
    names = {one.__name__ for one in classes(EdgeImpulseDatasetOperator) if one.__module__ in modules}
    assert set(task_instances.DATASET_OPERATORS) == names - {"_GroupedOperator"}
    assert EdgeImpulseDatasetLink().xcom_key == task_instances.LINK_KEY


def test_syncs_and_uploads_are_shown(rows: Rows, overview: Callable[..., Overview]) -> None:
    rows.task(returns=sync(created=3, unchanged=4, bytes_sent=900, files_sent=3), age=timedelta(hours=2))
    for index, outcome in enumerate(("created", "updated", "unchanged", "skipped")):
        rows.task("uploads", "r", "add", index, returns=upload(f"i{index}", outcome), operator="X", label=f"i{index}")
    newest, older = overview().datasets
    assert (newest.name, newest.organization_id, newest.url) == ("motion", 7, URL)
    (run,) = newest.runs
    counts = run.counts
    assert counts is not None and run.is_mapped and run.seconds == 90 and run.instances == 4
    assert (counts["created"], counts["updated"], counts["unchanged"], counts["skipped"]) == (1, 1, 1, 1)
    assert (counts["files_sent"], counts["bytes_sent"], run.kind) == (4, 2000, "upload")
    counts = older.newest.counts
    assert counts is not None and older.newest.kind == "sync" and older.newest.seconds == 2.5
    assert (counts["created"], counts["unchanged"], counts["files_sent"], counts["bytes_sent"]) == (3, 4, 3, 900)


def test_several_uploads_of_one_task_are_added_up(rows: Rows, overview: Callable[..., Overview]) -> None:
    rows.task(returns=[upload("a"), upload("b", "unchanged")])
    counts = overview().datasets[0].newest.counts
    assert counts is not None and counts["created"] == counts["unchanged"] == 1


def test_a_task_without_a_report_is_shown_with_its_dataset(rows: Rows, overview: Callable[..., Overview]) -> None:
    rows.task(run_id="r1", returns=sync(created=1), age=timedelta(hours=5))
    rows.task(run_id="r2", state="failed", dataset="sleep-study", age=timedelta(hours=4))
    rows.task(run_id="r3", state="up_for_retry", age=timedelta(hours=3))  # Airflow keeps arguments of 30 runs only
    rows.task(run_id="r4", state="running", age=timedelta(hours=2))
    (dataset,) = overview().datasets
    assert [run.state for run in dataset.runs] == ["running", "up_for_retry", "failed", "success"]
    assert dataset.last_done is dataset.runs[-1]


def test_a_dry_run_does_not_count_as_the_last_sync(rows: Rows, overview: Callable[..., Overview]) -> None:
    rows.task(run_id="r1", returns=sync(created=1), age=timedelta(hours=5))
    rows.task(run_id="r2", returns=sync(created=9, dry_run=True))
    (dataset,) = overview().datasets
    assert dataset.newest.kind == "dry run" and dataset.last_done is dataset.runs[1]


@pytest.mark.parametrize(
    "report",
    [
        {"dataset": "mist", "organization_id": 7, "error": "Check Password."},
        {"dataset": "mist", "organization_id": 99, "error": "No such organization.", "failed": 40},
        {"dataset": "mist", "organization_id": 7, "kind": "dry run", "created": 9},
    ],
    ids=["wrong key", "wrong organization", "dry run"],
)
def test_a_dataset_that_was_never_written_is_not_shown(
    rows: Rows, overview: Callable[..., Overview], report: dict[str, Any]
) -> None:
    rows.task(run_id="r1", state="failed", report=report, dataset="mist")
    rows.task(run_id="r2", state="failed", dataset="mist")
    rows.task(run_id="r3", state="running", dataset="mist")
    seen = overview()
    assert (seen.datasets, seen.total) == ([], 0)
    assert {task.target for task in seen.failed} == {"mist"}


def test_shards_of_a_sync_are_not_counted_twice(rows: Rows, overview: Callable[..., Overview]) -> None:
    shard = {"dataset": "fleet", "organization_id": 7, "kind": "shard", "written": True, "created": 2}
    rows.task(task_id="g.plan", operator="PlanShardsOperator", returns=[{"part": 0, "parts": 2}], dataset="fleet")
    rows.task(task_id="g.sync_shard", map_index=0, operator="SyncShardOperator", report=shard)
    (dataset,) = overview().datasets  # while the last task has not started
    assert [run.key.task_id for run in dataset.runs] == ["g.sync_shard"]
    rows.task(task_id="g.finish", operator="FinishSyncOperator", returns=sync("fleet", created=2))
    (dataset,) = overview().datasets
    (run,) = dataset.runs
    assert run.counts is not None and run.counts["created"] == 2


@pytest.mark.parametrize("value", [1, None, "x", {}, [], [1], {"dataset": 1}, {"created": 1}, [{"a": []}]])
def test_other_return_values_are_not_results(value: object) -> None:
    assert read_result(value) is None


def test_fields_of_another_type_are_ignored() -> None:
    result = read_result({"dataset": "d", "created": "x", "bytes_sent": None, "organization_id": "x", "url": 3})
    assert result is not None and result.counts["created"] == 0 and result.organization_id is None


def test_only_readable_dags_and_recent_tasks_are_shown(rows: Rows, overview: Callable[..., Overview]) -> None:
    rows.task(run_id="r1", returns=sync(created=1))
    rows.task(run_id="r2", returns=sync(), age=timedelta(hours=3))
    rows.task(run_id="r3", returns=sync(), age=timedelta(days=31))
    rows.task("secret", returns=sync("secret", created=1))
    rows.task("secret", "r2", state="failed", report={"dataset": "secret", "error": "x"})
    seen = overview()
    assert [run.key.run_id for one in seen.datasets for run in one.runs] == ["r1", "r2"]
    assert not seen.failed


def test_a_page_shows_a_limited_number_of_datasets_and_the_next_page_the_others(
    rows: Rows, overview: Callable[..., Overview]
) -> None:
    for number in range(25):
        returns = sync(f"dataset-{number}", created=1)
        rows.task(run_id=f"r{number}", returns=returns, age=timedelta(minutes=number))
    seen = [one.name for skip in (0, 10, 20) for one in overview(skip).datasets]
    assert seen == [f"dataset-{number}" for number in range(25)]
    assert overview().total == 25


def test_runs_with_very_many_instances_are_added_up_only_within_the_limit(
    rows: Rows, overview: Callable[..., Overview], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_module, "MAX_SUMMED", 5)
    for run in range(4):
        for index in range(2):
            rows.task(run_id=f"r{run}", map_index=index, returns=upload("a"), age=timedelta(hours=run))
    (dataset,) = overview().datasets
    assert [run.counts["created"] for run in dataset.runs if run.counts] == [2, 2]


def test_the_page_says_since_when_if_there_are_more_tasks_than_it_reads(
    rows: Rows, overview: Callable[..., Overview], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_reports, "MAX_RUN_REPORTS", 2)
    monkeypatch.setattr(overview_module, "MAX_RUN_REPORTS", 2)
    for number in range(3):
        rows.task(run_id=f"r{number}", returns=sync(f"d{number}", created=1), age=timedelta(hours=number))
    seen = overview()
    assert [one.name for one in seen.datasets] == ["d0", "d1"] and seen.oldest == NOW - timedelta(hours=1)


def test_failed_tasks_show_what_failed(rows: Rows, overview: Callable[..., Overview]) -> None:
    error = {"dataset": "sleep-study", "error": "Check Password.", "failures": [{"name": "a", "reason": "b"}]}
    rows.task(run_id="r1", returns=sync(created=1), age=timedelta(hours=3))
    rows.task(run_id="r2", state="failed", url=None, age=timedelta(hours=2))  # before it could leave a trace
    rows.task(run_id="r3", state="up_for_retry", operator="Derived", dataset="sleep-study", report=error)
    rows.task(run_id="r4", state="failed", operator="BashOperator", url=None)
    rows.task(run_id="r5", state="failed", age=timedelta(days=31))
    seen = overview()
    assert [(task.first.key.run_id, task.first.state, task.target) for task in seen.failed] == [
        ("r3", "up_for_retry", "sleep-study"),
        ("r2", "failed", "sleep-study"),
    ]
    report = seen.failed[0].first.report
    assert report is not None and (report.error, report.failures) == ("Check Password.", (("a", "b"),))
    (dataset,) = seen.datasets
    assert dataset.newest.counts is None and dataset.newest.failed is not None
    assert dataset.newest.failed.report == report


def test_failed_instances_of_a_mapped_task_are_one_line(rows: Rows, overview: Callable[..., Overview]) -> None:
    for index in range(5):
        rows.task(map_index=index, state="failed" if index > 2 else "success", returns=upload(str(index)))
    (task,) = overview().failed
    assert (task.first.key.map_index, task.failed, task.instances) == (3, 2, 5)


def test_the_number_of_queries_does_not_grow_with_the_tasks(
    rows: Rows, session: Session, overview: Callable[..., Overview]
) -> None:
    def queries(tasks: int) -> int:
        for index in range(tasks):
            rows.task(run_id=f"run-of-{tasks}", map_index=index, returns=upload(str(index)), state="failed")
        statements: list[str] = []
        listener = lambda *arguments: statements.append(arguments[2])  # noqa: E731
        event.listen(session.get_bind(), "before_cursor_execute", listener)
        try:
            overview()
        finally:
            event.remove(session.get_bind(), "before_cursor_execute", listener)
        return len([text for text in statements if text.startswith("SELECT")])

    assert queries(1) == queries(20) < 10


def test_a_task_record_has_the_url_and_report_of_its_instance(rows: Rows, session: Session) -> None:
    rows.task(task_id="add", map_index=0, returns=upload("a"))
    rows.task(task_id="add", map_index=1, state="failed", url="javascript:alert(1)")
    rows.task(task_id="bash", operator="BashOperator", url=None, returns={"dataset": "x"})
    key = TaskKey("nightly", "run-1", "add", 1)
    record = task_records(session, [key])[key]
    assert record.is_ours and record.report is None and record.url is None
    other = TaskKey("nightly", "run-1", "bash")
    assert not task_records(session, [other])[other].is_ours
    assert task_records(session, [TaskKey("nightly", "run-1", "add")]) == {}
    assert returned_value(session, TaskKey("nightly", "run-1", "add", 0)).content["name"] == "a"


@pytest.mark.parametrize("dialect", [postgresql.dialect(), mysql.dialect()], ids=["postgresql", "mysql"])
def test_the_queries_compile_for_other_databases(dialect: object) -> None:
    value = task_instances.XComModel.value
    text = str(
        select(
            json_sql.is_readable(value),
            json_sql.number(value, "created"),
            json_sql.is_odd(value, "created"),
            json_sql.array(value, "dataset", "url"),
        ).compile(dialect=dialect)  # type: ignore[arg-type]
    )
    assert "dataset" in text and "created" in text
    assert "rendered_fields" in str(task_instances._select_records().compile(dialect=dialect))  # type: ignore[arg-type]
