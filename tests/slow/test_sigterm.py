"""A user's kill: the process of the task gets SIGTERM in mid-upload, in real Airflow."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from tests.conftest import API_KEY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("operation", ["addOrganizationDataItem", "listOrganizationFiles"])
def test_it_ends_soon_and_not_as_a_success(studio: EmulatorServer, tmp_path: Path, operation: str) -> None:
    home = tmp_path / "home"
    (home / "dags").mkdir(parents=True)
    recording = tmp_path / "recording.csv"
    recording.write_text("timestamp,x\n0,1\n")
    (home / "dags" / "killed.py").write_text(
        dedent(f"""
        from airflow.providers.common.compat.sdk import dag
        from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator
        @dag(schedule=None)
        def killed():
            EdgeImpulseAddDataOperator(task_id="add", name="n", dataset="d", files={str(recording)!r})
        killed()
        """)
    )
    connection = {"conn_type": "edge_impulse", "host": studio.url, "password": API_KEY, "extra": {"organization_id": 7}}
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT": json.dumps(connection),
    }
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=environment, check=True, capture_output=True)
    studio.order(Fault(operation=operation, kind="slow", delay_seconds=200))
    process = subprocess.Popen(
        [*airflow, "dags", "test", "killed"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while not any(request.operation == operation for request in studio.requests()):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)  # far less than the answer would take
    finally:
        process.kill()
        process.wait()
    with sqlite3.connect(home / "airflow.db") as database:
        ((state,),) = database.execute("select state from task_instance where task_id = 'add'").fetchall()
    assert state != "success", output
    assert process.returncode != 0

    result = EdgeImpulseHook().add_data(name="n", dataset="d", files=str(recording))
    (item,) = studio.items("d")
    state = json.loads(item.metadata["airflow_ei"])
    assert (state["state"], state["digest"]) == ("complete", result["digest"])
