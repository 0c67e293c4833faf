"""Clean raw recordings into a dataset, and import them into a project."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.operators.transform import EdgeImpulseTransformOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_transform():
    """A retry transforms only the data items that have failed."""
    # [START transform]
    clean = EdgeImpulseTransformOperator(
        task_id="clean",
        name="Clean recordings",
        filter="dataset = 'raw'",
        transformation_block_id=1,
        output_dataset="clean",
        deferrable=True,
        retries=3,
    )
    # [END transform]
    # [START into_project]
    to_project = EdgeImpulseTransformOperator(
        task_id="to_project",
        name="Import recordings",
        filter="dataset = 'clean'",
        edge_impulse_project_conn_id="edge_impulse_project_default",
        category="split",
        deferrable=True,
        retries=3,
    )
    # [END into_project]
    clean >> to_project


edge_impulse_transform()
