"""Sync a folder in small steps, so that a worker can be killed between two of them."""

import os
from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_ei.sync.item import plan
from airflow_provider_ei.task_groups import edge_impulse_sync

SOURCES = os.environ["CELERY_TEST_SOURCES"]

# Items of several requests: one creates the item as pending, another completes it.
plan.SMALL_ITEM_BYTES = 10


@dag(schedule=None)
def sync_with_a_killed_worker():
    edge_impulse_sync(
        dataset="sync_with_a_killed_worker",
        source=f"{SOURCES}/sync_with_a_killed_worker",
        shards=6,
        workers=1,  # so that a whole shard waits for one request
        default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
    )


sync_with_a_killed_worker()
