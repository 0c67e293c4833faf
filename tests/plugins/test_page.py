"""The page and the tab, with and without a user."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from airflow_provider_ei.plugins import formatting
from airflow_provider_ei.plugins.app import create_app
from airflow_provider_ei.plugins.chart import Bar, draw
from airflow_provider_ei.plugins.plugin import URL_PREFIX
from airflow_provider_ei.plugins.task_keys import TaskKey
from tests.plugins.conftest import NOW, URL, Rows, sync, upload

TASK = f"{URL_PREFIX}/task?dag_id=nightly&run_id=run-1&task_id=sync&map_index={{MAP_INDEX}}"
EVIL = "<script>alert('x')</script>\" onload=\"alert(1)"


@pytest.mark.parametrize("address", [f"{URL_PREFIX}/", TASK])
def test_the_page_requires_a_user(
    client: Callable[[str | None], TestClient], airflow_database: None, address: str
) -> None:
    assert client(None).get(address).status_code == 401
    assert client("nobody").get(address).status_code == 403
    assert client("viewer").get(address).status_code == 200


def test_every_route_requires_permission() -> None:
    routes = create_app().routes
    assert {route.path: len(route.dependencies) for route in routes if isinstance(route, APIRoute)} == {
        "/": 2,
        "/task": 2,
    }
    assert len(routes) == 2


def test_the_page_shows_only_what_the_user_may_read(
    page: Callable[..., str], rows: Rows, client: Callable[[str | None], TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.task("nightly", returns=sync("mine", created=1))
    rows.task("secret", returns=sync("theirs", created=1))
    rows.task("secret", "run-2", state="failed")
    monkeypatch.setattr(SimpleAuthManager, "filter_authorized_dag_ids", lambda *_, **__: {"nightly"})
    text = page()
    assert "mine" in text and "theirs" not in text and "secret" not in text
    monkeypatch.setattr(
        SimpleAuthManager, "is_authorized_dag", lambda *_, details=None, **__: details.id in (None, "nightly")
    )
    user = client("viewer")
    assert user.get(TASK).status_code == 200
    assert user.get(TASK.replace("nightly", "secret")).status_code == 403
    assert "theirs" not in user.get(TASK.replace("nightly", "~")).text
    assert user.get(TASK.replace("nightly", "nightly&dag_id=secret")).status_code == 403
    assert "theirs" not in user.get(TASK.replace("nightly", "secret&dag_id=nightly")).text


def test_the_page_requires_permission_for_the_xcoms_of_each_dag(
    page: Callable[..., str], rows: Rows, client: Callable[[str | None], TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user may read both DAGs, but the XComs of one only."""
    asked: list[int] = []

    def is_authorized(
        _: object, *, access_entity: DagAccessEntity | None = None, details: Any = None, **__: Any
    ) -> bool:
        return access_entity is not DagAccessEntity.XCOM or details.id in (None, "nightly")

    def batch(manager: SimpleAuthManager, requests: Sequence[Any], *, user: Any) -> bool:
        asked.append(len(requests))
        return BaseAuthManager.batch_is_authorized_dag(manager, requests, user=user)

    rows.task("nightly", returns=sync("mine", created=1))
    rows.task("secret", returns=sync("theirs", created=1))
    rows.task("secret", "run-2", state="failed", report={"dataset": "theirs", "error": "Disk full."})
    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", is_authorized)
    monkeypatch.setattr(SimpleAuthManager, "batch_is_authorized_dag", batch)
    text = page()
    assert ">mine</h2>" in text and not re.search("theirs|secret|Disk full", text.replace("their task", ""))
    assert client("viewer").get(TASK.replace("nightly", "secret")).status_code == 403
    assert asked == [4, 2, 2]
    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", lambda *_, **__: True)
    assert ">theirs</h2>" in page() and asked[3:] == [4]


def test_an_empty_page_says_what_to_do(page: Callable[..., str]) -> None:
    assert "EdgeImpulseSyncDatasetOperator" in page()


