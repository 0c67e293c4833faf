"""Sync a large dataset with several workers at once."""

from __future__ import annotations

import os
from datetime import datetime

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.task_groups import edge_impulse_sync

#: A folder that all workers see under the same path, or a URI.
SOURCE = os.environ.get("SHARDED_SYNC_SOURCE", "/data/fleet")


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_sharded_sync():
    """Plan, upload the shards on all free workers, then compare everything and delete items that are gone."""
    # [START sync_sharded]
    edge_impulse_sync(
        dataset="fleet",
        source=SOURCE,
        depth=2,  # fleet/vehicle-17/2026-11-23/… is the data item vehicle-17/2026-11-23
        shards=8,
        delete="extra",
        default_args={"retries": 2},
    )
    # [END sync_sharded]


edge_impulse_sharded_sync()
