"""Upload new recordings, then run the organization's pipeline over them, in the triggerer."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.operators.data import EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.operators.pipeline import EdgeImpulseRunPipelineOperator


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_pipeline():
    """The pipeline runs when the upload is complete, instead of on a schedule of its own."""
    upload = EdgeImpulseSyncDatasetOperator(
        task_id="upload", dataset="raw", source=os.environ.get("PIPELINE_SOURCE", "/data/recordings")
    )
    # [START pipeline]
    run = EdgeImpulseRunPipelineOperator(
        task_id="run_pipeline",
        pipeline_id=1,
        deferrable=True,
        timeout=timedelta(hours=8),
        retries=3,
    )
    # [END pipeline]
    upload >> run


edge_impulse_pipeline()
