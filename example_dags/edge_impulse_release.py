"""Train a model every week, and build its firmware if it is good enough: at least as good as limits say.

The firmware goes to ``RELEASE_OUTPUT``, a directory or the prefix of a bucket.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import Asset, dag

from airflow_provider_ei.task_groups import edge_impulse_release


@dag(
    "edge_impulse_release",
    schedule="@weekly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # two runs would train the same model
    tags=["edge-impulse", "example"],
)
def release():
    """A model that misses a limit fails the task ``test``, and nothing is built."""
    # [START release]
    edge_impulse_release(
        target="zip",
        path=os.environ.get("RELEASE_OUTPUT", "/srv/firmware/"),
        model_type="int8",
        min_accuracy=0.85,
        min_samples=100,
        min_accuracy_by_class=0.7,
        max_drop=0.05,
        description="Weekly release",
        outlets=[Asset("x-firmware://motion")],
        timeout=timedelta(hours=4),
        default_args={"retries": 3},
    )
    # [END release]


release()
