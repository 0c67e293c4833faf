"""Sync a folder in shards."""

import os
from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_ei.task_groups import edge_impulse_sync

SOURCES = os.environ["CELERY_TEST_SOURCES"]


@dag(schedule=None)
def sync_on_two_workers():
    edge_impulse_sync(
        dataset="sync_on_two_workers",
        source=f"{SOURCES}/sync_on_two_workers",
        shards=6,
        default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
    )


sync_on_two_workers()
