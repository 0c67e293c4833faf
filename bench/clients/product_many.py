"""This package, with many data items at once: what ``hook.sync_dataset(items=…)`` does, without Airflow's import."""

from __future__ import annotations

from typing import Any

from airflow_provider_ei.studio.client import StudioClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.dataset.inputs import check_rules, read_source
from airflow_provider_ei.sync.dataset.run import DatasetSync
from bench.clients import job


def _no_store(uri: str) -> Any:
    raise ValueError(f"{uri} is no path")


def upload(given: job.Job) -> dict[str, Any]:
    """Send all items of the job."""
    client = StudioClient(StudioSettings(api_key=job.API_KEY, base_url=given.base_url), connections=given.threads)
    rules = check_rules(sync_id="bench", delete="never", max_delete=None, comparison="digest")
    tree = read_source(
        source=None,
        items=[{"name": item.name, "files": item.files} for item in given.items],
        include=None,
        exclude=None,
        depth=1,
        metadata=job.METADATA,
        open_store=_no_store,
    )
    summary = DatasetSync(client, 1, job.DATASET, tree, rules, workers=given.threads).run()
    outcomes = [outcome for outcome in ("created", "updated", "unchanged", "failed") if summary[outcome]]  # type: ignore[literal-required]
    return {"outcomes": outcomes}


if __name__ == "__main__":
    job.tell(upload)
