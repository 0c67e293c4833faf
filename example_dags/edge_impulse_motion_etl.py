"""From raw recordings of a smart watch to a dataset of forty data items.

An ETL task turns the raw file into one CSV a recording, in Edge Impulse's layout (first column ``timestamp`` in
milliseconds, then one column an axis), and mapped tasks upload them.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path
from tempfile import gettempdir

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator

RAW = Path(__file__).parent / "data" / "BasicMotions_TRAIN.ts"
FREQUENCY_HZ = 10
AXES = ["accX (m/s2)", "accY (m/s2)", "accZ (m/s2)", "gyrX (rad/s)", "gyrY (rad/s)", "gyrZ (rad/s)"]

# A folder that all workers of this DAG can read and write: a shared disk, or a bucket's URI.
OUTPUT = Path(os.environ.get("MOTION_ETL_OUTPUT", Path(gettempdir()) / "edge-impulse-motion"))


@dag(schedule=None, tags=["edge-impulse", "example"])
def edge_impulse_motion_etl():
    """Extract recordings, write them as CSV, upload each as a data item."""

    # [START motion_etl]
    @task
    def extract(raw: str) -> list[dict]:
        """Write one CSV file per recording; return the arguments of one upload for each."""
        uploads = []
        seen: Counter[str] = Counter()
        _, _, recordings = Path(raw).read_text().partition("@data\n")
        for recording in recordings.splitlines():
            *channels, label = recording.split(":")
            activity = label.lower()
            seen[activity] += 1
            name = f"{activity}-{seen[activity]:02d}"
            samples = zip(*(channel.split(",") for channel in channels), strict=True)
            path = OUTPUT / name / "motion.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["timestamp", *AXES])
                writer.writerows((number * 1000 // FREQUENCY_HZ, *sample) for number, sample in enumerate(samples))
            metadata = {"activity": activity, "frequency_hz": FREQUENCY_HZ, "source": Path(raw).name}
            uploads.append({"name": name, "files": str(path), "metadata": metadata})
        return uploads

    EdgeImpulseAddDataOperator.partial(task_id="add_data", dataset="basic-motions").expand_kwargs(extract(str(RAW)))
    # [END motion_etl]


edge_impulse_motion_etl()
