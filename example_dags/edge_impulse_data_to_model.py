"""From new recordings to firmware: sync a dataset, transform it into a project, train, test, and build if it is good.

The recordings come from ``DATA_TO_MODEL_SOURCE``, a directory or bucket with a folder for each of them; the firmware
goes to ``DATA_TO_MODEL_FIRMWARE``. ``make demo-release`` runs this DAG twice.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.operators.data import EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.operators.transform import EdgeImpulseTransformOperator
from airflow_provider_ei.task_groups import edge_impulse_release

SOURCE = os.environ.get("DATA_TO_MODEL_SOURCE", "/data/motion")
FIRMWARE = os.environ.get("DATA_TO_MODEL_FIRMWARE", "/srv/firmware/motion.zip")
DATASET = "motion"


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # two runs would train the same model
    tags=["edge-impulse", "example"],
)
def edge_impulse_data_to_model():
    """Every step waits for its job; the test decides whether there is firmware."""
    # [START data_to_model]
    sync = EdgeImpulseSyncDatasetOperator(task_id="sync", dataset=DATASET, source=SOURCE)
    transform = EdgeImpulseTransformOperator(
        task_id="transform",
        name="motion",
        filter=f"dataset = '{DATASET}'",
        transformation_block_id=1,
        edge_impulse_project_conn_id="edge_impulse_project_default",
        category="split",
    )
    release = edge_impulse_release(
        group_id="release",
        target="zip",
        path=FIRMWARE,
        min_accuracy=0.85,
        min_samples=12,
        max_drop=0.1,
        description="Daily release",
        timeout=timedelta(hours=4),
    )
    sync >> transform >> release
    # [END data_to_model]


edge_impulse_data_to_model()
