"""The task that syncs samples, in real Airflow: templates, sync ids, assets, skips, kills, buckets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseSyncError
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.operators.sample_sync import EdgeImpulseSyncSamplesOperator
from airflow_provider_ei.results import SampleSyncSummary
from tests.support.airflow_runs import RunDag
from tests.support.s3 import airflow_connection, s3_client
from tests.support.sample_syncs import contents, stored
from tests.support.samples import csv
from tests.support.studio import UPLOAD_SAMPLES, changes

WriteTree = Callable[..., Path]

FILES = {"training/idle/i.01.csv": csv(1), "testing/wave/w.01.csv": csv(2)}
HEAD = """
from airflow_provider_ei.operators.sample_sync import EdgeImpulseSyncSamplesOperator as Sync
"""


@pytest.fixture
def project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """The emulated Studio, with the default connection to a project leading to it."""
    connection = {
        "conn_type": "edge_impulse_project",
        "host": emulator.url,
        "password": emulator.project_api_key,
        "extra": {"retry_wait": 0.01, "ingestion_host": emulator.ingestion_url},
    }
    monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
    return emulator


def operator(source: Path, **arguments: Any) -> EdgeImpulseSyncSamplesOperator:
    return EdgeImpulseSyncSamplesOperator(**{"task_id": "sync", "source": str(source), "sync_id": "s"} | arguments)


def test_a_dag_syncs_with_templates_and_an_asset(project: EmulatorServer, run: RunDag, write_tree: WriteTree) -> None:
    tree = write_tree(FILES)
    done = run(f"""{HEAD}
@dag(schedule=None)
def sync_of_samples():
    sync = Sync(
        task_id="sync",
        source="{{{{ var.value.get('nowhere', {str(tree)!r}) }}}}",
        metadata={{"name": "{{{{ file.stem }}}}", "in": "{{{{ file.folder }}}}", "task": "{{{{ ti.task_id }}}}"}},
        outlets=[Asset("edgeimpulse-project://1/training")],
    )
    @task(inlets=[Asset("edgeimpulse-project://1/training")])
    def read(inlet_events=None):
        return dict(inlet_events[Asset("edgeimpulse-project://1/training")][-1].extra)
    sync >> read()
sync_of_samples()
""")
    assert done.states == {"sync": ["success"], "read": ["success"]}
    (result,) = done.returned["sync"]
    assert set(result) == set(SampleSyncSummary.__annotations__) - {"plan"}
    assert (result["created"], result["categories"]) == (2, ["testing", "training"])
    assert result["sync_id"] == "sync_of_samples.sync"
    assert stored(project)["testing/wave/w.01.csv"][1] == {"name": "w.01", "in": "wave", "task": "sync"}
    assert done.returned["read"][0]["created"] == 2


def test_a_layout_is_a_function_in_the_dag_file(project: EmulatorServer, run: RunDag, write_tree: WriteTree) -> None:
    tree = write_tree({"idle_1.csv": csv(1)})
    done = run(f"""{HEAD}
@dag(schedule=None)
def layouts():
    Sync(task_id="sync", source={str(tree)!r}, layout=lambda path: ("anomaly", path.split("_")[0]))
layouts()
""")
    assert done.states["sync"] == ["success"]
    assert list(contents(project)) == ["anomaly/idle/idle_1.csv"]


def test_skips_when_nothing_has_changed(project: EmulatorServer, write_tree: WriteTree) -> None:
    tree = write_tree(FILES)
    assert operator(tree, skip_unchanged="true").execute({})["created"] == 2
    project.clear_requests()
    with pytest.raises(AirflowSkipException):
        operator(tree, skip_unchanged=True).execute({})
    assert changes(project) == []


def test_a_dry_run_from_a_template_changes_nothing(project: EmulatorServer, write_tree: WriteTree) -> None:
    summary = operator(write_tree(FILES), dry_run="True").execute({})
    assert (summary["dry_run"], summary["created"], project.samples.list()) == (True, 2, [])


def test_deletes_in_a_mapped_task_need_a_sync_id(project: EmulatorServer, write_tree: WriteTree) -> None:
    class TaskInstance:
        map_index = 3

        def xcom_push(self, key: str, value: str) -> None:
            pass

    task = operator(write_tree(FILES), sync_id=None, delete="extra")
    with pytest.raises(AirflowFailException, match="mapped task needs a sync_id"):
        task.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    assert changes(project) == []


def test_a_retry_does_only_what_is_left(project: EmulatorServer, write_tree: WriteTree) -> None:
    tree = write_tree(FILES)
    project.inject(Fault(operation=UPLOAD_SAMPLES, kind="status", status=503, skip=1, count=4))
    with pytest.raises(EdgeImpulseSyncError, match="1 of 2 samples failed"):
        operator(tree, workers=1).execute({})
    project.clear_requests()
    assert operator(tree, workers=1).execute({})["created"] == 1
    assert len(changes(project)) == 1


def test_a_permanent_failure_is_not_retried(project: EmulatorServer, write_tree: WriteTree) -> None:
    with pytest.raises(AirflowFailException, match=r"Move 'stray\.csv' into a folder"):
        operator(write_tree({**FILES, "stray.csv": csv(3)})).execute({})
    assert len(contents(project)) == 2


def test_a_kill_ends_the_sync(project: EmulatorServer, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_ei.studio.api.ingestion import IngestionApi

    task = operator(write_tree(FILES))
    original = IngestionApi.upload_files

    def kill_and_upload(*args: Any, **kwargs: Any) -> Any:
        task.on_kill()
        return original(*args, **kwargs)

    monkeypatch.setattr(IngestionApi, "upload_files", kill_and_upload)
    with pytest.raises(EdgeImpulseCancelledError):
        task.execute({})
    assert project.samples.list() == []


def test_syncs_a_bucket(project: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_client("recordings") as client:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_OF_SAMPLES", airflow_connection(client))
        for name, data in FILES.items():
            client.put_object(Bucket="recordings", Key=f"gestures/{name}", Body=data)
        arguments = {"source": "s3://aws_of_samples@recordings/gestures", "sync_id": "s", "delete": "extra"}
        assert EdgeImpulseProjectHook().sync_samples(**arguments)["created"] == 2
        project.clear_requests()
        assert EdgeImpulseProjectHook().sync_samples(**arguments)["unchanged"] == 2
        assert changes(project) == []
        client.put_object(Bucket="recordings", Key="gestures/training/idle/i.01.csv", Body=csv(7))
        client.delete_object(Bucket="recordings", Key="gestures/testing/wave/w.01.csv")
        summary = EdgeImpulseProjectHook().sync_samples(**arguments)
    assert (summary["updated"], summary["deleted"]) == (1, 1)
    assert contents(project) == {"training/idle/i.01.csv": csv(7)}
