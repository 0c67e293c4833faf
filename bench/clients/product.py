"""This package: what the hook's methods do, without Airflow's imports."""

from __future__ import annotations

import threading
from typing import Any

from airflow_provider_ei.sources.object_store import OpenStore
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.api.ingestion import IngestionApi
from airflow_provider_ei.studio.api.samples import SamplesApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.read_source import read_source
from airflow_provider_ei.sync.dataset.sync import DatasetSync
from airflow_provider_ei.sync.item.upload import ItemUpload
from airflow_provider_ei.sync.item.wanted import want_item
from airflow_provider_ei.sync.samples.options import SampleSyncOptions
from airflow_provider_ei.sync.samples.sample_index import SampleIndex
from airflow_provider_ei.sync.samples.sync import SampleSync
from bench.clients import job


def no_store(uri: str) -> Any:
    """Open no store: all files are on this machine."""
    raise ValueError(f"{uri} is not a path on this machine")


def add_data(given: job.Job, open_store: OpenStore = no_store) -> dict[str, Any]:
    """Upload each item on its own, as ``hook.add_data`` does."""
    data = _data(given)

    def upload(item: job.Item) -> str:
        wanted = want_item(
            name=item.name,
            dataset=job.DATASET,
            files=item.folder or item.files,
            metadata=job.METADATA,
            bucket_name=None,
            bucket_id=None,
            bucket_path=None,
            open_store=open_store,
        )
        return ItemUpload(data, wanted).run()["outcome"]

    return job.each(upload, given)


def sync_items(given: job.Job) -> dict[str, Any]:
    """Upload all items at once, as ``hook.sync_dataset(items=…)`` does."""
    summary = _sync(given, items=[{"name": item.name, "files": item.files} for item in given.items])
    return {"outcomes": [outcome for outcome in ("created", "updated", "unchanged", "failed") if summary[outcome]]}


def sync_folder(given: job.Job) -> dict[str, Any]:
    """Sync the dataset with the job's folder, as ``hook.sync_dataset(source=…)`` does."""
    summary = _sync(given, source=given.source)
    counts = ("created", "updated", "unchanged", "failed", "bytes_sent")
    return {"outcomes": ["created"] if summary["created"] else [], "summary": {key: summary[key] for key in counts}}


def sync_samples(given: job.Job) -> dict[str, Any]:
    """Sync the samples of a project with the job's folder, as ``hook.sync_samples`` does."""
    settings = StudioSettings(api_key=job.API_KEY, base_url=given.base_url)
    ingestion = settings.for_ingestion(given.base_url.removesuffix("/v1"))
    options = SampleSyncOptions.check(source=given.source, workers=given.threads, sync_id="bench")
    source = SampleIndex(options)
    source.read(no_store)
    with (
        HttpClient(settings, connections=given.threads) as http,
        HttpClient(ingestion, connections=given.threads) as other,
    ):
        summary = SampleSync(SamplesApi(http, 1), IngestionApi(other), source, options, url="").run()
    counts = ("created", "updated", "unchanged", "failed", "requests")
    return {"outcomes": [], "summary": {key: summary[key] for key in counts}}  # type: ignore[literal-required]


def connect(given: job.Job) -> dict[str, Any]:
    """Send the first request of as many connections as there are threads, all at once."""
    data, barrier = _data(given), threading.Barrier(given.threads)

    def look(item: job.Item) -> str:
        barrier.wait()
        return f"found {len(data.find_data_items(job.DATASET, item.name))}"

    return job.each(look, given)


def _data(given: job.Job) -> OrganizationDataApi:
    settings = StudioSettings(api_key=job.API_KEY, base_url=given.base_url)
    return OrganizationDataApi(HttpClient(settings, connections=given.threads), 1)


def _sync(given: job.Job, *, source: str | None = None, items: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    options = SyncOptions(
        dataset=job.DATASET,
        source=source,
        items=items,
        metadata=job.METADATA,
        workers=given.threads,
        sync_id="bench",
    )
    return dict(DatasetSync(_data(given), read_source(options, no_store), options).run())


if __name__ == "__main__":
    job.run(add_data, sync_items, sync_folder, sync_samples, connect)
