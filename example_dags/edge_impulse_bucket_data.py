"""Data that lies in the organization's bucket: import a folder, and keep a dataset equal to the bucket."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.operators.bucket_data import (
    EdgeImpulseImportFolderOperator,
    EdgeImpulseRefreshDatasetOperator,
)


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_bucket_data():
    """No file passes through the worker. The refresh is refused if more than ten data items would be removed."""
    # [START import]
    imported = EdgeImpulseImportFolderOperator(
        task_id="import",
        dataset="lab",
        bucket_id=1,
        bucket_path="lab/2026",
        deferrable=True,
    )
    # [END import]
    # [START refresh]
    refreshed = EdgeImpulseRefreshDatasetOperator(
        task_id="refresh",
        dataset="lab",
        max_missing=10,
        bucket_uri="s3://aws_default@recordings",
        deferrable=True,
    )
    # [END refresh]
    imported >> refreshed


edge_impulse_bucket_data()
