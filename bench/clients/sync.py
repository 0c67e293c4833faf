"""This package: what ``hook.sync_dataset`` does, without Airflow's import. Counts the files of the source it opens."""

from __future__ import annotations

import sys
from typing import Any

from airflow_provider_ei.results import SyncSummary
from airflow_provider_ei.studio.client import StudioClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.dataset.prepare import check_rules, read_source
from airflow_provider_ei.sync.dataset.run import DatasetSync
from bench.clients import job
from bench.clients.product import no_store


def run(given: job.Job, *, source: str | None = None, items: list[dict[str, Any]] | None = None) -> SyncSummary:
    """Bring the dataset in step with a folder or a list of items."""
    client = StudioClient(StudioSettings(api_key=job.API_KEY, base_url=given.base_url), connections=given.threads)
    rules = check_rules(sync_id="bench", delete="never", max_delete=None, comparison="digest")
    tree = read_source(
        source=source,
        items=items,
        include=None,
        exclude=None,
        depth=1,
        metadata=job.METADATA,
        open_store=no_store,
    )
    return DatasetSync(client, 1, job.DATASET, tree, rules, workers=given.threads).run()


def sync(given: job.Job) -> dict[str, Any]:
    """Bring the dataset in step with the job's folder, and return the summary."""
    opened = 0

    def watch(event: str, words: tuple[Any, ...]) -> None:
        nonlocal opened
        if event == "open" and str(words[0]).startswith(given.source):
            opened += 1

    sys.addaudithook(watch)
    summary = run(given, source=given.source)
    return {"summary": {**summary, "changed": []}, "opened": opened}


if __name__ == "__main__":
    job.tell(sync)
