"""Arguments as DAG files and upstream tasks really give them: numpy, enums, lazy sequences, typing errors."""

from __future__ import annotations

import json
from collections import UserList
from datetime import datetime
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, XComArg

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator
from tests.support.airflow_runs import RunDag, is_airflow_2

from .conftest import Printed
from .test_sync_dataset import metadata, query
from .test_templates import serialized


class Scalar:
    """A stand-in for a numpy scalar, with the attributes that identify one: numpy is not always installed."""

    ndim = 0

    def __init__(self, value: object) -> None:
        self._value = value

    def item(self) -> object:
        return self._value


class Color(str, Enum):  # noqa: UP042 - StrEnum is told by str() already
    RED = "red"


class TestLiterals:
    def test_numpy_scalars_and_enums_become_plain_values(self) -> None:
        given = {"n": Scalar(3), "f": Scalar(1.5), Color.RED: Color.RED, "in": [Scalar(True)]}
        with DAG("literals", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
            add = EdgeImpulseAddDataOperator(task_id="add", name=Color.RED, dataset="d", files="f", metadata=given)
            sync = EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="d", source="s", metadata=given)
            EdgeImpulseAddDataOperator.partial(task_id="part", dataset="d", files="f", metadata=given).expand(
                name=["n"]
            )
        plain = {"n": 3, "f": 1.5, "red": "red", "in": [True]}
        assert add.metadata == sync.metadata == dag.task_dict["part"].partial_kwargs["metadata"] == plain
        assert type(add.name) is str
        json.dumps(serialized(dag), allow_nan=False)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), Scalar(float("nan"))])
    @pytest.mark.parametrize("nested", [False, True])
    def test_nan_and_infinity_are_import_errors(self, value: object, nested: bool) -> None:
        given: dict[str, Any] = {"metadata": {"x": [value] if nested else value}}
        makers = (
            lambda: EdgeImpulseAddDataOperator(task_id="a", name="n", dataset="d", files="f", **given),
            lambda: EdgeImpulseAddDataOperator.partial(task_id="a", dataset="d", files="f", **given),
            lambda: EdgeImpulseSyncDatasetOperator(task_id="a", dataset="d", source="s", **given),
        )
        for make in makers:
            with pytest.raises(EdgeImpulseInputError, match=r"metadata\['x'\].*NaN and infinity are not allowed"):
                make()

    def test_other_values_are_returned_as_the_same_objects(self) -> None:
        given = {"a": [1, "{{ x }}", (2,)]}
        assert EdgeImpulseSyncDatasetOperator(task_id="a", dataset="d", source="s", metadata=given).metadata is given


def test_a_wrong_name_from_upstream_is_named_and_not_retried(
    studio: EmulatorServer, run: RunDag, recording: Path, printed: Printed
) -> None:
    done = run(f"""
        @dag(schedule=None, default_args={{"retries": 2, "retry_delay": 0, "dataset": "d"}})
        def misspelled():
            @task
            def rows():
                return [{{"nam": "a", "files": {str(recording)!r}}}, {{"name": "b", "files": {str(recording)!r}}}]
            EdgeImpulseAddDataOperator.partial(task_id="add").expand_kwargs(rows())
        misspelled()
    """)
    assert sorted(done.states["add"]) == ["failed", "success"]
    tries = query("select try_number from task_instance where run_id = ? and state = 'failed'", done.run_id)
    assert tries == [(1,)]
    assert "there is no 'nam', 'name' is missing. The arguments of EdgeImpulseAddDataOperator are name, " in printed()


@pytest.mark.parametrize("template", ["{{ item.nam }}", "{{ item['nam'] }}", "x{% if item.nam %}{% endif %}"])
def test_an_unknown_field_of_an_item_is_named_and_not_retried(
    studio: EmulatorServer, run: RunDag, recording: Path, printed: Printed, template: str
) -> None:
    done = run(f"""
        @dag(schedule=None, default_args={{"retries": 2, "retry_delay": 0}})
        def unknown():
            EdgeImpulseSyncDatasetOperator(
                task_id="sync", dataset="d", source={str(recording.parent.parent)!r}, metadata={{"x": {template!r}}}
            )
        unknown()
    """)
    assert done.states["sync"] == ["failed"]
    assert query("select try_number from task_instance where run_id = ?", done.run_id) == [(1,)]
    assert "Use item.name, item.file_count, item.total_bytes in metadata" in printed()
    assert [request for request in studio.requests() if request.changed] == []


