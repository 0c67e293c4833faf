"""A sensor in real Airflow that waits in the trigger, while its data item is still to come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from tests.support.airflow_runs import DAGS_FOLDER, run_dag

DAG = """
from airflow.providers.common.compat.sdk import dag
from airflow_provider_ei.sensors.dataset import EdgeImpulseDataItemSensor

@dag(schedule=None)
def deferring():
    EdgeImpulseDataItemSensor(task_id="wait", dataset="d", name="late", deferrable=True, poke_interval=0.2, timeout=60)

deferring()
"""


@pytest.fixture
def dag_file() -> Iterator[Path]:
    path = DAGS_FOLDER / "deferring.py"
    path.write_text(DAG)
    yield path
    path.unlink()


def test_a_deferred_sensor_succeeds_when_the_item_appears(
    studio: EmulatorServer, airflow_database: None, dag_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text("1")

    def upload_after_some_looks() -> None:
        until = time.monotonic() + 60
        while len(studio.requests()) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        EdgeImpulseHook().add_data(name="late", dataset="d", files=str(tmp_path / "x.csv"))

    upload = threading.Thread(target=upload_after_some_looks)
    upload.start()
    done = run_dag(dag_file)
    upload.join()
    assert done.states["wait"] == ["success"]
    assert [item.name for item in studio.items("d")] == ["late"]
