"""From raw recordings of a smart watch to forty labeled samples of a project, without an organization.

An ETL task turns the raw file into one CSV a recording, in a folder for each activity, and one task uploads them all.
The folders become the labels.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path
from tempfile import gettempdir

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_ei.operators.samples import EdgeImpulseUploadSamplesOperator

RAW = Path(__file__).parent / "data" / "BasicMotions_TRAIN.ts"
FREQUENCY_HZ = 10
AXES = ["accX (m/s2)", "accY (m/s2)", "accZ (m/s2)", "gyrX (rad/s)", "gyrY (rad/s)", "gyrZ (rad/s)"]

# A folder that all workers of this DAG can read and write: a shared disk, or a bucket's URI.
OUTPUT = Path(os.environ.get("MOTION_SAMPLES_OUTPUT", Path(gettempdir()) / "edge-impulse-samples"))


@dag(schedule=None, tags=["edge-impulse", "example"])
def edge_impulse_samples():
    """Extract recordings, write them as CSV, upload them as samples."""

    # [START upload_samples]
    @task
    def extract(raw: str) -> str:
        """Write one CSV file per recording, in a folder named after its activity; return the folder of all."""
        seen: Counter[str] = Counter()
        _, _, recordings = Path(raw).read_text().partition("@data\n")
        for recording in recordings.splitlines():
            *channels, label = recording.split(":")
            activity = label.lower()
            seen[activity] += 1
            path = OUTPUT / activity / f"{activity}.{seen[activity]:02d}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["timestamp", *AXES])
                values = zip(*(channel.split(",") for channel in channels), strict=True)
                writer.writerows((number * 1000 // FREQUENCY_HZ, *sample) for number, sample in enumerate(values))
        return str(OUTPUT)

    EdgeImpulseUploadSamplesOperator(
        task_id="upload_samples",
        files=extract(str(RAW)),
        category="split",  # the service chooses between training and testing
        sample_label="{{ file.folder }}",
        metadata={"source": RAW.name, "frequency_hz": FREQUENCY_HZ},
    )
    # [END upload_samples]


edge_impulse_samples()
