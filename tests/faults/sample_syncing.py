"""Syncs samples in a process of its own, and asks before each request whether it may send it; see ``uploading``.

usage: python -m tests.faults.sample_syncing URL KEY STEPS; the first line of standard input says what to sync, as JSON.
"""

from __future__ import annotations

import json
import sys

from airflow_provider_ei.studio.api.ingestion import IngestionApi
from airflow_provider_ei.studio.api.samples import SamplesApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.sample_syncs import run

from .uploading import ask_before_requests

WORKERS = 2


def main(url: str, key: str, steps: str) -> None:
    given = json.loads(sys.stdin.readline())
    settings = StudioSettings(api_key=given["key"], base_url=url, retry_wait=0.0, retry_attempts=2)
    ingestion = settings.for_ingestion(given["ingestion_url"])
    with HttpClient(settings, connections=WORKERS) as http, HttpClient(ingestion, connections=WORKERS) as other:
        if steps == "requests":
            ask_before_requests(http)
            ask_before_requests(other)
        run(SamplesApi(http, 1), IngestionApi(other), **given["arguments"])
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
