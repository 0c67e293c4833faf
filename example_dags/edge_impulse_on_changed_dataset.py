"""Run whenever anybody has changed a dataset, also in Studio or with another program. Needs Airflow 3."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import Asset, AssetWatcher, dag, task

from airflow_provider_ei.triggers.events import EdgeImpulseDatasetChangedTrigger

# [START on_changed_dataset]
MOTION = Asset(
    "motion_in_studio",
    watchers=[
        AssetWatcher(
            name="motion_has_changed",
            trigger=EdgeImpulseDatasetChangedTrigger(dataset="motion", poll_interval=60, quiet_seconds=300),
        )
    ],
)


@dag(schedule=[MOTION], start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_on_changed_dataset():
    """Print how many data items there are now, and how many there were before."""

    @task
    def tell(triggering_asset_events=None) -> list[dict]:
        events = [event.extra["payload"] for event in (triggering_asset_events or {}).get(MOTION, [])]
        for event in events:
            before = event["before"]["items"] if event["before"] else "an unknown number of"
            print(f"{event['dataset']}: {event['now']['items']} items, before: {before}")
        return events

    tell()


# [END on_changed_dataset]


edge_impulse_on_changed_dataset()
