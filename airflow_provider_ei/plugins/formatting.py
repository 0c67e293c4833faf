"""Formats numbers, times and links for the page."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from airflow_provider_ei.plugins.task_keys import TaskKey

#: Shown instead of an unknown value.
NOTHING = "\N{EN DASH}"


def short(text: str, max_length: int = 80) -> str:
    """Shorten a long name."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(number: float) -> str:
    """Return a number of bytes in a suitable unit."""
    units = ("B", "kB", "MB", "GB", "TB")
    unit = 0
    while number >= 999.5 and unit < len(units) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {units[unit]}" if unit and number < 9.95 else f"{number:.0f} {units[unit]}"


def percent(fraction: float) -> str:
    """Return a fraction as a percentage."""
    return f"{100 * fraction:.1f} %"


def duration(seconds: float | None) -> str:
    """Return a duration in a suitable unit."""
    if seconds is None:
        return NOTHING
    if seconds < 0.1:
        return "< 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def date(when: datetime | None) -> str:
    """Return a time in UTC, because the server does not know the reader's time zone."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if when else NOTHING


def ago(when: datetime | None, now: datetime) -> str:
    """Return how long ago a time was."""
    if when is None:
        return NOTHING
    minutes = int((now - when).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days ago"


# Links are relative: Airflow's own pages are one level above this application, also when Airflow has a base path.


def run_address(key: TaskKey) -> str:
    """Return the link to the DAG run."""
    return f"../dags/{_part(key.dag_id)}/runs/{_part(key.run_id)}"


def task_address(key: TaskKey) -> str:
    """Return the link to the task in its run; for a mapped task, to all its instances."""
    mapped = "/mapped" if key.map_index >= 0 else ""
    return f"{run_address(key)}/tasks/{_part(key.task_id)}{mapped}"


def log_address(key: TaskKey, try_number: int = 0) -> str:
    """Return the link to the log of one task instance."""
    mapped = f"/{key.map_index}" if key.map_index >= 0 else ""
    return f"{task_address(key)}{mapped}" + (f"?try_number={try_number}" if try_number else "")


def _part(text: str) -> str:
    return quote(text, safe="")
