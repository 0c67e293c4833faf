"""Shows a report to people, and writes it as JSON. Neither has a key, a host or a name of data in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from airflow_provider_ei import __version__
from airflow_provider_ei.check.questions import Answer, Value
from airflow_provider_ei.check.run import Report

_TITLES = {
    "connection": "The connection",
    "network": "The way to the service",
    "listing": "Listings",
    "names": "Names",
    "items": "Data items",
}


def report_as_json(report: Report) -> dict[str, Any]:
    """Return a report as a JSON object."""
    answers = report.answers.values()
    return {
        "provider": __version__,
        "checked": datetime.now(UTC).date().isoformat(),
        "kind": report.kind,
        "wrote": report.wrote,
        "answers": {answer.id: answer.value for answer in answers if answer.value is not None},
        "unknown": {answer.id: answer.why for answer in answers if answer.value is None},
        "left": [{"dataset": left.dataset, "data_id": left.data_id, "why": left.why} for left in report.left],
        "service": report.known_service().facts(),
    }


def print_report(report: Report, console: Console) -> None:
    """Print a report as a table: question, answer, what it means."""
    for group, answers in report.groups.items():
        asked = [answer for answer in answers if answer.value is not None or answer.why != "it takes --write"]
        if not asked:
            continue
        table = Table(title=_TITLES[group], title_justify="left", title_style="bold", expand=True)
        table.add_column("Question", ratio=5)
        table.add_column("Answer", no_wrap=True, min_width=13)
        table.add_column("What it means for you", ratio=6)
        for answer in asked:
            table.add_row(answer.text, _shown(answer), answer.meaning)
        console.print(table)
    if report.kind == "organization" and not report.wrote:
        console.print("How the service treats names, duplicates and metadata: run the check with --write.")


def _shown(answer: Answer) -> str:
    return "?" if answer.value is None else _value(answer.value)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else value
