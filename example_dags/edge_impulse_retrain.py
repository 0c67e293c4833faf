"""Train a project's model again every week, in the triggerer, and cancel the training after four hours."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator


@dag(schedule="@weekly", start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_retrain():
    """One job, also when the worker is lost: a retry continues to wait for it."""
    # [START retrain]
    EdgeImpulseRetrainOperator(
        task_id="retrain",
        deferrable=True,
        timeout=timedelta(hours=4),
        retries=3,
    )
    # [END retrain]


edge_impulse_retrain()
