"""A real triggerer with watched assets, killed and started again: it reports each change. Its database has no key."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from tests.conftest import API_KEY
from tests.support.airflow_runs import has_asset_state
from tests.support.processes import Process, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_asset_state(), reason="only Airflow 3.3 keeps the cursor of a trigger"),
]

DAGS = """
from airflow.sdk import DAG, Asset, AssetWatcher
from airflow_provider_ei.triggers.events import EdgeImpulseDatasetChangedTrigger

for name in ("motion", "sound"):
    trigger = EdgeImpulseDatasetChangedTrigger(dataset=name, poll_interval=0.5)
    asset = Asset(name, watchers=[AssetWatcher(name=f"watch-{name}", trigger=trigger)])
    with DAG(f"on_{name}", schedule=[asset]) as dag:
        pass
    globals()[name] = dag
"""
_AIRFLOW = (sys.executable, "-m", "airflow")


class Triggerer:
    """An Airflow with a database of its own, and its triggerer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts = 0
        self.process: Process | None = None
        (folder / "dags").mkdir()
        (folder / "dags" / "watched.py").write_text(DAGS)
        # The connection is in the database, as users enter it, and not in the environment.
        connection = os.environ["AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT"]
        self._environment = {name: value for name, value in os.environ.items() if "AIRFLOW_CONN" not in name} | {
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "3",
        }
        for arguments in (
            ["db", "migrate"],
            ["connections", "add", "edge_impulse_default", "--conn-json", connection],
            ["dag-processor", "--num-runs", "1"],
        ):
            command = [*_AIRFLOW, *arguments]
            done = subprocess.run(command, env=self._environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        self._starts += 1
        log = self._folder / f"triggerer-{self._starts}.log"
        self.process = Process("triggerer", [*_AIRFLOW, "triggerer"], log, environment=self._environment)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()

    def rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self._folder / "airflow.db", timeout=30)) as database:
            return database.execute(query).fetchall()

    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(extra)["payload"] for (extra,) in self.rows("select extra from asset_event order by id")]

    def wait_for(self, what: str, probe: Any) -> Any:
        assert self.process is not None
        return wait_for(what, probe, [self.process], seconds=120)

    def everything(self) -> bytes:
        return b"".join(path.read_bytes() for path in self._folder.rglob("*") if path.is_file())


@pytest.fixture
def triggerer(studio: EmulatorServer, tmp_path: Path) -> Iterator[Triggerer]:
    folder = tmp_path / "airflow"
    folder.mkdir()
    made = Triggerer(folder)
    yield made
    if made.process is not None:
        made.process.kill()


def test_a_killed_triggerer_continues_and_reports_what_has_changed_meanwhile(
    triggerer: Triggerer, studio: EmulatorServer, tmp_path: Path
) -> None:
    def add(name: str, dataset: str) -> None:
        (tmp_path / "x.csv").write_text(name)
        EdgeImpulseHook().add_data(name=name, dataset=dataset, files=str(tmp_path / "x.csv"))

    def cursors() -> list[str]:
        return [json.loads(value)["items"] for (value,) in triggerer.rows("select value from asset_state_store")]

    triggerer.start()
    triggerer.wait_for("both cursors are stored", lambda: len(cursors()) == 2)
    add("a", "motion")
    triggerer.wait_for("the first event", lambda: len(triggerer.payloads()) == 1)
    triggerer.wait_for("the cursor of the first event", lambda: sorted(cursors()) == [0, 1])
    triggerer.kill()

    add("b", "sound")
    add("c", "sound")
    triggerer.start()
    triggerer.wait_for("the second event", lambda: len(triggerer.payloads()) == 2)
    triggerer.wait_for("the cursor of the second event", lambda: sorted(cursors()) == [1, 2])
    seen = len(studio.requests())
    triggerer.wait_for("more looks", lambda: len(studio.requests()) > seen + 4)
    triggerer.kill()

    first, second = triggerer.payloads()
    assert (first["dataset"], first["before"]["items"], first["now"]["items"]) == ("motion", 0, 1)
    assert (second["dataset"], second["before"]["items"], second["now"]["items"]) == ("sound", 0, 2)
    assert [len(triggerer.rows("select * from trigger")), API_KEY.encode() in triggerer.everything()] == [2, False]