@pytest.mark.parametrize("files", [None, ["/a", None]])
def test_files_of_a_task_that_returned_nothing_are_refused(studio: EmulatorServer, files: Any) -> None:
    add = EdgeImpulseAddDataOperator(task_id="add", name="one", dataset="d", files=files)
    with pytest.raises(AirflowFailException, match=r"'one': files(\[1\])? is None: the upstream task returned nothing"):
        add.execute({})
    assert studio.requests() == []


class TestMappedResults:
    """The results of a mapped task: a lazy sequence, which is neither a list nor a dict."""

    DAG = """
        @dag(schedule=None)
        def lazy():
            @task
            def files(name):
                return {top!r} + "/" + name
            @task
            def items(name):
                return {{"name": name, "files": {top!r} + "/" + name}}
            @task
            def facts(key):
                return {{key: "1.10"}}
            keys = facts.expand(key=["a", "b"])
            EdgeImpulseAddDataOperator(
                task_id="add", dataset="one", name="n", files=files.expand(name=["x", "y"]), metadata=keys
            )
            EdgeImpulseSyncDatasetOperator(
                task_id="sync", dataset="d", items=items.expand(name=["x", "y"]), metadata=keys
            )

            @task.edge_impulse_add_data(dataset="two", metadata={{"c": 1}})
            def upload(files, metadata):
                return {{"name": "n", "files": files, "metadata": metadata}}
            upload(files.override(task_id="again").expand(name=["x", "y"]), keys)
        lazy()
    """

    @pytest.fixture
    def top(self, tmp_path: Path) -> Path:
        for name in ("x", "y"):
            (tmp_path / name).write_text(name)
        return tmp_path

    def test_mapped_results_are_accepted_as_files_items_and_metadata(
        self, studio: EmulatorServer, run: RunDag, top: Path
    ) -> None:
        done = run(self.DAG.format(top=str(top)))
        assert {state for states in done.states.values() for state in states} == {"success"}
        assert metadata(studio) == {name: {"a": "1.10", "b": "1.10"} for name in ("x", "y")}
        for dataset, more in (("one", {}), ("two", {"c": "1"})):
            (item,) = studio.items(dataset)
            assert [file.name for file in item.files] == ["x", "y"]
            given = {key: value for key, value in item.metadata.items() if not key.startswith("airflow_ei")}
            assert given == {"a": "1.10", "b": "1.10", **more}

    def test_contradicting_metadata_are_refused(self, studio: EmulatorServer, run: RunDag, recording: Path) -> None:
        done = run(f"""
            @dag(schedule=None)
            def contradicting():
                @task
                def facts(value):
                    return {{"a": value}}
                EdgeImpulseAddDataOperator(
                    task_id="add", dataset="d", name="n", files={str(recording)!r}, metadata=facts.expand(value=[1, 2])
                )
            contradicting()
        """)
        assert done.states["add"] == ["failed"]
        assert studio.requests() == []

    def test_mapped_results_in_a_template_are_a_list_or_an_error_that_names_the_remedy(
        self, studio: EmulatorServer, run: RunDag, top: Path, printed: Printed
    ) -> None:
        done = run(f"""
            @dag(schedule=None)
            def text():
                @task
                def files(name):
                    return {str(top)!r} + "/" + name
                files.expand(name=["x", "y"]) >> [
                    EdgeImpulseAddDataOperator(
                        task_id="text", dataset="d", name="n", files="{{{{ ti.xcom_pull('files') }}}}"
                    ),
                    EdgeImpulseAddDataOperator(
                        task_id="list", dataset="d", name="m", files="{{{{ ti.xcom_pull('files') | list }}}}"
                    ),
                ]
            text()
        """)
        assert done.states["list"] == ["success"]
        if is_airflow_2():
            assert done.states["text"] == ["failed"]
            assert "Give files the task's output (files=task.output)" in printed()
        else:
            assert done.states["text"] == ["success"]

    def test_mapped_results_are_in_the_lineage_of_a_task_that_calls_the_hook(
        self, studio: EmulatorServer, recording: Path
    ) -> None:
        lazy = UserList([str(recording)])
        hook = EdgeImpulseHook()
        assert hook.add_data(name="n", dataset="d", files=lazy)["outcome"] == "created"
        assert hook.source_uris == (str(recording),)
        hook.sync_dataset(dataset="e", items=UserList([{"name": "n", "files": lazy}]))
        assert list(hook.source_uris) == [str(recording)]


