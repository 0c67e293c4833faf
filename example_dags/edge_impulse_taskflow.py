"""A function that returns a data item, uploaded by its own task; and a sensor that waits for the item."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import mkdtemp

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_ei.sensors.dataset import EdgeImpulseDataItemSensor


@dag(schedule=None, tags=["edge-impulse", "example"])
def edge_impulse_taskflow():
    """Record and upload in one task; then wait, as another DAG would, until the item is there and complete."""

    # [START taskflow]
    @task.edge_impulse_add_data(dataset="appliances")
    def record(room: str) -> dict:
        folder = Path(mkdtemp(prefix="recording-"))
        (folder / "recording.csv").write_text("timestamp,accX (m/s2)\n0,0.1\n10,0.3\n")
        (folder / "notes.json").write_text(json.dumps({"room": room}))
        return {"name": f"{room}-02", "files": str(folder), "metadata": {"device": "dryer", "room": room}}

    wait = EdgeImpulseDataItemSensor(
        task_id="wait",
        dataset="appliances",
        name="kitchen-02",
        poke_interval=30,
        timeout=3600,
        deferrable=False,  # True where a triggerer runs: then waiting takes no worker
    )

    record("kitchen") >> wait
    # [END taskflow]


edge_impulse_taskflow()
