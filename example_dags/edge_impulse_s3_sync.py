"""Sync a dataset with a prefix of a bucket whenever an asset event says that the bucket has changed."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import Asset, dag

from airflow_provider_ei.operators.data import EdgeImpulseSyncDatasetOperator

RECORDINGS = Asset("s3://recordings/motion")
DATASET = Asset("edgeimpulse://7/motion")


@dag(schedule=[RECORDINGS], start_date=datetime(2026, 1, 1), tags=["edge-impulse", "example"])
def edge_impulse_s3_sync():
    """Stream the objects from the bucket to Edge Impulse, without files on the disk."""
    # [START sync_bucket]
    EdgeImpulseSyncDatasetOperator(
        task_id="sync",
        dataset="motion",
        source="s3://aws_default@recordings/motion",
        workers=16,
        outlets=[DATASET],  # its event carries the summary and triggers the DAGs that are scheduled on it
    )
    # [END sync_bucket]


edge_impulse_s3_sync()
