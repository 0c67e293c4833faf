"""Upload the data item that a function returns, in one task; a sensor waits for the item."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import mkdtemp

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_ei.sensors.dataset import EdgeImpulseDataItemSensor


@dag(schedule=None, tags=["edge-impulse", "example"])
def edge_impulse_taskflow():
    """Record and upload in one task; then wait, as another DAG would, until the item is complete."""

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
        deferrable=False,  # True if a triggerer runs: the sensor then occupies no worker
    )

    record("kitchen") >> wait
    # [END taskflow]


edge_impulse_taskflow()
