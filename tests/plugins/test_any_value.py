"""Whatever tasks of anyone have pushed as an XCom, the page and the tab stand, and each row stands alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.utils.session import create_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from airflow_provider_ei.operators.run_report import REPORT_KEY, build_failure
from airflow_provider_ei.plugins.plugin import URL_PREFIX
from airflow_provider_ei.results import NUMBERS
from tests.plugins.conftest import Rows, sync, upload
from tests.plugins.test_page import TASK

KEYS = sorted(
    {
        *NUMBERS,
        *sync(),
        *upload("x"),
        "dataset",
        "organization_id",
        "written",
        "kind",
        "url",
        "error",
        "failures",
        "plan",
    }
)

odd_numbers = st.sampled_from(
    [-5, -(10**400), 10**400, 10**18, 2**63, 1e308, float("nan"), float("inf"), -float("inf")]
)
strings = st.one_of(
    st.text(st.characters(codec=None, categories=None), max_size=20),
    st.sampled_from(["\ud800", "\udfff\ud800", "\0", "x" * 5000, "<b>", "javascript:alert(1)", "https://x/\ud800"]),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), odd_numbers, strings)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings | st.sampled_from(KEYS), inner, max_size=4),
)
ours = st.dictionaries(st.sampled_from(KEYS), values, max_size=12)
deep = st.integers(900, 30_000).map(lambda depth: "[" * depth + "]" * depth)
huge = st.sampled_from(['"' + "x" * 1_000_000 + '"', json.dumps({"dataset": "d", "changed": ["y" * 1_000_000]})])
stored = st.one_of(
    values.map(json.dumps),
    ours.map(json.dumps),
    ours.map(lambda value: json.dumps({"dataset": "d", "organization_id": 7, "written": True, **value})),
    st.lists(ours, max_size=3).map(json.dumps),
    st.sampled_from(["", "{", '{"dataset": "d"', "nul", "Infinity", '{"dataset": "d", "created": NaN}', "[[[[", "'x'"]),
    deep,
    deep.map(lambda nested: f'{{"dataset": "d", "written": true, "created": {nested}}}'),
    huge,
)


@pytest.fixture
def store(rows: Rows) -> Iterator[Callable[[str, str, str], None]]:
    """Writes a value past Airflow's own checks: ``store(run_id, key, value)``."""

    def write(run_id: str, key: str, value: str) -> None:
        with create_session() as session:
            session.execute(
                text("update xcom set value = :value where run_id = :run_id and key = :key"),
                {"value": value, "run_id": run_id, "key": key},
            )

    rows.task(returns=sync("in-order", created=12))
    rows.task(run_id="run-2", returns=sync(created=1), age=timedelta(minutes=5))
    rows.task(run_id="run-2", task_id="other", state="failed", report={"error": "x"}, returns=sync())
    yield write


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(report=stored, returned=stored, address=stored)
def test_the_page_shows_the_other_tasks_whatever_one_has_pushed(
    store: Callable[[str, str, str], None], page: Callable[..., str], report: str, returned: str, address: str
) -> None:
    for key, value in ((REPORT_KEY, report), ("return_value", returned), ("edge_impulse_studio_url", address)):
        store("run-2", key, value)
    text = page(f"{URL_PREFIX}/")
    assert ">in-order</h2>" in text and "<dd>12</dd>" in text and "nan" not in text and "<dd>inf" not in text
    assert len(text) < 200_000
    for task in ("sync", "other"):
        text = page(TASK.replace("run-1", "run-2").replace("task_id=sync", f"task_id={task}"))
        assert len(text) < 200_000


@pytest.mark.parametrize("number", [-5, 10**400, 1e300, "x", [1], {}])
def test_invalid_numbers_are_limited_and_the_others_are_shown(
    rows: Rows, page: Callable[..., str], number: object
) -> None:
    report = {"dataset": "d", "organization_id": 7, "written": True, "created": number, "updated": 42}
    rows.task(report=json.loads(json.dumps(report)))
    for address in (f"{URL_PREFIX}/", TASK):
        text = page(address)
        assert "<dd>42</dd>" in text and "nvalid numbers" in text


@pytest.mark.parametrize(
    "value", ["{", '{"dataset": "d", "created": NaN}', '{"created": Infinity}', "[]", '"x"', '{"created": 1}']
)
def test_an_unreadable_report_is_mentioned(
    store: Callable[[str, str, str], None], page: Callable[..., str], value: str
) -> None:
    store("run-2", REPORT_KEY, value)
    assert "in the DAG nightly cannot be read" in page()


def test_a_return_value_that_is_too_long_or_not_json_is_mentioned(
    store: Callable[[str, str, str], None], page: Callable[..., str]
) -> None:
    address = TASK.replace("run-1", "run-2")
    store("run-2", "return_value", json.dumps(["x" * 3_000_000]))
    assert "3,000,004 characters it is too long" in page(address)
    store("run-2", "return_value", "{")
    assert "not JSON" in page(address)


@settings(deadline=None, max_examples=100)
@given(dataset=strings, message=strings, names=st.lists(strings, max_size=30))
def test_a_report_is_small_and_storable_whatever_it_contains(dataset: str, message: str, names: list[str]) -> None:
    class Operator:
        pass

    operator: Any = Operator()
    operator.dataset = dataset * 30
    error: Any = RuntimeError(message * 50)
    error.summary = sync("\U0001f600" * 600, failures=[{"name": name * 40, "reason": message * 40} for name in names])
    report = build_failure(operator, error, 7)
    stored = json.dumps(report)
    assert len(stored) <= 4000 and "\\u0000" not in stored
    json.dumps(report, ensure_ascii=False).encode()
    assert report["error"].startswith("RuntimeError")
