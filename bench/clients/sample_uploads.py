"""Uploads of samples to a project: this package, a loop of requests, and Edge Impulse's Python SDK."""

from __future__ import annotations

import os
from typing import Any

from bench.clients import job


def upload_samples(given: job.Job) -> dict[str, Any]:
    """Upload all files, as ``hook.upload_samples`` does."""
    from airflow_provider_ei.samples.options import UploadOptions
    from airflow_provider_ei.samples.prepare import prepare_samples
    from airflow_provider_ei.samples.upload import SampleUpload
    from airflow_provider_ei.studio.api.ingestion import IngestionApi
    from airflow_provider_ei.studio.api.samples import SamplesApi
    from airflow_provider_ei.studio.http import HttpClient
    from airflow_provider_ei.studio.settings import StudioSettings
    from bench.clients.product import no_store

    settings = StudioSettings(api_key=_key(), base_url=given.base_url)
    http = HttpClient(settings, connections=given.threads)
    ingestion = HttpClient(settings.for_ingestion(_url()), connections=given.threads)
    options = UploadOptions.check(category="training", sample_label="x", workers=given.threads)
    samples, _ = prepare_samples(os.path.dirname(given.items[0].files[0]), options, no_store)
    result = SampleUpload(SamplesApi(http, 1), IngestionApi(ingestion), samples, options, url="").run()
    return {"outcomes": ["created"], "requests": result["requests"]}


def loop(given: job.Job) -> dict[str, Any]:
    """Send one file after the other with ``requests.post``, as Edge Impulse's documentation shows it."""
    import requests

    url = f"{_url()}/api/training/files"
    headers = {"x-api-key": _key(), "x-label": "x", "x-disallow-duplicates": "1"}

    def upload(item: job.Item) -> str:
        with open(item.files[0], "rb") as file:
            part = (os.path.basename(item.files[0]), file, "audio/wav")
            return job.accepted(requests.post(url, headers=headers, files=[("data", part)]).json())

    return {**job.each(upload, given), "requests": len(given.items)}


def sdk(given: job.Job) -> dict[str, Any]:
    """Call ``upload_samples`` of the Python SDK with as many workers."""
    import edgeimpulse  # type: ignore[import-untyped]
    from edgeimpulse.data import Sample  # type: ignore[import-untyped]

    edgeimpulse.API_KEY = _key()
    edgeimpulse.INGESTION_ENDPOINT = _url()
    paths = [item.files[0] for item in given.items]
    samples = [
        Sample(filename=os.path.basename(path), data=open(path, "rb"), category="training", label="x")  # noqa: SIM115
        for path in paths
    ]
    response = edgeimpulse.data.upload_samples(samples, max_workers=given.threads)
    if response.fails:
        raise ValueError(f"{len(response.fails)} failed: {response.fails[0]}")
    return {"outcomes": ["sent"], "requests": len(given.items)}


def _url() -> str:
    return os.environ["BENCH_INGESTION_URL"]


def _key() -> str:
    return os.environ["BENCH_PROJECT_KEY"]


if __name__ == "__main__":
    job.run(upload_samples, loop, sdk)
