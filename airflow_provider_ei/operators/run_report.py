"""The report of a task for the page in Airflow: a small XCom with the sums of what it did, and with what failed.

The page reads only these reports, so its cost does not depend on the number of data items that a task uploads. Failed
tasks push a report, too. The size of a report is bounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.hooks.best_effort import best_effort
from airflow_provider_ei.results import Result, read_result, read_string

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook

#: Name of the XCom.
REPORT_KEY = "edge_impulse_report"

#: Size limit of a report as JSON, in bytes.
MAX_REPORT_BYTES = 4000

#: Limits of a report: failed data items, and characters of a dataset's name, of a data item's name and of a sentence.
MAX_REPORTED_FAILURES = 5
_MAX_DATASET, _MAX_NAME, _MAX_SENTENCE = 250, 120, 300

DRY_RUN, SYNC, UPLOAD, SHARD = "dry run", "sync", "upload", "shard"


def report_result(context: Context, returned: object, *, is_shard: bool = False) -> None:
    """Push the report of a task that succeeded.

    :param returned: what the task returns: the result of an upload, a list of results, or the summary of a sync.
    :param is_shard: whether the task is a shard of a sync whose last task reports the sum.
    """
    if (result := read_result(returned)) is not None:
        _push(context, build_report(result, SHARD if is_shard else None))


@contextmanager
def failure_reported(context: Context, operator: Any, hook: EdgeImpulseHook) -> Iterator[None]:
    """Push a report of an error that ends the block, and raise the error again.

    :param operator: the report names its ``dataset``, and counts what its ``_result`` holds so far.
    """
    try:
        yield
    except (Exception, AirflowTaskTimeout) as error:
        _push(context, build_failure(operator, error, vars(hook).get("organization_id")))
        raise


def build_report(result: Result, kind: str | None = None) -> dict[str, Any]:
    """Return the report of a result, without zeros.

    ``written`` is present when the task wrote data items or found them up to date, except in a dry run.
    """
    kind = kind or (DRY_RUN if result.dry_run else SYNC if result.is_sync else UPLOAD)
    report: dict[str, Any] = {
        "dataset": read_string(result.dataset, _MAX_DATASET),
        "organization_id": result.organization_id,
        "kind": kind,
        "url": result.url,
        "written": not result.dry_run and result.counts.confirmed_items > 0,
        **result.counts.to_json(),
    }
    return _bounded({name: value for name, value in report.items() if value})


def build_failure(operator: Any, error: BaseException, organization_id: int | None = None) -> dict[str, Any]:
    """Return the report of a task that failed.

    :param organization_id: None when the task failed before the organization was known.
    """
    summary = getattr(error, "summary", None)
    result = read_result(summary if summary is not None else getattr(operator, "_result", None))
    is_upload = hasattr(operator, "if_exists")
    report: dict[str, Any] = {
        "dataset": read_string(getattr(operator, "dataset", None), _MAX_DATASET),
        "organization_id": organization_id,
        "kind": UPLOAD if is_upload else SYNC,
        **(build_report(result) if result else {}),
        "error": first_sentence(error),
    }
    if is_upload:
        report["failed"] = report.get("failed", 0) + 1
        failures: list[dict[str, Any]] = [{"name": getattr(operator, "name", None), "reason": ""}]
    else:
        failures = list(summary.get("failures", ()) if isinstance(summary, Mapping) else ())
    report["failures"] = [failure for one in failures[:MAX_REPORTED_FAILURES] if (failure := _failure(one))]
    return _bounded({name: value for name, value in report.items() if value})


def _bounded(report: dict[str, Any]) -> dict[str, Any]:
    """Shorten a report that is too large, starting with the last failed items."""
    while len(json.dumps(report)) > MAX_REPORT_BYTES:
        if report.get("failures"):
            report["failures"].pop()
        elif "url" in report:
            del report["url"]
        else:
            report["error"] = report["error"][: len(report["error"]) // 2]
    return report


def first_sentence(error: BaseException | str) -> str:
    """Return the first sentence of a message, on one line and of limited length.

    For errors of other packages the class is named, because their messages may not make sense without it.
    """
    sentence = re.split(r"(?<=[.!?])\s|\n", str(error).strip(), maxsplit=1)[0].rstrip(": ")
    if isinstance(error, BaseException) and (not isinstance(error, EdgeImpulseError) or not sentence):
        sentence = f"{type(error).__name__}: {sentence}".rstrip(": ")
    return read_string(sentence, _MAX_SENTENCE) or ""


def _failure(value: object) -> dict[str, str] | None:
    if not isinstance(value, Mapping) or (name := read_string(value.get("name"), _MAX_NAME)) is None:
        return None
    return {"name": name, "reason": first_sentence(str(value.get("reason") or ""))}


def _push(context: Context, report: Mapping[str, Any]) -> None:
    """Push the report. A failure to do so never changes the outcome of the task."""
    if (task_instance := context.get("ti")) is not None:
        with best_effort("The report for Airflow's page"):
            task_instance.xcom_push(key=REPORT_KEY, value=dict(report))
