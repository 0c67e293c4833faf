"""Download the data items that a filter finds, into a folder that other tasks read."""

from __future__ import annotations

import os
from datetime import datetime

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_ei.operators.download import EdgeImpulseDownloadDataOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_download():
    """The second run downloads only what has changed."""
    # [START download]
    downloaded = EdgeImpulseDownloadDataOperator(
        task_id="download",
        dataset="motion",
        filter="metadata->activity = 'running'",
        destination=os.environ.get("DOWNLOAD_DESTINATION", "/data/running"),
    )
    # [END download]

    @task
    def tell(result):
        print(f"{result['downloaded']} of {result['file_count']} files in {result['destination']}")

    tell(downloaded.output)


edge_impulse_download()
