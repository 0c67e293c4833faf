"""Reading Airflow's own database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from airflow.utils.session import create_session
from sqlalchemy import event
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import Session

from airflow_provider_ei import task_groups
from airflow_provider_ei.decorators import add_data
from airflow_provider_ei.operators import data
from airflow_provider_ei.operators.base import EdgeImpulseOperator
from airflow_provider_ei.operators.links import EdgeImpulseDatasetLink
from airflow_provider_ei.operators.results import read_result
from airflow_provider_ei.plugins import records
from airflow_provider_ei.plugins.datasets import by_dataset
from airflow_provider_ei.plugins.records import TaskKey, failures, returned_value, work_of, works
from tests.plugins.conftest import NOW, URL, Rows, sync, upload

SINCE = NOW - timedelta(days=30)
DAGS = {"nightly", "uploads"}


@pytest.fixture
def session(rows: Rows) -> Iterator[Session]:
    with create_session() as session:
        yield session


def classes(of: type) -> Iterator[type]:
    for one in of.__subclasses__():
        yield one
        yield from classes(one)


def test_all_operators_are_known_by_name() -> None:
    modules = {module.__name__ for module in (task_groups, add_data, data)}
    names = {one.__name__ for one in classes(EdgeImpulseOperator) if one.__module__ in modules}
    assert set(records.OPERATORS) == names - {"_GroupedOperator"}
    assert EdgeImpulseDatasetLink().xcom_key == records.LINK_KEY


def test_syncs_and_uploads(rows: Rows, session: Session) -> None:
    rows.task(returns=sync(created=3, unchanged=4, bytes_sent=900, files_sent=3), age=timedelta(hours=2))
    for index, outcome in enumerate(("created", "updated", "unchanged", "skipped")):
        rows.task("uploads", "r", "add", index, returns=upload(f"i{index}", outcome), operator="X", label=f"i{index}")
    newest, older = by_dataset(works(session, DAGS, SINCE))
    assert (newest.name, newest.organization_id, newest.url) == ("motion", 7, URL)
    (run,) = newest.runs
    numbers = run.numbers
    assert numbers is not None and run.is_mapped and run.seconds == 90
    assert (numbers.created, numbers.updated, numbers.unchanged, numbers.skipped) == (1, 1, 1, 1)
    assert (numbers.files, numbers.bytes, run.kind) == (4, 2000, "upload")
    numbers = older.newest.numbers
    assert numbers is not None and older.newest.kind == "sync" and older.newest.seconds == 2.5
    assert (numbers.created, numbers.unchanged, numbers.files, numbers.bytes) == (3, 4, 3, 900)


def test_several_uploads_of_one_task(rows: Rows, session: Session) -> None:
    rows.task(returns=[upload("a"), upload("b", "unchanged")])
    (work,) = works(session, DAGS, SINCE)
    assert work.result is not None and work.result.numbers.created == work.result.numbers.unchanged == 1


def test_a_task_without_numbers_is_put_to_its_dataset(rows: Rows, session: Session) -> None:
    rows.task(run_id="r1", returns=sync(created=1), age=timedelta(hours=5))
    rows.task(run_id="r2", state="failed", dataset="sleep-study", age=timedelta(hours=4))
    rows.task(run_id="r3", state="skipped", age=timedelta(hours=3))  # Airflow keeps arguments of 30 runs only
    rows.task(run_id="r4", state="running", age=timedelta(hours=2))
    (dataset,) = by_dataset(works(session, DAGS, SINCE))
    assert [run.state for run in dataset.runs] == ["running", "skipped", "failed", "success"]
    assert dataset.last_done is dataset.runs[-1]


def test_a_dry_run_is_not_the_last_sync(rows: Rows, session: Session) -> None:
    rows.task(run_id="r1", returns=sync(created=1), age=timedelta(hours=5))
    rows.task(run_id="r2", returns=sync(created=9, dry_run=True))
    (dataset,) = by_dataset(works(session, DAGS, SINCE))
    assert dataset.newest.kind == "dry run" and dataset.last_done is dataset.runs[1]


def test_parts_of_a_sync_are_not_counted_twice(rows: Rows, session: Session) -> None:
    rows.task(task_id="g.plan", operator="PlanShardsOperator", returns=[{"part": 0, "parts": 2}], dataset="fleet")
    rows.task(task_id="g.sync_shard", map_index=0, operator="SyncShardOperator", returns={"created": 2})
    rows.task(task_id="g.finish", operator="FinishSyncOperator", returns=sync("fleet", created=2))
    (dataset,) = by_dataset(works(session, DAGS, SINCE))
    (run,) = dataset.runs
    assert run.numbers is not None and run.numbers.created == 2


def test_values_that_an_xcom_backend_keeps_elsewhere(rows: Rows, session: Session) -> None:
    rows.task(returns="s3://xcoms/1", dataset="sleep-study")
    (dataset,) = by_dataset(works(session, DAGS, SINCE))
    assert dataset.newest.numbers is None and dataset.last_done is None


@pytest.mark.parametrize("value", [1, None, "x", {}, [], [1], {"dataset": 1}, {"created": 1}, [{"a": []}]])
def test_other_return_values_are_no_results(value: object) -> None:
    assert read_result(value) is None


def test_fields_of_another_type_are_left_out() -> None:
    result = read_result({"dataset": "d", "created": "x", "bytes_sent": None, "organization_id": "x", "url": 3})
    assert result is not None and result.numbers.created == 0 and result.organization_id is None


def test_only_readable_dags_recent_tasks_and_so_many(rows: Rows, session: Session) -> None:
    rows.task(run_id="r1", returns=sync())
    rows.task(run_id="r2", returns=sync(), age=timedelta(hours=3))
    rows.task(run_id="r3", returns=sync(), age=timedelta(days=31))
    rows.task("secret", returns=sync())
    assert [work.key.run_id for work in works(session, DAGS, SINCE)] == ["r1", "r2"]
    assert [work.key.run_id for work in works(session, DAGS, SINCE, most=1)] == ["r1"]
    assert works(session, set(), SINCE) == []


def test_failures(rows: Rows, session: Session) -> None:
    rows.task(run_id="r1", returns=sync())
    rows.task(run_id="r2", state="failed", url=None, age=timedelta(hours=2))  # before it could leave a trace
    rows.task(run_id="r3", state="up_for_retry", operator="Derived", dataset="sleep-study")
    rows.task(run_id="r4", state="failed", operator="BashOperator", url=None)
    rows.task(run_id="r5", state="failed", age=timedelta(days=31))
    rows.task("secret", state="failed")
    found = failures(session, DAGS, SINCE)
    assert [(work.key.run_id, work.state, work.dataset) for work in found] == [
        ("r3", "up_for_retry", "sleep-study"),
        ("r2", "failed", None),
    ]
    assert len(failures(session, DAGS, SINCE, most=1)) == 1


def test_one_query_however_many_tasks(rows: Rows, session: Session) -> None:
    for index in range(20):
        rows.task(map_index=index, returns=upload(str(index)), state="failed")
    statements: list[str] = []
    listener = lambda *arguments: statements.append(arguments[2])  # noqa: E731
    event.listen(session.get_bind(), "before_cursor_execute", listener)
    try:
        assert len(works(session, DAGS, SINCE)) == len(failures(session, DAGS, SINCE)) == 20
    finally:
        event.remove(session.get_bind(), "before_cursor_execute", listener)
    assert len([text for text in statements if text.startswith("SELECT")]) == 2


def test_one_task(rows: Rows, session: Session) -> None:
    rows.task(task_id="add", map_index=0, returns=upload("a"))
    rows.task(task_id="add", map_index=1, state="failed", url="javascript:alert(1)")
    rows.task(task_id="bash", operator="BashOperator", url=None, returns={"dataset": "x"})
    key = TaskKey("nightly", "run-1", "add", 1)
    work = work_of(session, key)
    assert work is not None and work.is_ours and work.has_begun and work.url is None
    other = work_of(session, TaskKey("nightly", "run-1", "bash"))
    assert other is not None and not other.is_ours
    assert work_of(session, TaskKey("nightly", "run-1", "add")) is None
    assert returned_value(session, TaskKey("nightly", "run-1", "add", 0))["name"] == "a"


@pytest.mark.parametrize("dialect", [postgresql.dialect(), mysql.dialect()], ids=["postgresql", "mysql"])
def test_other_databases_can_be_asked_the_same(dialect: object) -> None:
    text = str(records._with_results().compile(dialect=dialect))  # type: ignore[arg-type]
    assert "dataset" in text