def test_the_page_shows_datasets_runs_and_failures(page: Callable[..., str], rows: Rows) -> None:
    rows.task(run_id="run+1", returns=sync(created=12, updated=3, bytes_sent=1_234_567, files_sent=15))
    rows.task(run_id="run-2", state="failed", age=timedelta(minutes=5))
    text = page()
    assert ">sleep-study</h2>" in text and "organization 7" in text and f'href="{URL}"' in text
    assert "1.2 MB" in text and "<dd>12</dd>" in text
    assert re.search(r"\b\d+ min ago", text)  # 5, or more on a machine that has been at the tests before for minutes
    assert 'href="../dags/nightly/runs/run%2B1"' in text
    assert 'href="../dags/nightly/runs/run-2/tasks/sync?try_number=1"' in text
    assert "1 task failed" in text and "1 run, oldest first: up to 15 data items and 1.2 MB" in text


def test_after_a_failed_run_the_old_numbers_are_gray_and_dated(page: Callable[..., str], rows: Rows) -> None:
    failed = {"dataset": "sleep-study", "organization_id": 7, "error": "Check Password.", "failures": [{"name": "s01"}]}
    rows.task(run_id="run-1", returns=sync(created=12), age=timedelta(days=2))
    rows.task(run_id="run-2", state="failed", report=failed, age=timedelta(minutes=5))
    text = page()
    dated = f"Numbers of {formatting.date(NOW - timedelta(days=2))} (2 days ago)"
    assert 'class="numbers old"' in text and dated in " ".join(text.split())
    assert text.count("Check Password.") == 2 and text.count("s01") == 2
    rows.task(run_id="run-3", returns=sync(created=1), age=timedelta())
    assert 'class="numbers old"' not in page()


@pytest.mark.parametrize(("state", "promised"), [("up_for_retry", True), ("failed", False)])
def test_a_retry_is_promised_only_where_there_is_one(
    page: Callable[..., str], rows: Rows, state: str, promised: bool
) -> None:
    rows.task(state=state, report={"dataset": "mist", "error": "Check Password."})
    text = page(TASK)
    assert "Check Password." in text and ("Airflow will retry" in text) is promised
    assert ("Airflow will not retry" in text) is not promised


def test_more_datasets_are_on_the_next_page(page: Callable[..., str], rows: Rows) -> None:
    for number in range(12):
        rows.task(run_id=f"run-{number}", returns=sync(f"d{number:02}", created=1), age=timedelta(minutes=number))
    first, second = page(), page(f"{URL_PREFIX}/?skip=10")
    assert 'href="?skip=10"' in first and "12 datasets" in first and ">d09</h2>" in first and ">d10</h2>" not in first
    assert ">d11</h2>" in second and ">d09</h2>" not in second and 'href="?skip=20"' not in second


def test_no_name_can_run_a_script(page: Callable[..., str], rows: Rows) -> None:
    rows.task(returns=sync(EVIL, created=1, changed=[EVIL]), dataset=EVIL, url="javascript:alert(1)")
    rows.task("uploads", task_id="add", map_index=0, returns=upload(EVIL, dataset=EVIL), label=EVIL)
    rows.task("uploads", task_id="add", map_index=1, state="failed", dataset=EVIL, label=EVIL)
    mapped = TASK.replace("nightly", "uploads").replace("task_id=sync", "task_id=add").replace("{MAP_INDEX}", "0")
    for address in (f"{URL_PREFIX}/", TASK, mapped):
        text = page(address)
        assert "<script>alert" not in text and "javascript:" not in text and "&lt;script&gt;" in text


def test_only_our_own_script_may_run(client: Callable[[str | None], TestClient], airflow_database: None) -> None:
    policy = client("viewer").get(f"{URL_PREFIX}/").headers["content-security-policy"]
    assert "default-src 'none'" in policy and re.search(r"script-src 'sha256-[^']+';", policy)