def test_metadata_from_upstream_are_pulled_once_for_all_items(
    studio: EmulatorServer, run: RunDag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "top" / name).mkdir(parents=True)
        (tmp_path / "top" / name / "x").write_text(name)
    pulled: list[str] = []
    plain = import_module(XComArg.__module__).PlainXComArg
    resolve = plain.resolve

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        pulled.append(self.operator.task_id)
        return resolve(self, *args, **kwargs)

    monkeypatch.setattr(plain, "resolve", counted)
    run(f"""
        @dag(schedule=None)
        def once():
            @task
            def subject():
                return "{{{{ item.name }}}}"
            EdgeImpulseSyncDatasetOperator(
                task_id="sync", dataset="d", source={str(tmp_path / "top")!r},
                metadata={{"subject": subject(), "{{{{ item.name }}}}": "{{{{ item.file_count }}}}"}},
            )
        once()
    """)
    assert metadata(studio) == {name: {"subject": "{{ item.name }}", name: "1"} for name in ("a", "b", "c")}
    assert pulled == ["subject"]


class TestDecorator:
    def test_the_decorator_accepts_a_coroutine_function(
        self, studio: EmulatorServer, run: RunDag, recording: Path
    ) -> None:
        done = run(f"""
            import asyncio
            @dag(schedule=None)
            def asynchronous():
                @task.edge_impulse_add_data(dataset="d")
                async def upload(name):
                    await asyncio.sleep(0)
                    return {{"name": name, "files": {str(recording)!r}}}
                upload("one")
                upload.override(task_id="mapped").expand(name=["two"])
            asynchronous()
        """)
        assert {state for states in done.states.values() for state in states} == {"success"}
        assert sorted(item.name for item in studio.items("d")) == ["one", "two"]

    @pytest.mark.parametrize(
        ("more", "returned", "error"),
        [
            (
                "",
                '[{"name": "n", "files": F}, {"name": "m", "files": F}, {"name": "n", "files": F}]',
                "'n' occurs more than once",
            ),
            (', name="x"', '[{"files": F}, {"files": F}]', "'x' occurs more than once"),
            ("", '[{"name": 7, "files": F}, {"name": "7", "files": F}]', "'7' occurs more than once"),
            ("", '[{"name": Subject.ONE, "files": F}, {"name": "one", "files": F}]', "'one' occurs more than once"),
            (", multiple_outputs=True", '[{"name": "n", "files": F}]', "Return one dict"),
            ("", '{"name": "n", "files": None}', "files is None: the upstream task returned nothing"),
        ],
    )
    def test_the_decorator_refuses_wrong_values_before_anything_is_sent(
        self,
        studio: EmulatorServer,
        run: RunDag,
        recording: Path,
        printed: Printed,
        more: str,
        returned: str,
        error: str,
    ) -> None:
        done = run(f"""
            from enum import Enum
            class Subject(str, Enum):
                ONE = "one"
            F = {str(recording)!r}
            @dag(schedule=None, default_args={{"retries": 2, "retry_delay": 0}})
            def refused():
                @task.edge_impulse_add_data(dataset="d"{more})
                def upload():
                    return {returned}
                upload()
            refused()
        """)
        assert done.states["upload"] == ["failed"]
        assert query("select try_number from task_instance where run_id = ?", done.run_id) == [(1,)]
        assert error in printed()
        assert studio.requests() == []

    def test_metadata_of_a_template_and_of_the_function_are_merged(
        self, studio: EmulatorServer, run: RunDag, recording: Path
    ) -> None:
        run(f"""
            @dag(schedule=None)
            def merged():
                @task.edge_impulse_add_data(dataset="d", metadata="{{{{ {{'a': 1, 'b': 1}} | tojson }}}}")
                def upload():
                    return {{"name": "n", "files": {str(recording)!r}, "metadata": {{"b": 2}}}}
                upload()
            merged()
        """)
        assert metadata(studio) == {"n": {"a": "1", "b": "2"}}
