"""Every example DAG runs in real Airflow, twice, and leaves in the service what it promises."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from tests.support import load_dags, run_dag

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "example_dags").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
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
        given = {key: value for key, value in item.metadata.items() if not key.startswith("airflow_ei_")}
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
        assert items["s17-night"].metadata["airflow_ei_sync"] == "edge_impulse_nightly_sync.sync"

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
