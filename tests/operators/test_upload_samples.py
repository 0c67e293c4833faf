"""The task that uploads samples, in real Airflow: labels from places, retries, kills, links, assets, lineage."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseConfigError, EdgeImpulseSamplesError
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.operators.links import EdgeImpulseProjectDataLink
from airflow_provider_ei.operators.samples import EdgeImpulseUploadSamplesOperator
from airflow_provider_ei.results import UploadSamplesResult
from tests.support.airflow_runs import RunDag
from tests.support.s3 import airflow_connection, s3_client
from tests.support.samples import csv, sent_files, stored
from tests.support.studio import UPLOAD_SAMPLES

WriteTree = Callable[..., Path]
Connect = Callable[..., None]

#: As large as a result may be, as JSON.
MAX_RESULT_BYTES = 4000

HEAD = """
from airflow_provider_ei.operators.samples import EdgeImpulseUploadSamplesOperator as Upload
"""


@pytest.fixture
def connect_project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Connect:
    def set_connection(**extra: Any) -> None:
        quick = {"retry_wait": 0.01, "settle_seconds": 0.01, "ingestion_host": emulator.ingestion_url, "project_id": 1}
        connection = {
            "conn_type": "edge_impulse_project",
            "host": emulator.url,
            "password": emulator.project_api_key,
            "extra": {key: value for key, value in (quick | extra).items() if value is not None},
        }
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))

    return set_connection


@pytest.fixture
def project(emulator: EmulatorServer, connect_project: Connect) -> EmulatorServer:
    """The emulated Studio, with the default connection to a project leading to it."""
    connect_project()
    return emulator


class TestLabels:
    def test_templates_are_rendered_for_each_file(
        self, project: EmulatorServer, run: RunDag, write_tree: WriteTree
    ) -> None:
        tree = write_tree({"walking/w.01.csv": csv(1), "idle/i.01.csv": csv(2)})
        done = run(f"""{HEAD}
@dag(schedule=None)
def templates():
    Upload(
        task_id="upload",
        files={str(tree)!r},
        category="{{{{ 'testing' }}}}",
        sample_label="{{{{ file.folder }}}}",
        metadata={{"name": "{{{{ file.stem }}}}", "task": "{{{{ ti.task_id }}}}"}},
    )
templates()
""")
        assert done.states["upload"] == ["success"]
        assert stored(project) == {
            "w.01.csv": ("testing", "walking", {"name": "w.01", "task": "upload"}),
            "i.01.csv": ("testing", "idle", {"name": "i.01", "task": "upload"}),
        }
        (result,) = done.returned["upload"]
        assert set(result) == set(UploadSamplesResult.__annotations__)
        assert result["created"] == 2

    def test_an_unknown_property_of_a_file_is_named(
        self, project: EmulatorServer, run: RunDag, write_tree: WriteTree, printed: Callable[[], str]
    ) -> None:
        tree = write_tree({"a.csv": csv(1)})
        done = run(f"""{HEAD}
@dag(schedule=None)
def templates():
    Upload(task_id="upload", files={str(tree)!r}, sample_label="{{{{ file.directory }}}}", retries=3)
templates()
""")
        assert done.states["upload"] == ["failed"]
        assert "Use file.name, file.stem, file.folder, file.path in sample_label" in printed()
        assert project.samples.list() == []

    def test_what_upstream_returns_is_never_rendered(
        self, project: EmulatorServer, run: RunDag, write_tree: WriteTree
    ) -> None:
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2)})
        run(f"""{HEAD}
@dag(schedule=None)
def upstream():
    @task
    def record():
        return [
            {{"path": {str(tree / "a.csv")!r}, "label": "{{{{ file.folder }}}}", "metadata": {{"x": "{{{{ ds }}}}"}}}},
            {{"path": {str(tree / "b.csv")!r}, "label": "b", "category": "testing"}},
        ]
    Upload(task_id="upload", files=record(), metadata={{"all": 1}})
upstream()
""")
        assert stored(project) == {
            "a.csv": ("training", "{{ file.folder }}", {"x": "{{ ds }}", "all": "1"}),
            "b.csv": ("testing", "b", {"all": "1"}),
        }

    def test_one_task_for_each_label(self, project: EmulatorServer, run: RunDag, write_tree: WriteTree) -> None:
        tree = write_tree({"a.csv": csv(1), "b.csv": csv(2)})
        done = run(f"""{HEAD}
@dag(schedule=None)
def mapped():
    Upload.partial(task_id="upload", sample_label="x").expand(files=[{str(tree / "a.csv")!r}, {str(tree / "b.csv")!r}])
mapped()
""")
        assert done.states["upload"] == ["success", "success"]
        assert sorted(stored(project)) == ["a.csv", "b.csv"]

    def test_a_label_that_upstream_does_not_return_is_an_error(
        self, project: EmulatorServer, run: RunDag, write_tree: WriteTree, printed: Callable[[], str]
    ) -> None:
        tree = write_tree({"a.csv": csv(1)})
        done = run(f"""{HEAD}
@dag(schedule=None)
def nothing():
    @task
    def label():
        return None
    Upload(task_id="upload", files={str(tree)!r}, sample_label=label(), retries=3)
