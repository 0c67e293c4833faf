"""Syncs a folder in a process of its own, and asks before each step whether it may take it; see ``uploading``.

usage: python -m tests.faults.syncing URL KEY STEPS; the first line of standard input says what to sync, as JSON. STEPS
is ``requests``, or ``none`` to ask nothing.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

from airflow_provider_ei.hooks.syncing import prepare_sync
from airflow_provider_ei.results import SyncSummary
from airflow_provider_ei.studio.client import StudioClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync import plan

from .uploading import ask_before_requests

WORKERS = 4


def sync_folder(client: StudioClient, organization_id: int, **arguments: Any) -> SyncSummary:
    """What the hook does, without Airflow, which takes seconds to start."""
    hook: Any = SimpleNamespace(client=client, organization_id=organization_id)
    return prepare_sync(hook, delete="extra", max_delete="100%", workers=WORKERS, **arguments).run()


def main(url: str, key: str, steps: str) -> None:
    given = json.loads(sys.stdin.readline())
    plan.SMALL_ITEM_BYTES = given["small_item_bytes"]
    settings = StudioSettings(
        api_key=key, base_url=url, retry_wait=0.0, settle_seconds=given["settle_seconds"], batch_files=2
    )
    with StudioClient(settings, connections=WORKERS) as client:
        if steps == "requests":
            ask_before_requests(client)
        sync_folder(client, given["organization"], **given["arguments"])
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
