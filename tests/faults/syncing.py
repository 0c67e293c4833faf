"""Syncs a folder in a process of its own, and asks before each step whether it may take it; see ``uploading``.

usage: python -m tests.faults.syncing URL KEY STEPS; the first line of standard input says what to sync, as JSON. STEPS
is ``requests``, or ``none`` to ask nothing.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow_provider_ei.hooks.stores import open_store
from airflow_provider_ei.results import SyncSummary
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.read_source import read_source
from airflow_provider_ei.sync.dataset.sync import DatasetSync
from airflow_provider_ei.sync.item import plan

from .uploading import ask_before_requests

WORKERS = 4


def sync_folder(api: OrganizationDataApi, **arguments: Any) -> SyncSummary:
    """What the hook does, without Airflow, which takes seconds to start."""
    options = SyncOptions(delete="extra", max_delete="100%", workers=WORKERS, **arguments)
    return DatasetSync(api, read_source(options, open_store), options).run()


def main(url: str, key: str, steps: str) -> None:
    given = json.loads(sys.stdin.readline())
    plan.SMALL_ITEM_BYTES = given["small_item_bytes"]
    settings = StudioSettings(
        api_key=key, base_url=url, retry_wait=0.0, settle_seconds=given["settle_seconds"], batch_files=2
    )
    with HttpClient(settings, connections=WORKERS) as http:
        if steps == "requests":
            ask_before_requests(http)
        sync_folder(OrganizationDataApi(http, given["organization"]), **given["arguments"])
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
