"""This package, with many data items at once: what ``hook.sync_dataset(items=…)`` does, without Airflow's import."""

from __future__ import annotations

from typing import Any

from bench.clients import job
from bench.clients.sync import run


def upload(given: job.Job) -> dict[str, Any]:
    """Send all items of the job."""
    summary = run(given, items=[{"name": item.name, "files": item.files} for item in given.items])
    outcomes = [outcome for outcome in ("created", "updated", "unchanged", "failed") if summary[outcome]]  # type: ignore[literal-required]
    return {"outcomes": outcomes}


if __name__ == "__main__":
    job.tell(upload)
