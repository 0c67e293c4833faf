"""The operator in real Airflow: templates, upstream results, mapping, retries, and what ends a task at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.operators.base import EdgeImpulseOperator
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator
from tests.support.airflow_runs import HOME, RunDag, is_airflow_2


def add(**arguments: Any) -> Any:
    """Execute the operator as a task does after rendering."""
    given = {"name": "one", "dataset": "gestures"} | arguments
    return EdgeImpulseAddDataOperator(task_id="add", **given).execute({})


class TestDeclaration:
    def test_every_argument_is_a_template_field(self) -> None:
        constructors = (EdgeImpulseAddDataOperator.__init__, EdgeImpulseOperator.__init__)
        arguments = {name for each in constructors for name in signature(each).parameters} - {"self", "kwargs"}
        assert set(EdgeImpulseAddDataOperator.template_fields) == arguments

    def test_arguments_are_not_checked_before_rendering(self) -> None:
        EdgeImpulseAddDataOperator(task_id="add", name="", dataset="", files=None, if_exists="{{ x }}")


class TestUpstreamResults:
    def test_an_xcomarg_is_an_argument(self, studio: EmulatorServer, run: RunDag, recording: Path) -> None:
        done = run(f"""
            @dag(schedule=None)
            def xcomarg():
                @task(multiple_outputs=True)
                def etl():
                    return {{"files": [{str(recording)!r}], "metadata": {{"n": 1, "ok": True}}, "name": "from xcom"}}
                made = etl()
                EdgeImpulseAddDataOperator(
                    task_id="add", dataset="gestures", name=made["name"], files=made["files"], metadata=made["metadata"]
                )
            xcomarg()
        """)
        assert done.states["add"] == ["success"]
        (item,) = studio.items("gestures")
        assert (item.name, item.metadata["n"], item.metadata["ok"]) == ("from xcom", "1", "true")

    def test_templates_may_render_to_strings(self, studio: EmulatorServer, run: RunDag, recording: Path) -> None:
        run(f"""
            @dag(schedule=None)
            def templates():
                @task
                def etl():
                    return {{"files": [{str(recording)!r}], "metadata": {{"who": "it's me", "n": 2}}}}
                etl() >> EdgeImpulseAddDataOperator(
                    task_id="add", dataset="gestures", name="{{{{ ti.task_id }}}}-1",
                    files="{{{{ ti.xcom_pull('etl')['files'] }}}}",
                    metadata="{{{{ ti.xcom_pull('etl')['metadata'] | tojson }}}}",
                    organization_id="{{{{ 7 }}}}",
                )
            templates()
        """)
        (item,) = studio.items("gestures")
        assert (item.name, item.metadata["who"], item.metadata["n"]) == ("add-1", "it's me", "2")

    def test_native_objects_are_accepted(self, studio: EmulatorServer, run: RunDag, recording: Path) -> None:
        run(f"""
            @dag(schedule=None, render_template_as_native_obj=True)
            def native():
                @task
                def etl():
                    return {{"files": [{{"path": {str(recording)!r}, "name": "x.csv"}}], "metadata": {{"n": 2}}}}
                etl() >> EdgeImpulseAddDataOperator(
                    task_id="add", dataset="gestures", name="{{{{ 12 }}}}",
                    files="{{{{ ti.xcom_pull('etl')['files'] }}}}",
                    metadata="{{{{ ti.xcom_pull('etl')['metadata'] }}}}",
                )
            native()
        """)
        (item,) = studio.items("gestures")
        assert (item.name, item.files[0].name, item.metadata["n"]) == ("12", "x.csv", "2")

    def test_a_task_can_be_mapped_over_files(self, studio: EmulatorServer, run: RunDag, tmp_path: Path) -> None:
        done = run(f"""
            from pathlib import Path
            @dag(schedule=None)
            def mapped():
                @task
                def write(number):
                    path = Path({str(tmp_path)!r}, f"{{number}}.csv")
                    path.write_text(str(number))
                    return str(path)
                written = write.expand(number=[1, 2, 3])
                EdgeImpulseAddDataOperator(task_id="together", dataset="gestures", name="all", files=written)
                EdgeImpulseAddDataOperator.partial(
                    task_id="apart", dataset="gestures", name="{{{{ 'item-' ~ ti.map_index }}}}"
                ).expand(files=written)
            mapped()
        """)
        assert done.states == {task: ["success"] * (1 if task == "together" else 3) for task in done.states}
        items = {item.name: [file.name for file in item.files] for item in studio.items("gestures")}
        assert items == {
            "all": ["1.csv", "2.csv", "3.csv"],
            "item-0": ["1.csv"],
            "item-1": ["2.csv"],
            "item-2": ["3.csv"],
        }

    def test_two_mapped_uploads_with_the_same_name_do_not_replace_each_other(
        self, studio: EmulatorServer, run: RunDag, tmp_path: Path
    ) -> None:
        """The first item is kept. The other upload fails without retries, and names the one it would have replaced."""
        for number in (1, 2):
            (tmp_path / f"{number}.csv").write_text(str(number))
        done = run(f"""
            from datetime import timedelta
            @dag(schedule=None, default_args={{"retries": 2, "retry_delay": timedelta(0)}})
            def mapped():
                EdgeImpulseAddDataOperator.partial(task_id="add", dataset="gestures", name="run").expand(
                    files=[{str(tmp_path / "1.csv")!r}, {str(tmp_path / "2.csv")!r}]
                )
            mapped()
        """)
        assert sorted(done.states["add"]) == ["failed", "success"]
        (item,) = studio.items("gestures")
        assert len(item.files) == 1

    def test_a_later_run_of_mapped_uploads_replaces_items_of_an_earlier_run(
        self, studio: EmulatorServer, run: RunDag, tmp_path: Path
    ) -> None:
        for text in ("a", "b"):
            (tmp_path / "1.csv").write_text(text)
            done = run(f"""
                @dag(schedule=None)
                def mapped():
                    EdgeImpulseAddDataOperator.partial(task_id="add", dataset="gestures", name="run").expand(
                        files=[{str(tmp_path / "1.csv")!r}]
                    )
                mapped()
            """)
            assert done.states["add"] == ["success"]
        (item,) = studio.items("gestures")
        assert studio.read_file(item.id, "1.csv") == b"b"

    def test_the_next_task_receives_the_result(self, studio: EmulatorServer, run: RunDag, recording: Path) -> None:
        done = run(f"""
            @dag(schedule=None)
            def chained():
                @task
                def tell(result):
                    return f"{{result['outcome']}} {{result['data_id']}}"
                add = EdgeImpulseAddDataOperator(task_id="add", dataset="d", name="n", files={str(recording)!r})
                tell(add.output)
            chained()
        """)
        (result,) = done.returned["add"]
        assert result == {
            "data_id": 1,
            "name": "n",
            "dataset": "d",
            "organization_id": 7,
            "outcome": "created",
            "file_count": 1,
            "total_bytes": recording.stat().st_size,
            "digest": json.loads(studio.items()[0].metadata["airflow_ei"])["digest"],
            "url": studio.page_url + "organization/7/data",
        }
        assert done.returned["tell"] == ["created 1"]


class TestRepetition:
    def test_cleared_tasks_leave_one_item(self, studio: EmulatorServer, recording: Path) -> None:
        outcomes = [add(files=str(recording))["outcome"] for _ in range(3)]
        assert outcomes == ["created", "unchanged", "unchanged"]
        assert len(studio.items()) == 1
        assert sum(request.changed for request in studio.requests()) == 1

    def test_a_retried_task_leaves_one_item(self, studio: EmulatorServer, run: RunDag, recording: Path) -> None:
        # The item is stored each time and no answer arrives: the first try gives up, the second finds it.
        studio.inject(Fault(operation="addOrganizationDataItem", kind="drop_after"))
        studio.inject(Fault(operation="listOrganizationFiles", kind="status", status=500, skip=1, count=4))
        done = run(f"""
            from datetime import timedelta
            @dag(schedule=None, default_args={{"retries": 2, "retry_delay": timedelta(0)}})
            def retried():
                EdgeImpulseAddDataOperator(task_id="add", dataset="d", name="n", files={str(recording)!r})
            retried()
        """)
        assert done.states["add"] == ["success"]
        assert done.returned["add"][0]["outcome"] == "unchanged"
        assert len(studio.items()) == 1


class TestErrors:
    def test_a_permanent_error_is_not_retried(self, studio: EmulatorServer, recording: Path) -> None:
        studio.inject(Fault(operation="addOrganizationDataItem", kind="success_false", error="Dataset is archived"))
        with pytest.raises(AirflowFailException, match="Dataset is archived"):
            add(files=str(recording))

    def test_a_wrong_key_is_not_retried(
        self, emulator: EmulatorServer, connect: Callable[..., None], recording: Path
    ) -> None:
        connect(emulator.url, password="ei_wrong", organization_id=7)
        with pytest.raises(AirflowFailException, match="Invalid API key"):
            add(files=str(recording))
        assert len(emulator.requests()) == 1

    def test_airflow_retries_a_transient_error(self, studio: EmulatorServer, recording: Path) -> None:
        studio.inject(Fault(operation="*", kind="status", status=503, count=100))
        with pytest.raises(EdgeImpulseError, match="503") as caught:
            add(files=str(recording))
        assert caught.value.retryable


class TestBadInput:
    """One clear error that names the field, the item and the file, before anything is sent."""

    def refused(self, studio: EmulatorServer, *parts: str, **arguments: Any) -> None:
        with pytest.raises(AirflowFailException) as caught:
            add(**arguments)
        for part in parts:
            assert part in str(caught.value)
        assert studio.requests() == []

    def test_a_missing_file_is_named(self, studio: EmulatorServer, recording: Path, tmp_path: Path) -> None:
        missing = str(tmp_path / "missing.csv")
        self.refused(studio, "'one'", "files", missing, "does not exist", files=[str(recording), missing])

    def test_a_directory_without_files_is_refused(self, studio: EmulatorServer, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        self.refused(
            studio, "'one'", str(tmp_path / "empty"), "give a directory with files", files=str(tmp_path / "empty")
        )

    def test_two_files_with_the_same_name_are_refused(self, studio: EmulatorServer, tmp_path: Path) -> None:
        for folder in "ab":
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "x.csv").write_text(folder)
        paths = [str(tmp_path / folder / "x.csv") for folder in "ab"]
        self.refused(studio, "'one'", *paths, "'x.csv'", files=paths)

    @pytest.mark.parametrize("value", [{"a": 1}, [1], None, float("nan"), object()])
    def test_a_metadata_value_must_be_a_scalar(self, studio: EmulatorServer, recording: Path, value: object) -> None:
        self.refused(studio, "'one'", "metadata['key']", files=str(recording), metadata={"key": value})

    @pytest.mark.parametrize("key", ["dataItemInfo", "ei_check_labels", "airflow_ei", "airflow_ei_state"])
    def test_a_reserved_metadata_key_is_refused(self, studio: EmulatorServer, recording: Path, key: str) -> None:
        self.refused(studio, "'one'", repr(key), "reserved", files=str(recording), metadata={key: "1"})

    @pytest.mark.parametrize("field", ["name", "dataset"])
    @pytest.mark.parametrize("value", ["", "None", " x", "a\nb", "a\0b", 1.5, None])
    def test_an_invalid_name_is_refused(
        self, studio: EmulatorServer, recording: Path, field: str, value: object
    ) -> None:
        self.refused(studio, field, files=str(recording), **{field: value})

    @pytest.mark.parametrize("files", [None, "", "None", [], {}, {"name": "x"}, 7, [None], {"path": "x", "nam": "y"}])
    def test_files_of_another_type_are_refused(self, studio: EmulatorServer, files: object) -> None:
        self.refused(studio, "'one'", "files", files=files)

    def test_a_content_type_with_a_line_break_is_refused(self, studio: EmulatorServer, recording: Path) -> None:
        spec = {"path": str(recording), "content_type": "text/csv\r\nX: y"}
        self.refused(studio, "content_type", str(recording), files=spec)

    def test_bucket_name_and_bucket_id_exclude_each_other(self, studio: EmulatorServer, recording: Path) -> None:
        self.refused(studio, "bucket_id", "bucket_name", files=str(recording), bucket_id=3, bucket_name="b")

    @pytest.mark.parametrize("value", ["Update", "", None])
    def test_an_unknown_if_exists_is_refused(self, studio: EmulatorServer, recording: Path, value: object) -> None:
        self.refused(studio, "if_exists", "update, skip, fail, overwrite", files=str(recording), if_exists=value)

    def test_an_organization_id_must_be_a_number(self, studio: EmulatorServer, recording: Path) -> None:
        self.refused(studio, "organization_id", "'acme'", files=str(recording), organization_id="acme")


def test_the_events_of_outlets_contain_the_result(studio: EmulatorServer, run: RunDag, recording: Path) -> None:
    done = run(f"""
        @dag(schedule=None)
        def uploaded():
            EdgeImpulseAddDataOperator(
                task_id="add", dataset="d", name="a", files={str(recording)!r}, outlets=[Asset("edgeimpulse://7/d")]
            )
        uploaded()
    """)
    (result,) = done.returned["add"]
    events = "dataset_event" if is_airflow_2() else "asset_event"
    with sqlite3.connect(HOME / "airflow.db") as database:
        ((extra,),) = database.execute(f"select extra from {events} where source_run_id = ?", (done.run_id,))
    told = json.loads(extra)
    assert {key: told[key] for key in ("data_id", "file_count", "total_bytes", "digest")} == {
        key: result[key] for key in ("data_id", "file_count", "total_bytes", "digest")
    }
