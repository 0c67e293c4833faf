"""This package: what ``hook.sync_dataset`` does, without Airflow's import. Counts the files of the source it opens."""

from __future__ import annotations

import sys
from typing import Any

from airflow_provider_ei.results import SyncSummary
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.read_source import read_source
from airflow_provider_ei.sync.dataset.sync import DatasetSync
from bench.clients import job
from bench.clients.product import no_store


def run(given: job.Job, *, source: str | None = None, items: list[dict[str, Any]] | None = None) -> SyncSummary:
    """Bring the dataset in step with a folder or a list of items."""
    client = HttpClient(StudioSettings(api_key=job.API_KEY, base_url=given.base_url), connections=given.threads)
    options = SyncOptions(
        dataset=job.DATASET,
        source=source,
        items=items,
        metadata=job.METADATA,
        workers=given.threads,
        sync_id="bench",
    )
    return DatasetSync(OrganizationDataApi(client, 1), read_source(options, no_store), options).run()


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
