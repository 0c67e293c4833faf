"""The report that a project's job leaves for Airflow's page."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_ei.exceptions import EdgeImpulseJobError
from airflow_provider_ei.operators.model_report import MODEL_REPORT_KEY, model_reported
from airflow_provider_ei.operators.run_report import MAX_REPORT_BYTES
from airflow_provider_ei.results import MODEL_FACTS

RESULT = {"job_id": 3, "project_id": 1, "state": "succeeded", "url": "https://studio/studio/1/jobs#show-job-3"}


class TaskInstance:
    """Keeps what is pushed."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def reported(
    result: object = None, error: BaseException | None = None, kind: str = "classify", hook: Any = None
) -> dict[str, Any] | None:
    """Return the report of a task that ends so."""
    operator = SimpleNamespace(job_kind=kind, _result=None, _job_id=3, _hook=hook)
    instance = TaskInstance()
    try:
        with model_reported(operator, {"ti": instance}):  # type: ignore[typeddict-item]
            operator._result = result
            if error is not None:
                raise error
    except BaseException as raised:
        assert raised is error
    report: dict[str, Any] | None = instance.pushed.get(MODEL_REPORT_KEY)
    return report


def test_a_report_has_the_facts_of_the_result_and_nothing_else() -> None:
    report = reported({**RESULT, "accuracy": 0.93, "samples": 10, "accuracy_by_class": {"idle": 1}})
    assert report == {**RESULT, "kind": "classify", "accuracy": 0.93, "samples": 10}


def test_a_failed_job_reports_its_error_with_the_project() -> None:
    hook = SimpleNamespace(project_id=1)
    message = "Look at the job in Studio, https://x, and run it again: job 3 failed. Its log:\n a"
    error = EdgeImpulseJobError(message, job_id=3, state="failed")
    report = reported(None, error, "retrain", hook)
    assert report == {
        "kind": "retrain",
        "project_id": 1,
        "job_id": 3,
        "error": "Look at the job in Studio, https://x, and run it again: job 3 failed.",
    }


def test_a_gate_that_fails_the_task_reports_the_accuracy_and_the_error() -> None:
    report = reported({**RESULT, "accuracy": 0.6, "accepted": False}, AirflowFailException("Too low."))
    assert report is not None and (report["accuracy"], report["accepted"]) == (0.6, False)
    assert report["error"] == "AirflowFailException: Too low."


def test_a_gate_that_skips_the_task_reports_no_error() -> None:
    report = reported({**RESULT, "accuracy": 0.6, "accepted": False}, AirflowSkipException("Too low."))
    assert report is not None and report["accepted"] is False and "error" not in report


def test_a_task_that_defers_itself_leaves_no_report() -> None:
    assert reported(None, TaskDeferred(trigger=SimpleNamespace(), method_name="execute_complete")) is None


@pytest.mark.parametrize("kind", ["transform", "refresh"])
def test_a_job_of_another_kind_leaves_no_report(kind: str) -> None:
    assert reported(RESULT, kind=kind) is reported(RESULT, ValueError("x"), kind=kind) is None


def test_a_report_is_small_whatever_is_in_the_result() -> None:
    long = {name: "\N{SNOWMAN}" * 10_000 for name in MODEL_FACTS}
    report = reported({**RESULT, **long}, ValueError("\N{SNOWMAN}" * 10_000))
    assert report is not None and len(json.dumps(report)) <= MAX_REPORT_BYTES
