"""Run whenever a dataset has changed, and read from the asset event what has changed."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import Asset, dag, task

DATASET = Asset("edgeimpulse://7/motion")


# [START on_new_data]
@dag(schedule=[DATASET], start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_on_new_data():
    """Print the summary of each sync that triggered this run."""

    @task
    def tell(**context) -> list[dict]:
        # Airflow 2 calls assets datasets.
        events = context.get("triggering_asset_events") or context.get("triggering_dataset_events") or {}
        extras = [event.extra for of_one_asset in events.values() for event in of_one_asset]
        for extra in extras:
            print(f"{extra['dataset']}: {extra['created']} created, {extra['updated']} updated: {extra['url']}")
        return extras

    tell()


# [END on_new_data]


edge_impulse_on_new_data()