def test_the_tab_of_a_sync_shows_its_numbers_and_names(page: Callable[..., str], rows: Rows) -> None:
    changed = [f"item-{number:03}" for number in range(60)]
    failed = [{"name": "bad", "reason": "cannot be read"}]
    rows.task(returns=sync(created=60, failed=1, changed=changed, failures=failed))
    text = page(TASK)
    assert "<dd>60</dd>" in text and "item-049" in text and "item-050" not in text and "the first 50 of 60" in text
    assert "cannot be read" in text


def test_the_tab_of_a_dry_run_shows_what_would_be_done(page: Callable[..., str], rows: Rows) -> None:
    plan = {"create": ["new"], "update": [], "repair": [], "delete": ["old"]}
    rows.task(returns=sync(created=1, deleted=1, dry_run=True, plan=plan))
    text = page(TASK)
    assert "Would be created" in text and "Would be deleted" in text and "Would be updated" not in text


def test_the_tab_of_a_mapped_upload_shows_its_item(page: Callable[..., str], rows: Rows) -> None:
    for index in range(3):
        rows.task(map_index=index, returns=upload(f"i{index}"))
    text = page(TASK.replace("{MAP_INDEX}", "1"))
    assert "i1" in text and "i2" not in text


def test_the_tab_of_several_uploads_lists_them(page: Callable[..., str], rows: Rows) -> None:
    rows.task(returns=[upload(f"i{number}") for number in range(60)])
    assert "and 10 more" in page(TASK)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("failed", "will not retry"),
        ("up_for_retry", "Airflow will retry"),
        ("running", "The numbers appear"),
        ("skipped", "skipped before"),
        ("success", "No numbers"),
        ("queued", "not started"),
        (None, "not started"),
    ],
)
def test_the_tab_of_a_task_without_numbers_says_why(
    page: Callable[..., str], rows: Rows, state: str | None, words: str
) -> None:
    rows.task(state=state, dataset="sleep-study")
    assert words in page(TASK)


def test_the_tab_of_other_tasks_says_that_they_send_nothing(page: Callable[..., str], rows: Rows) -> None:
    assert "not started" in page(TASK)
    rows.task(operator="BashOperator", url=None, returns={"dataset": "x"})
    assert "does not send anything" in page(TASK)


@pytest.mark.parametrize(
    "value",
    [
        {"changed": 1, "failures": {}, "plan": []},
        {"changed": [{}], "failures": ["x", {}], "plan": {"create": "x"}},
        [3],
    ],
)
def test_the_tab_copes_with_a_strange_value(page: Callable[..., str], rows: Rows, value: object) -> None:
    rows.task(returns={**sync(), **value} if isinstance(value, dict) else value)
    assert "Would be" not in page(TASK)


def test_the_chart_is_an_image_with_a_text_alternative() -> None:
    picture = draw([Bar(f"run {number}", number, number * 1_000_000) for number in range(25)])
    tree = ElementTree.fromstring(picture)
    assert tree.get("role") == "img" and "up to 24 data items and 24 MB" in (tree.get("aria-label") or "")
    assert len(tree.findall("rect/title")) == 20
    assert len(tree.findall("path")[0].get("d", "").split("M")) - 1 == 20
    ElementTree.fromstring(draw([]))


def test_links_lead_to_mapped_tasks() -> None:
    assert formatting.log_address(TaskKey("d", "r", "g.t", 3), 2) == "../dags/d/runs/r/tasks/g.t/mapped/3?try_number=2"
    assert formatting.task_address(TaskKey("d", "r", "g.t", 3)) == "../dags/d/runs/r/tasks/g.t/mapped"


def test_numbers_and_times_are_formatted() -> None:
    assert [formatting.size(number) for number in (0, 999, 1000, 12_345, 999_600)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "12 kB",
        "1.0 MB",
    ]
    assert [formatting.duration(seconds) for seconds in (0.04, 61, 600, 9000)] == [
        "< 0.1 s",
        "61 s",
        "10 min",
        "2 h 30 min",
    ]
