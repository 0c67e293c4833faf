"""The report of a task that ran a job of a project: a small XCom, from which Airflow's page shows the model.

An operator's base wraps its work in :func:`model_reported`. The report has those keys of ``MODEL_FACTS`` that the
operator's result has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException, AirflowTaskTimeout

from airflow_provider_ei.hooks.best_effort import best_effort
from airflow_provider_ei.operators.run_report import MAX_REPORT_BYTES, first_sentence
from airflow_provider_ei.results import MODEL_FACTS, read_string

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: Name of the XCom.
MODEL_REPORT_KEY = "edge_impulse_model_report"

#: Kinds of jobs that are reported, as operators name them in ``job_kind``.
RETRAIN, TEST, VERSION, BUILD = "retrain", "classify", "version", "build"
MODEL_KINDS = (RETRAIN, TEST, VERSION, BUILD)

#: Longest URL, path and error, and longest string otherwise.
_MAX_LONG, _MAX_STRING = 1000, 200


@contextmanager
def model_reported(operator: Any, context: Context) -> Iterator[None]:
    """Push a report when the block ends: of the operator's ``_result``, and of the error if there is one.

    A job of another kind, and a task that defers itself, leave no report.

    :param operator: has ``job_kind``, and as soon as they are known ``_result``, ``_job_id`` and ``_hook``. A test sets
        ``_result`` before it rejects a model, so that the page shows the accuracy.
    """
    if operator.job_kind not in MODEL_KINDS:
        yield
        return
    try:
        yield
    except AirflowSkipException:
        _push(context, build_model_report(operator))
        raise
    except (Exception, AirflowTaskTimeout) as error:
        _push(context, build_model_report(operator, error))
        raise
    if operator._result is not None:
        _push(context, build_model_report(operator))


def build_model_report(operator: Any, error: BaseException | None = None) -> dict[str, Any]:
    """Return the report of an operator, without empty values and at most ``MAX_REPORT_BYTES`` long."""
    result = operator._result if isinstance(operator._result, Mapping) else {}
    facts = {name: result.get(name) for name in ("project_id", "job_id", "url", "state", *MODEL_FACTS)}
    report = {
        **facts,
        "kind": operator.job_kind,
        "project_id": facts["project_id"] or vars(operator._hook or operator).get("project_id"),
        "job_id": facts["job_id"] or operator._job_id,
        "error": None if error is None else first_sentence(error),
    }
    report = {name: _short(name, value) for name, value in report.items() if value is not None}
    while len(json.dumps(report)) > MAX_REPORT_BYTES:
        report.pop(max(report, key=lambda name: len(str(report[name]))))
    return report


def _short(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return read_string(value, _MAX_LONG if name in ("path", "url", "error") else _MAX_STRING)


def _push(context: Context, report: Mapping[str, Any]) -> None:
    if (task_instance := context.get("ti")) is not None:
        with best_effort("The report for Airflow's page"):
            task_instance.xcom_push(key=MODEL_REPORT_KEY, value=dict(report))
