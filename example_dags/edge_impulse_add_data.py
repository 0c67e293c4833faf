"""The smallest useful DAG: one task writes two files, the next task uploads them as a data item."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import mkdtemp

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator


@dag(schedule=None, tags=["edge-impulse", "example"])
def edge_impulse_add_data():
    """Upload one recording with its notes."""

    @task
    def record() -> list[str]:
        folder = Path(mkdtemp(prefix="recording-"))
        recording, notes = folder / "recording.csv", folder / "notes.json"
        recording.write_text("timestamp,accX (m/s2),accY (m/s2),accZ (m/s2)\n0,0.1,0.2,9.8\n10,0.1,0.3,9.7\n")
        notes.write_text(json.dumps({"room": "kitchen"}))
        return [str(recording), str(notes)]

    # [START add_data]
    EdgeImpulseAddDataOperator(
        task_id="add_data",
        name="kitchen-01",
        dataset="appliances",
        files=record(),
        metadata={"device": "washing machine", "frequency_hz": 100, "run": "{{ run_id }}"},
        bucket_name="Internal datasets",
    )
    # [END add_data]


edge_impulse_add_data()
