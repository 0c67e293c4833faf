"""A task that builds a model: one build, exactly its file, whole or not there."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseError,
    EdgeImpulseJobError,
    EdgeImpulseResponseError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.operators.build import EdgeImpulseBuildModelOperator
from tests.operators.project_jobs import connect_project, maker, operations, started
from tests.operators.test_jobs import FileStore, needs_store
from tests.support.airflow_runs import HOME, RunDag, is_airflow_2
from tests.support.job_runs import Mode, TaskInstance, both_modes
from tests.support.s3 import airflow_connection, s3_client

DOWNLOADS = ("downloadHistoricDeployment", "downloadBuild")


@pytest.fixture
def project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    return connect_project(emulator, monkeypatch)


@pytest.fixture(params=["by_version", "latest_only"])
def any_service(request: pytest.FixtureRequest, project: EmulatorServer) -> EmulatorServer:
    """A service that tells the version of a build, and an older one."""
    project.settings.builds = request.param
    return project


@pytest.fixture
def context(tmp_path: Path) -> dict[str, Any]:
    return {"task_state_store": FileStore(tmp_path / "store.json"), "ti": TaskInstance()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "firmware.zip"


def build(path: object, **values: Any) -> Any:
    return maker(EdgeImpulseBuildModelOperator, **{"target": "zip", "path": str(path), **values})


def leftovers(path: Path) -> list[str]:
    return [file.name for file in path.parent.glob("*")] if path.parent.exists() else []


@both_modes
class TestModes:
    def test_saves_the_build(self, any_service: EmulatorServer, context: Any, path: Path, mode: Mode) -> None:
        result = mode(build(path), context)
        firmware = any_service.projects.firmware(1)
        assert path.read_bytes() == firmware
        assert result == {
            "job_id": 1,
            "project_id": 1,
            "state": "succeeded",
            "url": f"{any_service.url.removesuffix('/v1')}/studio/1/jobs#show-job-1",
            "deployment_version": 1,
            "target": "zip",
            "engine": "tflite-eon",
            "model_type": "int8",
            "path": str(path),
            "size_bytes": len(firmware),
            "sha256": hashlib.sha256(firmware).hexdigest(),
        }
        assert leftovers(path) == ["firmware.zip"]
        assert len(json.dumps(result)) < 4000

    @pytest.mark.parametrize("kind", ["drop_before", "drop_after", "cut_response"])
    def test_a_lost_answer_leads_to_one_build_and_its_file(
        self, any_service: EmulatorServer, context: Any, path: Path, mode: Mode, kind: Any
    ) -> None:
        any_service.projects.add_build()
        any_service.inject(Fault(operation="buildOnDeviceModelJob", kind=kind))
        result = mode(build(path), context)
        assert started(any_service, "build") == [result["job_id"]]
        assert (path.read_bytes(), result["deployment_version"]) == (any_service.projects.firmware(2), 2)

    def test_a_failed_build_fails_the_task_and_leaves_the_file_before(
        self, project: EmulatorServer, context: Any, path: Path, mode: Mode
    ) -> None:
        path.parent.mkdir()
        path.write_text("the firmware of yesterday")
        project.jobs.plan("build", outcome="failure", log=["error: no space\n"])
        with pytest.raises(EdgeImpulseJobError, match="no space"):
            mode(build(path), context)
        assert path.read_text() == "the firmware of yesterday"

    def test_a_build_without_a_reported_outcome_is_not_downloaded(
        self, project: EmulatorServer, context: Any, path: Path, mode: Mode
    ) -> None:
        project.jobs.plan("build", outcome="unreported")
        with pytest.raises(EdgeImpulseJobError, match="not that it has succeeded"):
            mode(build(path), context)
        assert leftovers(path) == []

    @needs_store
    def test_after_a_cut_download_the_next_try_downloads_the_same_build(
        self, any_service: EmulatorServer, context: Any, path: Path, mode: Mode
    ) -> None:
        for operation in DOWNLOADS:
            any_service.inject(Fault(operation=operation, kind="cut_response", after_bytes=50_000, count=2))
        with pytest.raises(EdgeImpulseUnavailableError):
            mode(build(path), context)
        assert leftovers(path) == []
        result = mode(build(path), context)
        assert started(any_service, "build") == [result["job_id"]] == [1]
        assert path.read_bytes() == any_service.projects.firmware(1)

    def test_a_download_that_is_cut_once_is_repeated(
        self, any_service: EmulatorServer, context: Any, path: Path, mode: Mode
    ) -> None:
        for operation in DOWNLOADS:
            any_service.inject(Fault(operation=operation, kind="cut_response", after_bytes=50_000))
        assert mode(build(path), context)["size_bytes"] == path.stat().st_size
        assert path.read_bytes() == any_service.projects.firmware(1)

    @needs_store
    def test_the_next_try_takes_the_build_of_its_own_job_not_a_newer_one(
        self, project: EmulatorServer, context: Any, path: Path, mode: Mode
    ) -> None:
        project.inject(Fault(operation="downloadHistoricDeployment", kind="status", status=503, count=2))
        with pytest.raises(EdgeImpulseUnavailableError):
            mode(build(path), context)
        project.projects.add_build()
        assert mode(build(path), context)["deployment_version"] == 1
        assert path.read_bytes() == project.projects.firmware(1)


@needs_store
def test_an_older_service_with_a_newer_build_is_refused(project: EmulatorServer, context: Any, path: Path) -> None:
    project.settings.builds = "latest_only"
    project.inject(Fault(operation="downloadBuild", kind="status", status=503, count=2))
    with pytest.raises(EdgeImpulseUnavailableError):
        build(path)().execute(context)
    project.projects.add_build()
    with pytest.raises(AirflowFailException, match=r"^Let nobody else build project 1 .* was 0 before and is 2 now"):
        build(path)().execute(context)
    assert leftovers(path) == []


def test_on_an_older_service_a_build_that_comes_during_the_download_is_noticed(
    project: EmulatorServer, context: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.settings.builds = "latest_only"
    from airflow_provider_ei.studio.api.deployments import DeploymentsApi

    download = DeploymentsApi.download_last_build

    def download_and_build(api: DeploymentsApi, *arguments: Any) -> int:
        size = download(api, *arguments)
        project.projects.add_build()
        return size

    monkeypatch.setattr(DeploymentsApi, "download_last_build", download_and_build)
    with pytest.raises(AirflowFailException, match=r"^Let nobody else build project 1"):
        build(path)().execute(context)
    assert leftovers(path) == []


def test_after_a_lost_answer_two_builds_are_told_from_each_other_or_refused(
    project: EmulatorServer, context: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.inject(Fault(operation="buildOnDeviceModelJob", kind="drop_after"))
    hook = EdgeImpulseProjectHook
    save = hook.save_build

    def build_and_save(*arguments: Any) -> Any:
        project.projects.add_build(engine="tflite")
        project.projects.add_build()
        return save(*arguments)

    monkeypatch.setattr(hook, "save_build", build_and_save)
    with pytest.raises(AirflowFailException, match=r"of the builds since it began, 1, 3 match"):
        build(path)().execute(context)
    assert leftovers(path) == []


class TestJsonInsteadOfFirmware:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ({"kind": "success_false", "error": "No build"}, AirflowFailException),
            ({"kind": "status", "status": 200, "body": '{"success": true}'}, EdgeImpulseResponseError),
            (
                {
                    "kind": "status",
                    "status": 200,
                    "body": '{"success": false}',
                    "headers": {"content-type": "application/octet-stream"},
                },
                EdgeImpulseResponseError,
            ),
            (
                {
                    "kind": "status",
                    "status": 200,
                    "body": '{"success": false}',
                    "headers": {"content-disposition": "attachment; filename=a.zip"},
                },
                EdgeImpulseResponseError,
            ),
            (
                {"kind": "status", "status": 200, "body": "", "headers": {"content-type": "application/zip"}},
                EdgeImpulseResponseError,
            ),
        ],
    )
    def test_is_not_saved(
        self, project: EmulatorServer, context: Any, path: Path, fault: dict[str, Any], error: type[Exception]
    ) -> None:
        path.parent.mkdir()
        path.write_text("before")
        project.inject(Fault(operation="downloadHistoricDeployment", count=2, **fault))
        with pytest.raises(error):
            build(path)().execute(context)
        assert (path.read_text(), leftovers(path)) == ("before", ["firmware.zip"])


class TestTarget:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (
                {"target": "syntiant-ndp120-lib"},
                r"^Change the project, or set target to one of zip, arduino, wasm, runner-linux-aarch64: "
                r"'syntiant-ndp120-lib' is disabled for this project: The project has no Syntiant block\.",
            ),
            ({"target": "zap"}, r"^Set target to one of zip, arduino.*: there is no target 'zap'\."),
            ({"engine": "akida"}, r"^Set engine to one of tflite-eon, .*: the target 'zip' does not support 'akida'\."),
        ],
    )
    def test_is_checked_before_anything_is_built(
        self, project: EmulatorServer, context: Any, path: Path, values: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(AirflowFailException, match=message):
            build(path, **values)().execute(context)
        assert "buildOnDeviceModelJob" not in operations(project)

    def test_after_a_refusal_the_build_of_somebody_else_is_not_taken(
        self, project: EmulatorServer, context: Any, path: Path
    ) -> None:
        with pytest.raises(AirflowFailException):
            build(path, target="syntiant-ndp120-lib")().execute(context)
        with EdgeImpulseProjectHook() as hook:
            others = hook.deployments_api.start_build("zip", "tflite", "int8")
        assert build(path)().execute(context)["job_id"] != others.id

    def test_decides_the_engine_unless_one_is_given(self, project: EmulatorServer, context: Any, path: Path) -> None:
        engines = [
            build(path, target="runner-linux-aarch64")().execute(context)["engine"],
            build(path, engine="tflite-eon-ram-optimized")().execute(context)["engine"],
        ]
        assert engines == ["tflite", "tflite-eon-ram-optimized"]


class TestPath:
    def test_a_directory_gets_the_name_of_the_service(
        self, project: EmulatorServer, context: Any, tmp_path: Path
    ) -> None:
        result = build(f"{tmp_path}/new/")().execute(context)
        (saved,) = (tmp_path / "new").iterdir()
        assert result["path"] == str(saved)
        assert saved.name.endswith("-zip-v1.zip")

    def test_a_relative_path_is_refused(self, project: EmulatorServer, context: Any) -> None:
        with pytest.raises(AirflowFailException, match=r"^path: write the absolute path: 'firmware\.zip'"):
            build("firmware.zip")().execute(context)

    @pytest.mark.parametrize("key", ["out/firmware.zip", "out/"])
    def test_a_bucket(self, project: EmulatorServer, context: Any, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
        name = f"store{len(key)}"  # Airflow caches the store of a connection, and the server keeps its buckets
        with s3_client(name) as client:
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", airflow_connection(client))
            result = build(f"s3://{name}@{name}/{key}")().execute(context)
            (stored,) = client.list_objects_v2(Bucket=name)["Contents"]
            body = client.get_object(Bucket=name, Key=stored["Key"])["Body"].read()
            assert result["path"] == f"s3://{name}@{name}/{stored['Key']}"
            assert body == project.projects.firmware(1)
            assert result["sha256"] == hashlib.sha256(body).hexdigest()

    def test_a_bucket_that_fails_keeps_what_it_had(
        self, project: EmulatorServer, context: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with s3_client("models") as client:
            client.put_object(Bucket="models", Key="firmware.zip", Body=b"before")
            monkeypatch.setenv("AIRFLOW_CONN_FAILING", airflow_connection(client))
            project.inject(
                Fault(operation="downloadHistoricDeployment", kind="cut_response", after_bytes=50_000, count=2)
            )
            with pytest.raises(EdgeImpulseUnavailableError):
                build("s3://failing@models/firmware.zip")().execute(context)
            assert client.get_object(Bucket="models", Key="firmware.zip")["Body"].read() == b"before"


def test_a_cleared_task_builds_again(project: EmulatorServer, context: Any, path: Path) -> None:
    assert [build(path)().execute(context)["deployment_version"] for _ in range(2)] == [1, 2]


def test_the_hook_does_the_same(any_service: EmulatorServer, path: Path) -> None:
    with EdgeImpulseProjectHook() as hook:
        result = hook.build_model("zip", str(path), poll_interval=0.05)
        assert path.read_bytes() == any_service.projects.firmware(result["deployment_version"])
        targets = {target.format: target.reason_target_disabled for target in hook.list_deployment_targets()}
        assert targets["zip"] is None
        assert targets["syntiant-ndp120-lib"] == "The project has no Syntiant block"
        with pytest.raises(EdgeImpulseError, match="there is no target"):
            hook.build_model("zap", str(path))


def test_in_airflow_the_event_of_the_file_carries_the_result(
    project: EmulatorServer, run: RunDag, tmp_path: Path
) -> None:
    done = run(
        f"""
        from airflow_provider_ei.operators.build import EdgeImpulseBuildModelOperator
        @dag(schedule=None)
        def building():
            EdgeImpulseBuildModelOperator(
                task_id="build", target="{{{{ 'zip' }}}}", poll_interval=0.1,
                path="{tmp_path}/{{{{ dag.dag_id }}}}.zip",
                outlets=[Asset("x-firmware://motion"), AssetAlias("firmware")],
            )
        building()
        """
    )
    assert done.states == {"build": ["success"]}
    (result,) = done.returned["build"]
    assert result["path"] == f"{tmp_path}/building.zip"
    events = asset_events("building")
    assert events["x-firmware://motion"] == result
    if not is_airflow_2():  # whose ``dags test`` leaves aliases to the scheduler
        assert events[f"file://{tmp_path}/building.zip"] == result


def asset_events(dag_id: str) -> dict[str, Any]:
    """Return the extras of a DAG's asset events, by the assets' URIs."""
    kind = "dataset" if is_airflow_2() else "asset"
    with closing(sqlite3.connect(HOME / "airflow.db")) as database:
        rows = database.execute(
            f"select {kind}.uri, event.extra from {kind}_event event join {kind} on {kind}.id = event.{kind}_id "
            "where event.source_dag_id = ?",
            (dag_id,),
        ).fetchall()
    return {uri: json.loads(extra) for uri, extra in rows}
