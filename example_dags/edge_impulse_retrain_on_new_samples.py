"""Train a project's model again when its samples have changed, and nobody has changed them for ten minutes.

Needs Airflow 3.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Asset, AssetWatcher, dag

from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator
from airflow_provider_ei.triggers.events import EdgeImpulseProjectChangedTrigger

# [START retrain_on_new_samples]
SAMPLES = Asset(
    "samples_of_the_project",
    watchers=[
        AssetWatcher(
            name="samples_have_changed",
            trigger=EdgeImpulseProjectChangedTrigger(poll_interval=60, quiet_seconds=600),
        )
    ],
)


@dag(
    schedule=[SAMPLES],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["edge-impulse", "example"],
)
def edge_impulse_retrain_on_new_samples():
    """The training itself changes the project, too, and leads to no other run."""
    EdgeImpulseRetrainOperator(task_id="retrain", deferrable=True, timeout=timedelta(hours=4), retries=3)


# [END retrain_on_new_samples]


edge_impulse_retrain_on_new_samples()
