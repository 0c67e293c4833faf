"""Sync a dataset with a folder every night: each subfolder is a data item."""

from __future__ import annotations

import os
from datetime import datetime

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.operators.data import EdgeImpulseSyncDatasetOperator

#: For instance /data/study, which contains s17-morning/motion.csv.
SOURCE = os.environ.get("NIGHTLY_SYNC_SOURCE", "/data/study")


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_nightly_sync():
    """Upload new and changed items, delete items whose folder is gone; unchanged files are not read."""
    # [START sync_folder]
    EdgeImpulseSyncDatasetOperator(
        task_id="sync",
        dataset="sleep-study",
        source=SOURCE,
        exclude=["*.tmp", "drafts/"],
        metadata={"study": "sleep", "recording": "{{ item.name }}"},
        delete="extra",
        max_delete=20,
    )
    # [END sync_folder]


edge_impulse_nightly_sync()
