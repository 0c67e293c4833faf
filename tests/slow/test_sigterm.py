"""A user's kill and Airflow's time limit, in real Airflow: the task ends even while it waits for the service."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from tests.conftest import API_KEY
from tests.support.items import state_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Installation:
    """An Airflow home with the DAG ``killed``, whose only task is ``add``."""

    def __init__(self, studio: EmulatorServer, home: Path, task: str, before: str = "") -> None:
        self._home = home
        (home / "dags").mkdir(parents=True)
        (home / "dags" / "killed.py").write_text(
            dedent("""
            from datetime import timedelta
            from airflow.providers.common.compat.sdk import dag
            from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator
            """)
            + dedent(before)
            + f"@dag(schedule=None)\ndef killed():\n    {task}\nkilled()\n"
        )
        connection = {"conn_type": "edge_impulse", "host": studio.url, "password": API_KEY}
        self._environment = os.environ | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT": json.dumps(connection | {"extra": {"organization_id": 7}}),
        }
        self._airflow = [sys.executable, "-m", "airflow"]
        subprocess.run([*self._airflow, "db", "migrate"], env=self._environment, check=True, capture_output=True)

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [*self._airflow, "dags", "test", "killed"],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def assert_failed(self, process: subprocess.Popen[str]) -> str:
        """Wait for the end of the process, long before the service would respond; return its output."""
        output, _ = process.communicate(timeout=60)
        with sqlite3.connect(self._home / "airflow.db") as database:
            ((state,),) = database.execute("select state from task_instance where task_id = 'add'").fetchall()
        assert state != "success", output
        assert process.returncode != 0
        return output


def wait_until(process: subprocess.Popen[str], condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "recording" / "motion.csv"
    path.parent.mkdir(parents=True)
    path.write_text("timestamp,x\n0,1\n")
    return path


@pytest.mark.parametrize("operation", ["addOrganizationDataItem", "listOrganizationFiles"])
def test_it_ends_soon_and_not_as_a_success(
    studio: EmulatorServer, tmp_path: Path, recording: Path, operation: str
) -> None:
    task = f"EdgeImpulseAddDataOperator(task_id='add', name='n', dataset='d', files={str(recording)!r})"
    airflow = Installation(studio, tmp_path / "home", task)
    studio.inject(Fault(operation=operation, kind="slow", delay_seconds=200))
    with airflow.run() as process:
        wait_until(process, lambda: any(request.operation == operation for request in studio.requests()))
        process.send_signal(signal.SIGTERM)
        airflow.assert_failed(process)

    result = EdgeImpulseHook().add_data(name="n", dataset="d", files=str(recording))
    (item,) = studio.items("d")
    state = state_of(item)
    assert state is not None
    assert state.digest == result["digest"]


#: A stalled network disk, as far as a test can have one: the folder is listed through a pipe that nobody writes to.
STALLED = """
import os
from airflow_provider_ei.sources.local import Disk
def scan(self, folder):
    handle = os.open({pipe!r}, os.O_RDWR)
    open({mark!r}, "w").close()
    os.read(handle, 1)
Disk.scan = scan
"""


@pytest.mark.parametrize("limit", [None, 3], ids=["kill", "execution_timeout"])
def test_it_ends_while_the_source_hangs(
    studio: EmulatorServer, tmp_path: Path, recording: Path, limit: int | None
) -> None:
    pipe, mark = tmp_path / "pipe", tmp_path / "hangs"
    os.mkfifo(pipe)
    task = (
        f"EdgeImpulseSyncDatasetOperator(task_id='add', dataset='d', source={str(recording.parent.parent)!r}, "
        f"execution_timeout={f'timedelta(seconds={limit})' if limit else None})"
    )
    before = STALLED.format(pipe=str(pipe), mark=str(mark))
    airflow = Installation(studio, tmp_path / "home", task, before)
    with airflow.run() as process:
        wait_until(process, mark.exists)
        if limit is None:
            process.send_signal(signal.SIGTERM)
        output = airflow.assert_failed(process)
    assert ("AirflowTaskTimeout" if limit else "told to stop") in output
    assert studio.requests() == []
