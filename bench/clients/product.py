"""This package: what ``hook.add_data`` does, without Airflow's import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.item.prepare import want_item
from airflow_provider_ei.sync.item.upload import ItemUpload
from bench.clients import job


def no_store(uri: str) -> Any:
    """Open no store: all files are on this machine."""
    raise ValueError(f"{uri} is no path")


def prepare(given: job.Job) -> Callable[[job.Item], str]:
    """One client for all items, shared by the threads."""
    client = HttpClient(StudioSettings(api_key=job.API_KEY, base_url=given.base_url), connections=given.threads)

    def upload(item: job.Item) -> str:
        wanted = want_item(
            name=item.name,
            dataset=job.DATASET,
            files=item.folder or item.files,
            metadata=job.METADATA,
            bucket_name=None,
            bucket_id=None,
            bucket_path=None,
            open_store=no_store,
        )
        return ItemUpload(OrganizationDataApi(client, 1), wanted).run()["outcome"]

    return upload


if __name__ == "__main__":
    job.run(prepare)