nothing()
""")
        assert done.states["upload"] == ["failed"]
        assert "sample_label is None: the upstream task returned nothing" in printed()
        assert project.samples.list() == []

    def test_files_in_a_bucket_are_labeled_by_their_folders(
        self, project: EmulatorServer, run: RunDag, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with s3_client("recordings") as client:
            monkeypatch.setenv("AIRFLOW_CONN_SAMPLES_S3", airflow_connection(client))
            for number, key in enumerate(["day1/idle/i.csv", "day1/walking/w.csv"]):
                client.put_object(Bucket="recordings", Key=key, Body=csv(number))
            for outcome in ("created", "unchanged"):
                done = run(f"""{HEAD}
@dag(schedule=None)
def bucket():
    Upload(task_id="upload", files="s3://samples_s3@recordings/day1", sample_label="{{{{ file.folder }}}}")
bucket()
""")
                assert done.returned["upload"][0][outcome] == 2
        assert stored(project) == {"i.csv": ("training", "idle", {}), "w.csv": ("training", "walking", {})}


class TestDecorator:
    def test_a_function_returns_the_files(self, project: EmulatorServer, run: RunDag, write_tree: WriteTree) -> None:
        tree = write_tree({"idle/a.csv": csv(1), "b.csv": csv(2)})
        done = run(f"""
@dag(schedule=None)
def decorated():
    @task
    def where():
        return {str(tree)!r}

    @task.edge_impulse_upload_samples(sample_label="{{{{ file.folder }}}}", category="testing")
    def record(folder, ti=None):
        return [f"{{folder}}/idle", {{"path": f"{{folder}}/b.csv", "label": ti.task_id}}]

    record(where())
decorated()
""")
        assert done.returned["record"][0]["created"] == 2
        assert stored(project) == {"a.csv": ("testing", "idle", {}), "b.csv": ("testing", "record", {})}

    def test_a_function_that_returns_nothing_is_an_error(
        self, project: EmulatorServer, run: RunDag, printed: Callable[[], str]
    ) -> None:
        done = run("""
@dag(schedule=None)
def decorated():
    @task.edge_impulse_upload_samples(sample_label="x", retries=3)
    async def record():
        return None
    record()
decorated()
""")
        assert done.states["record"] == ["failed"]
        assert "Return the files to upload from the function" in printed()

    def test_a_kill_while_the_function_runs_prevents_the_upload(
        self, project: EmulatorServer, run: RunDag, write_tree: WriteTree
    ) -> None:
        tree = write_tree({"a.csv": csv(1)})
        done = run(f"""
@dag(schedule=None)
def killed():
    @task.edge_impulse_upload_samples(sample_label="x")
    def record(ti=None):
        ti.task.on_kill()
        return {str(tree)!r}
    record()
