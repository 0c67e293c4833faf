"""A real triggerer, killed and started again: no change and no job is lost. Its database and its logs have no key."""

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
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from tests.conftest import API_KEY
from tests.support.airflow_runs import has_asset_state
from tests.support.processes import Process, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_asset_state(), reason="only Airflow 3.3 keeps the cursor of a trigger"),
]

DAGS = """
from airflow.sdk import DAG, Asset, AssetWatcher
from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator
from airflow_provider_ei.triggers.events import EdgeImpulseDatasetChangedTrigger

for name in ("motion", "sound"):
    trigger = EdgeImpulseDatasetChangedTrigger(dataset=name, poll_interval=0.5)
    asset = Asset(name, watchers=[AssetWatcher(name=f"watch-{name}", trigger=trigger)])
    with DAG(f"on_{name}", schedule=[asset]) as dag:
        pass
    globals()[name] = dag

with DAG("retrain", schedule=None):
    EdgeImpulseRetrainOperator(task_id="retrain", deferrable=True)
"""
#: Leaves a task as a worker leaves one that has started a job, the argument, and has deferred itself.
DEFER = """
import sys
from airflow._shared.timezones import timezone
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from airflow_provider_ei.triggers.job import EdgeImpulseJobTrigger

trigger = EdgeImpulseJobTrigger(job_id=int(sys.argv[1]), project_id=1, poll_interval=0.5)
with create_session() as session:
    dag = SerializedDagModel.get_dag("retrain", session=session)
    now = timezone.utcnow()
    run = dag.create_dagrun(
        run_id="run", run_after=now, run_type=DagRunType.MANUAL, triggered_by=DagRunTriggeredByType.TEST,
        state="running", session=session,
    )
    row = Trigger.from_object(trigger)
    session.add(row)
    session.flush()
    (task,) = run.get_task_instances(session=session)
    task.state, task.trigger_id, task.next_method = "deferred", row.id, "execute_complete"
    task.start_date, task.try_number = now, 1
"""
_AIRFLOW = (sys.executable, "-m", "airflow")


class Triggerer:
    """An Airflow with a database of its own, and its triggerer."""

    def __init__(self, folder: Path, connections: dict[str, str]) -> None:
        self._folder = folder
        self._starts = 0
        self.process: Process | None = None
        (folder / "dags").mkdir()
        (folder / "dags" / "watched.py").write_text(DAGS)
        # The connections are in the database, as users enter them, and not in the environment.
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
            *(["connections", "add", name, "--conn-json", connection] for name, connection in connections.items()),
            ["dag-processor", "--num-runs", "1"],
        ):
            command = [*_AIRFLOW, *arguments]
            done = subprocess.run(command, env=self._environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr

    def run(self, script: str, *arguments: str) -> None:
        command = [sys.executable, "-c", script, *arguments]
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
    project = {"conn_type": "edge_impulse_project", "host": studio.url, "password": studio.project_api_key}
    connections = {
        "edge_impulse_default": os.environ["AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT"],
        "edge_impulse_project_default": json.dumps(project),
    }
    made = Triggerer(folder, connections)
    yield made
    if made.process is not None:
        made.process.kill()


def test_a_killed_triggerer_loses_no_deferred_job_and_starts_none_again(
    triggerer: Triggerer, studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = {"conn_type": "edge_impulse_project", "host": studio.url, "password": studio.project_api_key}
    monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(project))

    def looks() -> int:
        return sum(request.operation == "getJobStatus" for request in studio.requests())

    studio.settings.job_running_seconds = 10_000.0
    with EdgeImpulseProjectHook() as hook:
        job_id = hook.retrain(wait_for_completion=False)["job_id"]
    triggerer.run(DEFER, str(job_id))
    triggerer.start()
    triggerer.wait_for("looks at the job", lambda: looks() > 2)
    triggerer.kill()
    seen = looks()
    triggerer.start()
    triggerer.wait_for("another triggerer looks at the job", lambda: looks() > seen + 1)
    studio.clock.advance(20_000)
    query = "select next_kwargs from task_instance where state = 'scheduled'"
    ((event,),) = triggerer.wait_for("the task continues", lambda: triggerer.rows(query))
    triggerer.kill()
    assert [job.id for job in studio.jobs.list()] == [job_id]
    assert '"succeeded"' in event and f'"job_id": {job_id}' in event
    assert studio.project_api_key.encode() not in triggerer.everything()


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
