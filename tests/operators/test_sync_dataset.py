"""The dataset sync in real Airflow: upstream results, templates, outlets, skips, retries, and a group of shards."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseError, EdgeImpulseSyncError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.base import EdgeImpulseOperator
from airflow_provider_ei.operators.data import EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.results import SHARD_COUNTS
from airflow_provider_ei.sync.dataset.options import DELETE_MODES
from airflow_provider_ei.task_groups.sync import FinishSyncOperator
from tests.support.airflow_runs import HOME, RunDag, has_asset_state, is_airflow_2
from tests.support.files import before_each_read
from tests.support.s3 import airflow_connection, s3_client

NAMES = ["s01", "s02", "s03"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "study"
    for name in NAMES:
        write(top, name)
    return top


def write(top: Path, name: str, text: str = "") -> None:
    (top / name).mkdir(parents=True, exist_ok=True)
    (top / name / "motion.csv").write_text(text or name)


def remove(top: Path, name: str) -> None:
    (top / name / "motion.csv").unlink()
    (top / name).rmdir()


def sync(**arguments: Any) -> Any:
    """Execute the operator as a task does after rendering."""
    return EdgeImpulseSyncDatasetOperator(task_id="sync", **{"dataset": "d", **arguments}).execute({})


def query(sql: str, *values: Any) -> list[Any]:
    with sqlite3.connect(HOME / "airflow.db") as database:
        return database.execute(sql, values).fetchall()


def names(studio: EmulatorServer) -> list[str]:
    return sorted(item.name for item in studio.items("d"))


def metadata(studio: EmulatorServer) -> dict[str, dict[str, str]]:
    return {
        item.name: {key: value for key, value in item.metadata.items() if key != "airflow_ei"}
        for item in studio.items("d")
    }


def changed(studio: EmulatorServer) -> list[str | None]:
    return [request.operation for request in studio.requests() if request.changed]


class TestDeclaration:
    def test_every_argument_is_a_template_field(self) -> None:
        constructors = (EdgeImpulseSyncDatasetOperator.__init__, EdgeImpulseOperator.__init__)
        arguments = {name for each in constructors for name in signature(each).parameters} - {"self", "kwargs"}
        assert set(EdgeImpulseSyncDatasetOperator.template_fields) == arguments

    def test_arguments_are_not_checked_before_rendering(self) -> None:
        EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="", workers="{{ x }}", dry_run="{{ y }}", delete="z")


class TestUpstream:
    def test_items_and_metadata_may_come_from_upstream(self, studio: EmulatorServer, run: RunDag, source: Path) -> None:
        done = run(f"""
            @dag(schedule=None)
            def upstream():
                @task(multiple_outputs=True)
                def etl():
                    top = {str(source)!r}
                    items = [{{"name": n, "files": f"{{top}}/{{n}}", "metadata": {{"own": n}}}} for n in {NAMES}]
                    return {{"items": items, "metadata": {{"rate": 100, "own": "-"}}}}
                made = etl()
                EdgeImpulseSyncDatasetOperator(
                    task_id="sync", dataset="d", items=made["items"], metadata=made["metadata"], sync_id="mine"
                )
            upstream()
        """)
        assert done.states == {"etl": ["success"], "sync": ["success"]}
        assert done.returned["sync"][0]["changed"] == NAMES
        assert metadata(studio) == {name: {"rate": "100", "own": name} for name in NAMES}
        assert {json.loads(item.metadata["airflow_ei"])["sync"] for item in studio.items("d")} == {"mine"}

    def test_the_task_waits_for_the_task_that_returns_the_metadata(
        self, studio: EmulatorServer, run: RunDag, source: Path
    ) -> None:
        done = run(f"""
            @dag(schedule=None)
            def waits():
                @task
                def subject():
                    return "s17"
                sync = EdgeImpulseSyncDatasetOperator(
                    task_id="a_sync", dataset="d", source={str(source)!r},
                    metadata={{"subject": subject(), "of": "{{{{ item.name }}}}", "n": "{{{{ item.file_count }}}}"}},
                )
                assert sync.upstream_task_ids == {{"subject"}}
            waits()
        """)
        assert done.states["a_sync"] == ["success"]
        assert metadata(studio) == {name: {"subject": "s17", "of": name, "n": "1"} for name in NAMES}

    def test_items_may_come_from_mapped_tasks(self, studio: EmulatorServer, run: RunDag, source: Path) -> None:
        done = run(f"""
            @dag(schedule=None)
            def mapped():
                @task
                def etl(name):
                    return {{"name": name, "files": {str(source)!r} + "/" + name}}
                EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="d", items=etl.expand(name={NAMES}))
            mapped()
        """)
        assert done.states["sync"] == ["success"]
        assert names(studio) == NAMES

    def test_the_next_task_receives_the_summary(self, studio: EmulatorServer, run: RunDag, source: Path) -> None:
        done = run(f"""
            @dag(schedule=None)
            def chained():
                @task
                def tell(summary):
                    return [summary["created"], summary["changed"]]
                tell(EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="d", source={str(source)!r}).output)
            chained()
        """)
        assert done.returned["tell"] == [[3, NAMES]]
        assert json.loads(json.dumps(done.returned["sync"][0])) == done.returned["sync"][0]


class TestTemplates:
    def test_templates_of_every_kind_are_rendered(self, studio: EmulatorServer, run: RunDag, source: Path) -> None:
        write(source, "drafts")
        (source / "s01" / "x.tmp").write_text("1")
        done = run(f"""
            @dag(schedule=None, params={{"where": {str(source)!r}, "dry": True, "not": ["*.tmp", "drafts/"]}})
            def templates():
                common = dict(
                    dataset="{{{{ 'd' }}}}", source="{{{{ params.where }}}}", exclude="{{{{ params.not }}}}",
                    include=["*.{{{{ 'csv' }}}}"], depth="{{{{ 1 }}}}", workers="{{{{ 2 }}}}",
                    delete="{{{{ 'extra' }}}}", max_delete="{{{{ 50 }}}}%", sync_id="{{{{ dag.dag_id }}}}-x",
                    metadata="{{{{ {{'run': dag.dag_id, 'name': item.name, 'bytes': item.total_bytes}} }}}}",
                )
                dry = EdgeImpulseSyncDatasetOperator(task_id="dry", dry_run="{{{{ params.dry }}}}", **common)
                wet = EdgeImpulseSyncDatasetOperator(task_id="wet", dry_run="{{{{ not params.dry }}}}", **common)
                dry >> wet
            templates()
        """)
        (dry,), (wet,) = done.returned["dry"], done.returned["wet"]
        assert (dry["dry_run"], dry["plan"]["create"], wet["dry_run"], wet["created"]) == (True, NAMES, False, 3)
        assert wet["sync_id"] == "templates-x"
        assert metadata(studio)["s02"] == {"run": "templates", "name": "s02", "bytes": "3"}
        assert [len(item.files) for item in studio.items("d")] == [1, 1, 1]

    def test_a_template_of_an_unknown_item_property_fails(
        self, studio: EmulatorServer, run: RunDag, source: Path
    ) -> None:
        done = run(f"""
            @dag(schedule=None)
            def wrong():
                EdgeImpulseSyncDatasetOperator(
                    task_id="sync", dataset="d", source={str(source)!r}, metadata={{"x": "{{{{ item.nme }}}}"}}
                )
            wrong()
        """)
        assert done.states["sync"] == ["failed"]
        assert studio.items("d") == []

    @pytest.mark.parametrize("value", ["maybe", 1, 2.0])
    @pytest.mark.parametrize("field", ["dry_run", "skip_unchanged"])
    def test_a_flag_must_be_a_bool(self, studio: EmulatorServer, source: Path, field: str, value: Any) -> None:
        with pytest.raises(AirflowFailException, match=f"{field} must be True or False, not {value!r}"):
            sync(source=str(source), sync_id="x", **{field: value})
        assert studio.requests() == []


class TestSkipUnchanged:
    DAG = """
        @dag(schedule=None)
        def skips():
            @task
            def after():
                pass
            EdgeImpulseSyncDatasetOperator(
                task_id="sync", dataset="d", source={source!r}, skip_unchanged="{{{{ True }}}}", delete="extra"
            ) >> after()
        skips()
    """

    def test_the_task_is_skipped_only_when_nothing_changed(
        self, studio: EmulatorServer, run: RunDag, source: Path
    ) -> None:
        lines = self.DAG.format(source=str(source))
        states = []
        for change in (None, None, "write", "remove", None):
            if change == "write":
                write(source, "s01", "longer than before")
            elif change == "remove":
                remove(source, "s02")
            states.append(run(lines).states)
        ran, skipped = ({"sync": [state], "after": [state]} for state in ("success", "skipped"))
        assert states == [ran, skipped, ran, ran, skipped]
        assert names(studio) == ["s01", "s03"]


class TestOutlets:
    EVENTS = "dataset_event" if is_airflow_2() else "asset_event"

    def events(self, run_id: str) -> list[dict[str, Any]]:
        rows = query(f"select extra from {self.EVENTS} where source_run_id = ? order by id", run_id)
        return [json.loads(extra) for (extra,) in rows]

    def test_the_event_of_an_outlet_contains_the_counts(
        self, studio: EmulatorServer, run: RunDag, source: Path
    ) -> None:
        done = run(f"""
            @dag(schedule=None)
            def outlets():
                EdgeImpulseSyncDatasetOperator(
                    task_id="sync", dataset="d", source={str(source)!r},
                    outlets=[Asset("edgeimpulse://7/numbers"), AssetAlias("an alias")],
                )
            outlets()
        """)
        (summary,) = done.returned["sync"]
        numbers = {key: value for key, value in summary.items() if isinstance(value, str | int | float)}
        assert (numbers["created"], numbers["dataset"]) == (3, "d")
        assert [{key: event[key] for key in numbers} for event in self.events(done.run_id)] == [numbers] * 2
        table = "dataset" if is_airflow_2() else "asset"
        assert query(f"select count(*) from {table} where uri = 'edgeimpulse://7/d'") == [(1,)]

    @pytest.mark.skipif(not has_asset_state(), reason="Airflow 3.3 and newer")
    def test_the_state_of_the_asset_contains_the_last_sync(
        self, studio: EmulatorServer, run: RunDag, source: Path
    ) -> None:
        done = run(f"""
            @dag(schedule=None)
            def stateful():
                asset = Asset("edgeimpulse://7/stateful")

                @task(inlets=[asset])
                def read(asset_state_store=None):
                    return asset_state_store[asset].get("edge_impulse_sync")

                EdgeImpulseSyncDatasetOperator(
                    task_id="sync", dataset="d", source={str(source)!r}, outlets=[asset]
                ) >> read()
            stateful()
        """)
        assert done.states == {"read": ["success"], "sync": ["success"]}
        assert (done.returned["read"][0]["created"], done.returned["read"][0]["dataset"]) == (3, "d")

    def test_a_failed_sync_emits_no_event(self, studio: EmulatorServer, run: RunDag, source: Path) -> None:
        studio.inject(Fault(operation="addOrganizationDataItem", kind="success_false"))
        done = run(f"""
            @dag(schedule=None)
            def failed_outlets():
                EdgeImpulseSyncDatasetOperator(
                    task_id="sync", dataset="d", source={str(source)!r}, outlets=[Asset("edgeimpulse://7/failed")]
                )
            failed_outlets()
        """)
        assert done.states["sync"] == ["failed"]
        assert self.events(done.run_id) == []


class TestErrors:
    def test_a_permanent_error_is_not_retried(self, studio: EmulatorServer, run: RunDag, source: Path) -> None:
        (source / "s02" / "x").symlink_to("/nowhere")
        done = run(f"""
            @dag(schedule=None, default_args={{"retries": 3, "retry_delay": 0}})
            def permanent():
                EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="d", source={str(source)!r})
            permanent()
        """)
        assert done.states["sync"] == ["failed"]
        assert names(studio) == ["s01", "s03"]
        assert query("select try_number from task_instance where run_id = ?", done.run_id) == [(1,)]

    def test_a_transient_error_is_retried_and_the_retry_does_only_what_is_left(
        self, studio: EmulatorServer, run: RunDag, source: Path
    ) -> None:
        studio.inject(Fault(operation="addOrganizationDataItem", kind="status", status=503, skip=1, count=4))
        done = run(f"""
            from datetime import timedelta
            @dag(schedule=None, default_args={{"retries": 2, "retry_delay": timedelta(0)}})
            def passing():
                EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="d", source={str(source)!r}, workers=1)
            passing()
        """)
        assert done.states["sync"] == ["success"]
        (summary,) = done.returned["sync"]
        assert (summary["created"], summary["unchanged"]) == (1, 2)
        assert names(studio) == NAMES

    def test_errors_are_mapped_to_airflow_exceptions(self, studio: EmulatorServer, source: Path) -> None:
        with pytest.raises(AirflowFailException, match="source: check the path, which does not exist"):
            sync(source="/nowhere", sync_id="x")
        studio.inject(Fault(operation="addOrganizationDataItem", kind="success_false", error="Dataset is archived"))
        with pytest.raises(AirflowFailException, match=r"1 of 3 data items failed:\n  's01'.*archived"):
            sync(source=str(source), sync_id="x", workers=1)
        studio.inject(Fault(operation="addOrganizationDataItem", kind="status", status=503, count=4))
        with pytest.raises(EdgeImpulseSyncError, match="503") as caught:
            sync(source=str(source), sync_id="x", workers=1)
        assert caught.value.retryable

    def test_a_killed_task_does_not_end_as_a_success(
        self, studio: EmulatorServer, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        operator = EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="d", source=str(source), sync_id="x")
        before_each_read(monkeypatch, lambda file: operator.on_kill())
        with pytest.raises(EdgeImpulseCancelledError):
            operator.execute({})
        assert studio.items("d") == []


class TestMapped:
    """Several sources into one dataset by one mapped task: all its instances have the same id."""

    DAG = """
        @dag(schedule=None)
        def mapped_sources():
            EdgeImpulseSyncDatasetOperator.partial(
                task_id="sync", dataset="d", delete="{delete}", max_delete="100%", {more}
            ).expand({expand})
        mapped_sources()
    """

    @pytest.mark.parametrize("delete", [mode for mode in DELETE_MODES if mode != "never"])
    def test_mapped_instances_do_not_delete_each_others_items(
        self, studio: EmulatorServer, run: RunDag, source: Path, tmp_path: Path, delete: str
    ) -> None:
        write(tmp_path / "other", "t01")
        done = run(self.DAG.format(delete=delete, more="", expand=f"source={[str(source), str(tmp_path / 'other')]!r}"))
        assert done.states["sync"] == ["failed", "failed"]
        assert studio.requests() == []

    def test_mapped_instances_with_their_own_sync_id_may_delete(
        self, studio: EmulatorServer, run: RunDag, source: Path, tmp_path: Path
    ) -> None:
        write(tmp_path / "other", "t01")
        lines = self.DAG.format(
            delete="extra",
            more="sync_id='{{ task.source }}'",
            expand=f"source={[str(source), str(tmp_path / 'other')]!r}",
        )
        for _ in range(2):
            assert run(lines).states["sync"] == ["success", "success"]
            assert names(studio) == [*NAMES, "t01"]


class TestStore:
    @pytest.fixture(scope="class")
    def s3(self) -> Iterator[Any]:
        with s3_client("syncing") as client:
            yield client

    @pytest.fixture(autouse=True)
    def connection(self, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_SYNC_S3", airflow_connection(s3))

    def put(self, s3: Any, **objects: str) -> None:
        for key, text in objects.items():
            s3.put_object(Bucket="syncing", Key=f"study/{key}", Body=text.encode())

    def test_objects_are_streamed_and_not_written_to_disk(
        self, studio: EmulatorServer, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sidecar = json.dumps({"version": 1, "action": "add", "metadata": {"subject": "s17"}})
        large = "x" * 300_000
        self.put(s3, **{"a/x.csv": "1", "a/sub/é.csv": "2", "a/ei-metadata.json": sidecar, "b/x.bin": large, "top": ""})
        s3.put_object(Bucket="syncing", Key="study2/c/x.csv", Body=b"3")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        before_each_read(monkeypatch, lambda file: pytest.fail(f"{file.path} was opened"))
        arguments = {"source": "s3://sync_s3@syncing/study", "sync_id": "x", "delete": "extra"}
        first = sync(**arguments)
        assert (first["created"], first["bytes_sent"]) == (2, 300_002)
        assert metadata(studio) == {"a": {"subject": "s17"}, "b": {}}
        stored = {item.name: {f.name: studio.read_file(item.id, f.name) for f in item.files} for item in studio.items()}
        assert stored == {"a": {"x.csv": b"1", "sub/é.csv": b"2"}, "b": {"x.bin": large.encode()}}

        studio.clear_requests()
        second = sync(**arguments)
        assert (second["unchanged"], second["bytes_hashed"], second["requests"], changed(studio)) == (2, 0, 1, [])

        self.put(s3, **{"a/x.csv": "9"})  # of the same size
        third = sync(**arguments)
        assert (third["changed"], third["bytes_sent"], third["unchanged"]) == (["a"], 2, 1)

        s3.delete_object(Bucket="syncing", Key="study/b/x.bin")
        assert sync(**arguments)["deleted"] == 1
        assert names(studio) == ["a"]
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_or_missing_prefix_deletes_nothing(self, studio: EmulatorServer, s3: Any) -> None:
        s3.put_object(Bucket="syncing", Key="lost/a/x.csv", Body=b"1")
        arguments = {"sync_id": "x", "delete": "extra", "max_delete": "100%"}
        sync(source="s3://sync_s3@syncing/lost", **arguments)
        s3.delete_object(Bucket="syncing", Key="lost/a/x.csv")
        for place in ("syncing/lost", "no-such-bucket/lost"):
            with pytest.raises((AirflowFailException, EdgeImpulseError)):
                sync(source=f"s3://sync_s3@{place}", **arguments)
        assert names(studio) == ["a"]


class TestTaskGroup:
    DAG = """
        @dag(schedule=None)
        def sharded():
            @task
            def subject():
                return "s17"
            edge_impulse_sync(
                dataset="d", source={source!r}, shards=4, delete="extra", max_delete="80%",
                metadata={{"subject": subject(), "of": "{{{{ item.name }}}}"}}, {more}
            )
        sharded()
    """
    GROUP = "edge_impulse_sync"
    MANY = [f"item-{number:02}" for number in range(12)]

    @pytest.fixture
    def many(self, tmp_path: Path) -> Path:
        for name in self.MANY:
            write(tmp_path / "many", name)
        return tmp_path / "many"

    def seed(self, many: Path, **more: Any) -> Any:
        """Leave the dataset as a run of the group does."""
        made = {"metadata": lambda item: {"subject": "s17", "of": item.name}, "sync_id": f"sharded.{self.GROUP}"}
        return EdgeImpulseHook().sync_dataset(dataset="d", source=str(many), **made, **more)

    def test_the_group_sends_everything_then_nothing_then_only_changes(
        self, studio: EmulatorServer, run: RunDag, many: Path
    ) -> None:
        lines = self.DAG.format(source=str(many), more='outlets=[Asset("edgeimpulse://7/sharded")]')
        first = run(lines)
        shards, (total,) = first.returned[f"{self.GROUP}.sync_shard"], first.returned[f"{self.GROUP}.finish"]
        assert first.states[f"{self.GROUP}.sync_shard"] == ["success"] * 4
        assert sum(shard["created"] for shard in shards) == total["created"] == 12
        assert metadata(studio) == {name: {"subject": "s17", "of": name} for name in self.MANY}
        assert {json.loads(item.metadata["airflow_ei"])["sync"] for item in studio.items("d")} == {
            f"sharded.{self.GROUP}"
        }
        sizes = query(
            "select task_id, length(value) from xcom where run_id = ? and key = 'return_value' and task_id in (?, ?)",
            first.run_id,
            f"{self.GROUP}.sync_shard",
            f"{self.GROUP}.plan",
        )
        assert len(sizes) == 5
        assert max(size for _, size in sizes) < 1000

        studio.clear_requests()
        second = run(lines)
        assert second.states == {
            "subject": ["success"],
            f"{self.GROUP}.plan": ["success"],
            f"{self.GROUP}.sync_shard": ["success"],
            f"{self.GROUP}.finish": ["success"],
        }
        assert second.returned[f"{self.GROUP}.finish"][0]["unchanged"] == 12
        assert changed(studio) == []

        write(many, "item-03", "longer than before")
        for name in self.MANY[6:]:
            remove(many, name)
        third = run(lines)
        (total,) = third.returned[f"{self.GROUP}.finish"]
        counts = {what: total[what] for what in ("created", "updated", "unchanged", "deleted", "failed")}
        assert counts == {"created": 0, "updated": 1, "unchanged": 5, "deleted": 6, "failed": 0}
        assert names(studio) == self.MANY[:6]

    def test_a_failed_shard_ends_the_group_and_nothing_is_deleted(
        self, studio: EmulatorServer, run: RunDag, many: Path
    ) -> None:
        self.seed(many)
        lines = self.DAG.format(source=str(many), more="")
        remove(many, "item-00")
        write(many, "item-01", "longer than before")
        (many / "item-02" / "x").symlink_to("/nowhere")
        studio.clear_requests()
        done = run(lines)
        states = done.states[f"{self.GROUP}.sync_shard"]
        assert states.count("failed") == 1
        assert done.states[f"{self.GROUP}.finish"] == ["upstream_failed"]
        assert "deleteOrganizationDataItem" not in changed(studio)
        assert names(studio) == self.MANY

        (many / "item-02" / "x").unlink()
        assert self.seed(many, delete="extra")["deleted"] == 1
        assert names(studio) == self.MANY[1:]

    def test_too_many_deletes_end_the_group_before_anything_is_changed(
        self, studio: EmulatorServer, run: RunDag, many: Path
    ) -> None:
        self.seed(many)
        lines = self.DAG.format(source=str(many), more="")
        for name in self.MANY[1:]:
            remove(many, name)
        write(many, "item-00", "longer than before")
        studio.clear_requests()
        done = run(lines)
        assert done.states[f"{self.GROUP}.plan"] == ["failed"]
        assert done.states[f"{self.GROUP}.finish"] == ["upstream_failed"]
        assert changed(studio) == []

    def test_the_group_is_skipped_when_nothing_changed(self, studio: EmulatorServer, run: RunDag, many: Path) -> None:
        self.seed(many)
        lines = self.DAG.format(source=str(many), more="skip_unchanged=True")
        assert run(lines).states[f"{self.GROUP}.finish"] == ["skipped"]

    def test_changes_between_a_shard_and_the_end_leave_no_negative_count(
        self, studio: EmulatorServer, run: RunDag, many: Path
    ) -> None:
        """No count is below nothing, whatever happens in between."""
        parts = [dict.fromkeys(SHARD_COUNTS, 0) | {"created": 13}]
        finish = FinishSyncOperator(task_id="g.finish", dataset="d", source=str(many), sync_id="x", parts=parts)
        total = finish.execute({})
        assert (total["created"], total["unchanged"]) == (25, 0)
