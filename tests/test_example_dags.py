"""Every example DAG runs in real Airflow, twice, and leaves in the service what it promises."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from tests.support.airflow_runs import DAGS_FOLDER, HOME, is_airflow_2, load_dags, run_dag
from tests.support.s3 import airflow_connection, s3_client

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "example_dags").glob("*.py"))


#: Examples that Airflow 2.11 cannot parse, since it has no event triggers.
NEED_AIRFLOW_3 = ("edge_impulse_on_changed_dataset", "edge_impulse_retrain_on_new_samples")
needs_airflow_3 = pytest.mark.skipif(is_airflow_2(), reason="Airflow 2.11 has no event triggers")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=needs_airflow_3 if path.stem in NEED_AIRFLOW_3 else (), id=path.stem)
        for path in EXAMPLES
    ],
)
def test_every_example_is_parsed_without_an_error(path: Path) -> None:
    assert list(load_dags(path)) == [path.stem]


class TestAddData:
    def test_one_item_with_two_files(self, studio: EmulatorServer, airflow_database: None) -> None:
        (result,) = run_dag("edge_impulse_add_data").returned["add_data"]
        (item,) = studio.items("appliances")
        assert item.name == "kitchen-01"
        assert item.bucket_name == "Internal datasets"
        assert {file.name: file.content_type for file in item.files} == {
            "recording.csv": "text/csv",
            "notes.json": "application/json",
        }
        assert item.metadata["device"] == "washing machine"
        assert item.metadata["frequency_hz"] == "100"
        assert result["outcome"] == "created"
        assert result["data_id"] == item.id


class TestMotionEtl:
    def test_forty_recordings_then_nothing_to_do(
        self, studio: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MOTION_ETL_OUTPUT", str(tmp_path))
        first = run_dag("edge_impulse_motion_etl").returned["add_data"]
        assert [result["outcome"] for result in first] == ["created"] * 40
        items = {item.name: item for item in studio.items("basic-motions")}
        assert sorted(items) == sorted(
            f"{activity}-{number:02d}"
            for activity in ("standing", "running", "walking", "badminton")
            for number in range(1, 11)
        )
        item = items["badminton-10"]
        given = {key: value for key, value in item.metadata.items() if key != "airflow_ei"}
        assert given == {"activity": "badminton", "frequency_hz": "10", "source": "BasicMotions_TRAIN.ts"}

        rows = list(csv.reader(io.StringIO(studio.read_file(items["standing-01"].id, "motion.csv").decode())))
        assert rows[0] == [
            *("timestamp", "accX (m/s2)", "accY (m/s2)", "accZ (m/s2)"),
            *("gyrX (rad/s)", "gyrY (rad/s)", "gyrZ (rad/s)"),
        ]
        assert [row[0] for row in rows[1:]] == [str(100 * number) for number in range(100)]
        assert rows[1][1] == "0.079106"  # the first number of the raw file

        studio.clear_requests()
        second = run_dag("edge_impulse_motion_etl").returned["add_data"]
        assert [result["outcome"] for result in second] == ["unchanged"] * 40
        assert [request for request in studio.requests() if request.changed] == []
        assert len(studio.items("basic-motions")) == 40


def tree(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def changes(studio: EmulatorServer) -> list[str | None]:
    return [request.operation for request in studio.requests() if request.changed]


class TestRetrain:
    def test_one_job_that_succeeds_then_another(
        self, emulator: EmulatorServer, airflow_database: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = {"conn_type": "edge_impulse_project", "host": emulator.url, "password": emulator.project_api_key}
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
        emulator.settings.job_queued_seconds = emulator.settings.job_running_seconds = 0
        for number in (1, 2):
            (result,) = run_dag("edge_impulse_retrain").returned["retrain"]
            assert (result["job_id"], result["project_id"], result["state"]) == (number, 1, "succeeded")
            assert emulator.projects.get().model_version == number + 1


class TestSamples:
    def test_forty_samples_then_nothing_to_do(
        self, emulator: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = {
            "conn_type": "edge_impulse_project",
            "host": emulator.url,
            "password": emulator.project_api_key,
            "extra": {"ingestion_host": emulator.ingestion_url},
        }
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
        monkeypatch.setenv("MOTION_SAMPLES_OUTPUT", str(tmp_path))
        (first,) = run_dag("edge_impulse_samples").returned["upload_samples"]
        assert (first["created"], first["project_id"]) == (40, 1)
        labels: Counter[str] = Counter()
        for by_label in emulator.samples.counts().values():
            labels.update(by_label)
        assert labels == dict.fromkeys(("standing", "running", "walking", "badminton"), 10)
        sample = emulator.samples.list()[0]
        assert sample.metadata == {"source": "BasicMotions_TRAIN.ts", "frequency_hz": "10"}

        emulator.clear_requests()
        (second,) = run_dag("edge_impulse_samples").returned["upload_samples"]
        assert (second["unchanged"], second["files_sent"], changes(emulator)) == (40, 0, [])


@pytest.fixture
def quick_jobs(studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """The emulated Studio, whose jobs take no time, with a connection to its project as well."""
    connection = {"conn_type": "edge_impulse_project", "host": studio.url, "password": studio.project_api_key}
    monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
    studio.settings.job_queued_seconds = studio.settings.job_running_seconds = 0
    return studio


class TestPipeline:
    def test_uploads_then_runs_the_pipeline(
        self, quick_jobs: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree(tmp_path, {"a/x.csv": "1", "b/x.csv": "2"})
        monkeypatch.setenv("PIPELINE_SOURCE", str(tmp_path))
        step = {"name": "s", "filter": "dataset = 'raw'", "uploadType": "dataset", "outputDatasetName": "clean"}
        quick_jobs.pipelines.add("nightly", [step], dataset="clean")
        (result,) = run_dag("edge_impulse_pipeline").returned["run_pipeline"]
        assert (result["items_before"], result["items_after"]) == (0, 2)
        (result,) = run_dag("edge_impulse_pipeline").returned["run_pipeline"]
        assert (result["file_count"], result["items_after"]) == (0, 2)


class TestTransform:
    def test_cleans_and_imports(self, quick_jobs: EmulatorServer, airflow_database: None) -> None:
        quick_jobs.put_item("a", "raw", {}, {"x.csv": b"1"})
        returned = run_dag("edge_impulse_transform").returned
        assert [item.name for item in quick_jobs.items("clean")] == ["a"]
        assert returned["to_project"][0]["project_id"] == 1
        for key in (quick_jobs.api_key, quick_jobs.project_api_key):
            # By another process: whoever closes a file that SQLite has open in this one takes SQLite's locks away.
            files = [str(path) for path in HOME.glob("airflow.db*")]
            assert subprocess.run(["grep", "--fixed-strings", "--regexp", key, *files]).returncode == 1
        assert quick_jobs.projects.get().samples == 1


class TestDownload:
    def test_what_the_filter_finds_then_nothing(
        self, studio: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        studio.put_item("a", "motion", {"activity": "running"}, {"x.csv": b"1"})
        studio.put_item("b", "motion", {"activity": "resting"}, {"x.csv": b"1"})
        monkeypatch.setenv("DOWNLOAD_DESTINATION", str(tmp_path))
        counts = [run_dag("edge_impulse_download").returned["download"][0]["downloaded"] for _ in range(2)]
        assert counts == [1, 0]
        assert (tmp_path / "a" / "x.csv").read_bytes() == b"1"


@pytest.fixture
def model(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """An emulated project that the default connection leads to; its jobs take no time."""
    connection = {"conn_type": "edge_impulse_project", "host": emulator.url, "password": emulator.project_api_key}
    monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
    emulator.settings.job_queued_seconds = emulator.settings.job_running_seconds = 0
    return emulator


class TestModelTest:
    def test_a_model_that_has_become_worse_skips_what_follows(
        self, model: EmulatorServer, airflow_database: None
    ) -> None:
        accepted = run_dag("edge_impulse_model_test")
        assert accepted.returned["test"][0]["accuracy"] == 0.9
        assert accepted.states == {"announce": ["success"], "test": ["success"]}
        model.projects.set_results({"int8": {"idle": (42, 8), "walking": (42, 8)}})
        assert run_dag("edge_impulse_model_test").states == {"announce": ["skipped"], "test": ["skipped"]}


class TestBuild:
    def test_a_version_and_its_firmware_then_another(
        self, model: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BUILD_OUTPUT", f"{tmp_path}/")
        for number in (1, 2):
            returned = run_dag("edge_impulse_build").returned
            assert returned["version"][0]["version"] == number
            assert Path(returned["build"][0]["path"]).read_bytes() == model.projects.firmware(number)


class TestRelease:
    def test_a_good_model_becomes_firmware_and_a_worse_one_does_not(
        self, model: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RELEASE_OUTPUT", f"{tmp_path}/firmware.zip")
        names = [f"edge_impulse_release.{name}" for name in ("build", "retrain", "test", "version")]
        released = run_dag("edge_impulse_release")
        assert released.states == {name: ["success"] for name in names}
        assert (tmp_path / "firmware.zip").read_bytes() == model.projects.firmware(1)
        model.projects.set_results({"int8": {"idle": (30, 20), "walking": (44, 6)}})
        stopped = run_dag("edge_impulse_release")
        assert [stopped.states[name] for name in names] == [
            ["upstream_failed"],
            ["success"],
            ["failed"],
            ["upstream_failed"],
        ]
        assert (tmp_path / "firmware.zip").read_bytes() == model.projects.firmware(1)
        assert [job.kind for job in model.jobs.list()] == [
            "retrain",
            "classify",
            "version",
            "build",
            "retrain",
            "classify",
        ]


class TestSyncSamples:
    def test_all_then_nothing_then_what_has_changed(
        self, emulator: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = {
            "conn_type": "edge_impulse_project",
            "host": emulator.url,
            "password": emulator.project_api_key,
            "extra": {"ingestion_host": emulator.ingestion_url},
        }
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
        monkeypatch.setenv("SYNC_SAMPLES_SOURCE", str(tmp_path))
        names = ["training/wave/wave.01.csv", "training/wave/wave.02.csv", "testing/wave/wave.17.csv"]
        tree(tmp_path, {name: f"timestamp,x\n0,{number}\n" for number, name in enumerate(names)})
        tree(tmp_path, {"notes.tmp": "not a sample"})
        (first,) = run_dag("edge_impulse_sync_samples").returned["sync_samples"]
        assert (first["created"], first["changed"]) == (3, sorted(names))
        assert emulator.samples.counts() == {"training": {"wave": 2}, "testing": {"wave": 1}}
        assert emulator.samples.list("testing")[0].metadata["recording"] == "wave.17"

        emulator.clear_requests()
        (second,) = run_dag("edge_impulse_sync_samples").returned["sync_samples"]
        assert (second["unchanged"], changes(emulator)) == (3, [])

        (tmp_path / names[1]).unlink()
        tree(tmp_path, {names[0]: "timestamp,x\n0,100\n"})
        (third,) = run_dag("edge_impulse_sync_samples").returned["sync_samples"]
        assert (third["updated"], third["deleted"], third["changed"]) == (1, 1, names[:2])


class TestDataToModel:
    def test_recordings_become_firmware(
        self, studio: EmulatorServer, model: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: Any
    ) -> None:
        tree(tmp_path / "motion", {f"idle-{number}/motion.csv": "timestamp,x\n0,1\n" for number in range(3)})
        monkeypatch.setenv("DATA_TO_MODEL_SOURCE", str(tmp_path / "motion"))
        monkeypatch.setenv("DATA_TO_MODEL_FIRMWARE", str(tmp_path / "motion.zip"))
        done = run_dag("edge_impulse_data_to_model")
        assert {state for states in done.states.values() for state in states} == {"success"}
        assert model.projects.get().samples == 3
        assert (tmp_path / "motion.zip").read_bytes() == model.projects.firmware(1)


class TestNightlySync:
    def test_all_then_nothing_then_what_has_changed(
        self, studio: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = ["s17-morning", "s17-night", "s18-night"]
        tree(tmp_path, {f"{name}/{file}": name for name in names for file in ("motion.csv", "notes.tmp")})
        monkeypatch.setenv("NIGHTLY_SYNC_SOURCE", str(tmp_path))
        (first,) = run_dag("edge_impulse_nightly_sync").returned["sync"]
        assert (first["created"], first["changed"]) == (3, names)
        items = {item.name: item for item in studio.items("sleep-study")}
        assert [[file.name for file in items[name].files] for name in names] == [["motion.csv"]] * 3
        assert items["s17-night"].metadata["recording"] == "s17-night"
        assert json.loads(items["s17-night"].metadata["airflow_ei"])["sync"] == "edge_impulse_nightly_sync.sync"

        studio.clear_requests()
        (second,) = run_dag("edge_impulse_nightly_sync").returned["sync"]
        assert (second["unchanged"], changes(studio)) == (3, [])

        (tmp_path / "s18-night" / "motion.csv").unlink()
        (tmp_path / "s18-night" / "notes.tmp").unlink()
        (tmp_path / "s18-night").rmdir()
        tree(tmp_path, {"s17-night/motion.csv": "longer than before"})
        (third,) = run_dag("edge_impulse_nightly_sync").returned["sync"]
        assert (third["updated"], third["deleted"], third["changed"]) == (1, 1, ["s17-night", "s18-night"])
        assert sorted(item.name for item in studio.items("sleep-study")) == ["s17-morning", "s17-night"]


@pytest.fixture(scope="module")
def one_bucket() -> Iterator[Any]:
    """An S3 server with the bucket of the examples. It is one for all: Airflow keeps the store of a connection."""
    with s3_client("recordings") as client:
        yield client


@pytest.fixture
def bucket(one_bucket: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same, and the default connection leads to it."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", airflow_connection(one_bucket))
    return one_bucket


def newest_event(dag_id: str) -> tuple[int, dict[str, Any]]:
    """Return the number of the newest asset event of a DAG, and its extra."""
    kind = "dataset" if is_airflow_2() else "asset"
    with closing(sqlite3.connect(HOME / "airflow.db")) as database:
        number, extra = database.execute(
            f"select id, extra from {kind}_event where source_dag_id = ? order by id desc", (dag_id,)
        ).fetchone()
    return number, json.loads(extra)


def lead_to_runs_of(dag_id: str, event: int) -> None:
    """Have an event lead to the next runs of a DAG: the scheduler enters it, and ``dags test`` has no scheduler."""
    kind = "dataset" if is_airflow_2() else "asset"
    with closing(sqlite3.connect(HOME / "airflow.db")) as database:
        database.execute(
            f"create trigger event_of_a_test after insert on dag_run when new.dag_id = '{dag_id}' begin "
            f"insert into dagrun_{kind}_event (dag_run_id, event_id) values (new.id, {event}); end"
        )


def stop_leading() -> None:
    """Undo :func:`lead_to_runs_of`."""
    with closing(sqlite3.connect(HOME / "airflow.db")) as database:
        database.execute("drop trigger event_of_a_test")


def event_of_watcher(asset: str, payload: dict[str, Any]) -> int:
    """Enter an event as the triggerer does for an asset that is watched, and return its number."""
    from airflow.assets.manager import asset_manager
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        (known,) = session.scalars(select(AssetModel).where(AssetModel.name == asset))
        extra = {"from_trigger": True, "payload": payload}
        asset_manager.register_asset_change(asset=known.to_serialized(), extra=extra, session=session)
    with closing(sqlite3.connect(HOME / "airflow.db")) as database:
        (number,) = database.execute("select max(id) from asset_event").fetchone()
    return int(number)


class TestBucketAndNewData:
    def test_the_event_of_the_sync_carries_its_summary_to_the_dag_that_waits_for_it(
        self, studio: EmulatorServer, bucket: Any, airflow_database: None, capfd: pytest.CaptureFixture[str]
    ) -> None:
        if is_airflow_2():  # whose ``dags test`` leaves the assets to the scheduler
            for dag_id in ("edge_impulse_s3_sync", "edge_impulse_on_new_data"):
                load_dags(DAGS_FOLDER / "examples" / f"{dag_id}.py")[dag_id].sync_to_db()
        for name in ("a", "b"):
            bucket.put_object(Bucket="recordings", Key=f"motion/{name}/motion.csv", Body=name.encode())
        (summary,) = run_dag("edge_impulse_s3_sync").returned["sync"]
        assert (summary["created"], summary["bytes_sent"]) == (2, 2)
        assert sorted(item.name for item in studio.items("motion")) == ["a", "b"]
        number, extra = newest_event("edge_impulse_s3_sync")
        assert extra == {key: value for key, value in summary.items() if not isinstance(value, list)}

        assert run_dag("edge_impulse_on_new_data").returned["tell"] == [[]]  # started by hand
        lead_to_runs_of("edge_impulse_on_new_data", number)
        try:
            done = run_dag("edge_impulse_on_new_data")
        finally:
            stop_leading()
        assert done.returned["tell"] == [[extra]]
        printed = capfd.readouterr()
        assert f"motion: 2 created, 0 updated: {summary['url']}" in printed.out + printed.err

    def test_it_is_scheduled_on_the_asset(self) -> None:
        (path,) = (path for path in EXAMPLES if path.stem == "edge_impulse_on_new_data")
        (dag,) = load_dags(path).values()
        condition = dag.timetable.dataset_condition if is_airflow_2() else dag.timetable.asset_condition
        assert [asset.uri for asset in condition.objects] == ["edgeimpulse://7/motion"]


@needs_airflow_3
class TestEvents:
    def test_the_event_of_a_changed_dataset_carries_its_totals_to_the_dag(
        self, studio: EmulatorServer, airflow_database: None, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert run_dag("edge_impulse_on_changed_dataset").returned["tell"] == [[]]  # started by hand
        payload = {"dataset": "motion", "organization_id": 7, "before": {"items": 1}, "now": {"items": 3}}
        event = event_of_watcher("motion_in_studio", payload)
        lead_to_runs_of("edge_impulse_on_changed_dataset", event)
        try:
            done = run_dag("edge_impulse_on_changed_dataset")
        finally:
            stop_leading()
        assert done.returned["tell"] == [[payload]]
        printed = capfd.readouterr()
        assert "motion: 3 items, before: 1" in printed.out + printed.err

    def test_new_samples_lead_to_a_training(
        self, emulator: EmulatorServer, airflow_database: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = {"conn_type": "edge_impulse_project", "host": emulator.url, "password": emulator.project_api_key}
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
        emulator.settings.job_queued_seconds = emulator.settings.job_running_seconds = 0
        (result,) = run_dag("edge_impulse_retrain_on_new_samples").returned["retrain"]
        assert (result["state"], emulator.projects.get().model_version) == ("succeeded", 2)

    @pytest.mark.parametrize("example", NEED_AIRFLOW_3)
    def test_it_is_scheduled_on_an_asset_with_a_watcher(self, example: str) -> None:
        (path,) = (path for path in EXAMPLES if path.stem == example)
        (dag,) = load_dags(path).values()
        (asset,) = dag.schedule
        assert len(asset.watchers) == 1


class TestBucketData:
    def test_imports_and_refreshes(self, quick_jobs: EmulatorServer, bucket: Any, airflow_database: None) -> None:
        for key in ("lab/2026/r1/a.csv", "lab/2026/r2/a.csv"):
            bucket.put_object(Bucket="recordings", Key=key, Body=b"1")
            quick_jobs.put_object(key, b"1")
        returned = run_dag("edge_impulse_bucket_data").returned
        assert [returned[task][0]["items_after"] for task in ("import", "refresh")] == [2, 2]


class TestTaskflow:
    def test_the_item_is_uploaded_and_then_seen(self, studio: EmulatorServer, airflow_database: None) -> None:
        done = run_dag("edge_impulse_taskflow")
        assert done.states == {"record": ["success"], "wait": ["success"]}
        (item,) = studio.items("appliances")
        assert (item.name, item.metadata["device"], item.metadata["room"]) == ("kitchen-02", "dryer", "kitchen")
        assert [file.name for file in item.files] == ["notes.json", "recording.csv"]
        assert done.returned["record"][0]["outcome"] == "created"


class TestShardedSync:
    def test_the_group_in_a_dag_with_default_args(self, tmp_path: Path) -> None:
        (tmp_path / "dag.py").write_text(
            "from datetime import datetime\n"
            "from airflow.providers.common.compat.sdk import DAG\n"
            "from airflow_provider_ei.task_groups import edge_impulse_sync\n"
            "with DAG('d', schedule=None, start_date=datetime(2026, 1, 1), default_args={'retries': 3}):\n"
            "    edge_impulse_sync(dataset='d', source='/data')\n"
        )
        (dag,) = load_dags(tmp_path / "dag.py").values()
        assert [task.retries for task in dag.tasks] == [3, 3, 3]

    def test_all_then_nothing(
        self, studio: EmulatorServer, airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = [f"vehicle-{number}/day-{day}" for number in range(6) for day in range(5)]
        tree(tmp_path, {f"{name}/can/bus.csv": name for name in names})
        monkeypatch.setenv("SHARDED_SYNC_SOURCE", str(tmp_path))
        first = run_dag("edge_impulse_sharded_sync")
        shards, (total,) = first.returned["edge_impulse_sync.sync_shard"], first.returned["edge_impulse_sync.finish"]
        assert len(shards) == len(first.states["edge_impulse_sync.sync_shard"]) > 4
        assert sum(shard["created"] for shard in shards) == total["created"] == 30
        assert (total["unchanged"], total["failed"], total["bytes_sent"]) == (0, 0, sum(map(len, names)))
        assert sorted(item.name for item in studio.items("fleet")) == names

        studio.clear_requests()
        second = run_dag("edge_impulse_sharded_sync")
        assert changes(studio) == []
        (total,) = second.returned["edge_impulse_sync.finish"]
        assert total["unchanged"] == 30
        assert second.states["edge_impulse_sync.finish"] == ["success"]