killed()
""")
        assert done.states["record"] == ["failed"]
        assert project.requests() == []


def operator(files: Any, **arguments: Any) -> EdgeImpulseUploadSamplesOperator:
    return EdgeImpulseUploadSamplesOperator(task_id="upload", files=str(files), **arguments)


class TestFailures:
    def test_a_refused_file_fails_the_task_for_good(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        tree = write_tree({"a.csv": csv(1), "b.exe": b"?"})
        with pytest.raises(AirflowFailException, match=r"1 of 2 files failed:\n.*b\.exe.*Unsupported file type"):
            operator(tree, sample_label="x").execute({})
        assert sorted(stored(project)) == ["a.csv"]

    def test_a_retry_sends_only_what_is_left(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        tree = write_tree({"a/a.csv": csv(1), "b/b.csv": csv(2)})
        project.inject(Fault(operation=UPLOAD_SAMPLES, kind="status", status=503, skip=1, count=4))
        with pytest.raises(EdgeImpulseSamplesError, match="1 of 2 files failed") as caught:
            EdgeImpulseProjectHook().upload_samples(files=str(tree), sample_label=lambda file: file.folder, workers=1)
        assert caught.value.retryable
        project.clear_requests()
        result = EdgeImpulseProjectHook().upload_samples(
            files=str(tree), sample_label=lambda file: file.folder, workers=1
        )
        assert (result["created"], result["unchanged"]) == (1, 1)
        assert sent_files(project) == ["b.csv"]

    def test_a_missing_file_fails_before_anything_is_sent(self, project: EmulatorServer, tmp_path: Path) -> None:
        with pytest.raises(AirflowFailException, match="check the path"):
            operator(tmp_path / "x.csv").execute({})
        assert project.requests() == []

    def test_the_key_of_another_service_is_not_sent_to_edge_impulse(
        self, emulator: EmulatorServer, connect_project: Connect, write_tree: WriteTree
    ) -> None:
        connect_project(ingestion_host=None)
        with pytest.raises(EdgeImpulseConfigError, match=r"^Set extra 'ingestion_host' to the base URL"):
            EdgeImpulseProjectHook().upload_samples(files=str(write_tree({"a.csv": csv(1)})))
        assert emulator.requests() == []

    def test_a_result_is_small(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        tree = write_tree({f"{number}.csv": csv(number) for number in range(100)})
        result = operator(tree, sample_label="x", category="split").execute({})
        assert len(json.dumps(result)) < MAX_RESULT_BYTES


class TestKills:
    def test_a_kill_before_the_hook_exists(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        task = operator(write_tree({"a.csv": csv(1)}))
        task.on_kill()
        with pytest.raises(EdgeImpulseCancelledError):
            task.execute({})
        assert project.requests() == []

    def test_a_kill_while_files_are_sent_ends_the_task(
        self, project: EmulatorServer, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from airflow_provider_ei.studio.api.ingestion import IngestionApi

        task = operator(write_tree({"a.csv": csv(1)}), sample_label="x")
        original = IngestionApi.upload_files

        def kill_and_upload(*args: Any, **kwargs: Any) -> Any:
            task.on_kill()
            return original(*args, **kwargs)

        monkeypatch.setattr(IngestionApi, "upload_files", kill_and_upload)
        with pytest.raises(EdgeImpulseCancelledError):
            task.execute({})
        assert project.samples.list() == []

    def test_a_kill_ends_the_task_while_the_service_hangs(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        """The answer would come in an hour; the kill comes as soon as the request has arrived."""
        project.inject(Fault(operation=UPLOAD_SAMPLES, kind="slow", delay_seconds=3600.0))
        task = operator(write_tree({"a.csv": csv(1)}), sample_label="x")

        def kill() -> None:
            while not project.samples.list():
                time.sleep(0.01)
            task.on_kill()

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(EdgeImpulseCancelledError):
            task.execute({})
        killer.join()
        result = operator(write_tree({"a.csv": csv(1)}), sample_label="x").execute({})
        assert result["unchanged"] == 1

    def test_a_kill_at_the_end_does_not_count_as_success(
        self, project: EmulatorServer, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = operator(write_tree({"a.csv": csv(1)}), sample_label="x")
        original = EdgeImpulseProjectHook.upload_samples

        def upload_and_kill(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            task._killed = True
            return result

        monkeypatch.setattr(EdgeImpulseProjectHook, "upload_samples", upload_and_kill)
        with pytest.raises(EdgeImpulseCancelledError):
            task.execute({})


class TestReports:
    def test_assets_get_the_numbers(self, project: EmulatorServer, run: RunDag, write_tree: WriteTree) -> None:
        tree = write_tree({"a.csv": csv(1)})
        done = run(f"""{HEAD}
@dag(schedule=None)
def assets():
    alias = AssetAlias("samples")
    asset = Asset("edgeimpulse-project://1/training")
    upload = Upload(task_id="upload", files={str(tree)!r}, sample_label="x", outlets=[asset, alias])
    @task(inlets=[asset, alias])
    def read(inlet_events=None):
        return [dict(inlet_events[one][-1].extra) for one in (asset, alias)]
    upload >> read()
assets()
""")
        assert done.states["read"] == ["success"]
        (extras,) = done.returned["read"]
        assert [(extra["created"], extra["project_id"]) for extra in extras] == [(1, 1), (1, 1)]

    def test_the_link_leads_to_the_projects_data(
        self, emulator: EmulatorServer, connect_project: Connect, write_tree: WriteTree
    ) -> None:
        pushed: dict[str, str] = {}

        class TaskInstance:
            map_index = -1

            def xcom_push(self, key: str, value: str) -> None:
                pushed[key] = value

        for extra in ({}, {"project_id": None}):
            connect_project(**extra)
            pushed.clear()
            operator(write_tree({"a.csv": csv(1)}), sample_label="x").execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
            url = emulator.url.removesuffix("/v1") + "/studio/1/acquisition/training"
            assert pushed == {EdgeImpulseProjectDataLink().xcom_key: url}

    def test_openlineage_gets_sources_and_categories(self, project: EmulatorServer, write_tree: WriteTree) -> None:
        pytest.importorskip("openlineage.client")
        tree = write_tree({"a.csv": csv(1)})
        task = operator(tree, sample_label="x", category="split")
        assert task.get_openlineage_facets_on_complete(None) is None
        task.execute({})
        lineage = task.get_openlineage_facets_on_complete(None)
        assert lineage is not None
        assert [(one.namespace, one.name) for one in lineage.inputs] == [("file", str(tree))]
        assert [(one.namespace, one.name) for one in lineage.outputs] == [
            ("edgeimpulse-project://1", "training"),
            ("edgeimpulse-project://1", "testing"),
        ]

    def test_hook_lineage_gets_them(
        self, project: EmulatorServer, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from airflow.providers.common.compat.lineage import hook as lineage_hook

        assets: list[str] = []

        class Collector:
            def add_input_asset(self, context: object, uri: str) -> None:
                assets.append(uri)

            add_output_asset = add_input_asset

        monkeypatch.setattr(lineage_hook, "get_hook_lineage_collector", Collector)
        tree = write_tree({"a.csv": csv(1)})
        EdgeImpulseProjectHook().upload_samples(files=str(tree), category="testing", sample_label="x")
        assert assets == [f"file://{tree}", "edgeimpulse-project://1/testing"]
