"""Keep the samples of a project in step with a folder every night, once there are enough of each label."""

from __future__ import annotations

import os
from datetime import datetime

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.operators.sample_sync import EdgeImpulseSyncSamplesOperator

#: For instance /data/gestures, which contains training/wave/wave.01.csv and testing/wave/wave.17.csv.
SOURCE = os.environ.get("SYNC_SAMPLES_SOURCE", "/data/gestures")


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_sync_samples():
    """Upload new and changed files, delete samples whose file is gone; unchanged files are not read."""
    # [START sync_samples]
    EdgeImpulseSyncSamplesOperator(
        task_id="sync_samples",
        source=SOURCE,
        exclude=["*.tmp"],
        metadata={"device": "watch", "recording": "{{ file.stem }}"},
        delete="extra",
        max_delete=20,
    )
    # [END sync_samples]


edge_impulse_sync_samples()
