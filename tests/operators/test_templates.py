"""What is a template and what is text: every argument of every operator and decorator, in every way to give it."""

from __future__ import annotations

import json
from textwrap import dedent, indent
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from tests.support.airflow_runs import DAGS_FOLDER, RunDag, load_dags

from .conftest import HEAD

#: Operators with all their arguments, made to return these instead of uploading.
RECORDERS = """
from inspect import signature
from airflow.providers.common.compat.sdk import task_decorator_factory
from airflow_provider_ei.decorators.add_data import _AddDataDecoratedOperator
from airflow_provider_ei.operators.samples import EdgeImpulseUploadSamplesOperator
from airflow_provider_ei.task_groups.sync import FinishSyncOperator, PlanShardsOperator, SyncShardOperator

def shown(value):
    if isinstance(value, dict):
        return {shown(key): shown(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value]
    return value if isinstance(value, (str, int, float, type(None))) else f"{type(value).__name__} {value}"

class Recorder:
    def execute(self, context):
        return {field: shown(getattr(self, field)) for field in self.template_fields}

OPERATORS = [
    type(each.__name__, (Recorder, each), {"execute": Recorder.execute, "__module__": __name__})
    for each in (EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator, PlanShardsOperator, SyncShardOperator,
                 FinishSyncOperator, EdgeImpulseUploadSamplesOperator)
]

def first(cls):
    return "dataset" if "dataset" in cls.template_fields else "category"

class Decorated(Recorder, _AddDataDecoratedOperator):
    execute = Recorder.execute
"""

CALL_FIELDS = ("op_args", "op_kwargs", "templates_dict")
COLLECTIONS = ("files", "items", "include", "exclude", "metadata")


def dag(lines: str, *, native: bool = False) -> str:
    return f"{RECORDERS}\n@dag(schedule=None, render_template_as_native_obj={native})\ndef templates():\n" + (
        indent(lines, "    ") + "\ntemplates()\n"
    )


#: The same value for every argument, by upstream tasks.
FROM_UPSTREAM = """
@task
def one():
    return VALUE

@task
def several():
    return [VALUE]

@task
def mappings(names):
    return [dict.fromkeys(names, VALUE)]

given, listed = one(), several()
for cls in OPERATORS:
    fields = cls.template_fields
    cls(task_id=f"plain_{cls.__name__}", **{field: given for field in fields})
    others = {field: given for field in fields if field != first(cls)}
    cls.partial(task_id=f"partial_{cls.__name__}", **others).expand(**{first(cls): listed})
    cls.partial(task_id=f"expand_{cls.__name__}").expand(**{field: listed for field in fields})
    kwargs = mappings.override(task_id=f"mappings_{cls.__name__}")(list(fields))
    cls.partial(task_id=f"kwargs_{cls.__name__}").expand_kwargs(kwargs)
    replaced = {field: "{{ 1 }}" for field in fields}
    cls.partial(task_id=f"replaced_{cls.__name__}", **replaced).expand_kwargs(kwargs, strict=False)

names = [name for name in Decorated.template_fields if name not in ("op_args", "op_kwargs", "templates_dict")]

@task_decorator_factory(decorated_operator_class=Decorated, **{name: given for name in names})
def function(x, y=None):
    pass

function.override(task_id="plain_function")(given, y=given)
function.override(task_id="partial_function").partial(x=given).expand(y=listed)
function.override(task_id="expand_function").expand(x=listed, y=listed)
function.override(task_id="kwargs_function").expand_kwargs(mappings(["x", "y"]))
"""

SECRET = "{{ conn.edge_impulse_default.password }}"
NESTED = {SECRET: [SECRET, {"{% if %}": "1.10"}], "1": "2026_01_15"}
WAYS = {"plain": 7, "partial": 7, "expand": 7, "kwargs": 7, "replaced": 6}


@pytest.mark.parametrize(
    ("value", "native"), [(SECRET, False), (NESTED, False), (SECRET, True), ("2026_01_15", True), (NESTED, True)]
)
def test_values_from_upstream_arrive_unchanged(studio: EmulatorServer, run: RunDag, value: Any, native: bool) -> None:
    done = run(dag(f"VALUE = {value!r}{FROM_UPSTREAM}", native=native))
    assert {state for states in done.states.values() for state in states} == {"success"}
    seen = dict.fromkeys(WAYS, 0)
    for task_id, results in done.returned.items():
        way, _, name = task_id.partition("_")
        if way not in WAYS:
            continue
        seen[way] += 1
        (result,) = results
        fields = {field: got for field, got in result.items() if field not in CALL_FIELDS}
        assert fields == dict.fromkeys(fields, value), task_id
        if name == "function":
            assert [*result["op_args"], *result["op_kwargs"].values()] == [value] * 2, task_id
    assert seen == WAYS


def test_values_that_a_task_group_is_mapped_over_arrive_unchanged(studio: EmulatorServer, run: RunDag) -> None:
    lines = """
    from airflow.providers.common.compat.sdk import task_group

    @task
    def several():
        return [VALUE]

    @task_group
    def group(value):
        for cls in OPERATORS:
            cls(task_id=cls.__name__, **{field: value for field in cls.template_fields})

    group.expand(value=several())
    """
    for value in (SECRET, NESTED):
        done = run(dag(f"VALUE = {value!r}{dedent(lines)}"))
        results = [result for name, (result,) in done.returned.items() if name.startswith("group.")]
        assert len(results) == 6
        for result in results:
            assert result == dict.fromkeys(result, value)


#: Templates for every argument, as a DAG author writes them.
BY_THE_AUTHOR = """
for cls in OPERATORS:
    fields = cls.template_fields
    cls(task_id=f"plain_{cls.__name__}", **{field: VALUE for field in fields})
    others = {field: VALUE for field in fields if field != first(cls)}
    cls.partial(task_id=f"partial_{cls.__name__}", **others).expand(**{first(cls): [VALUE]})
    cls.partial(task_id=f"expand_{cls.__name__}").expand(**{field: [VALUE] for field in fields})
    cls.partial(task_id=f"kwargs_{cls.__name__}").expand_kwargs([{field: VALUE for field in fields}])

names = [name for name in Decorated.template_fields if name not in ("op_args", "op_kwargs", "templates_dict")]

@task_decorator_factory(decorated_operator_class=Decorated, **{name: VALUE for name in names})
def function(x):
    pass

function.override(task_id="plain_function")(1)
function.override(task_id="partial_function").expand(x=[1])
"""


@pytest.mark.parametrize(
    ("value", "expected", "native"),
    [
        ("{{ dag.dag_id }}-{{ 1 }}", "templates-1", False),
        ({"{{ 'key' }}": ["{{ dag.dag_id }}"]}, {"key": ["templates"]}, False),
        ("{{ '2026_01_15' }}", "2026_01_15", True),
        ("2026_01_15", "2026_01_15", True),
        ("{{ 12 }}", "12", True),
        (
            {"{{ '1' }}": ["{{ '1.10' }}", "{{ 1.5 }}", "0x10", "{{ true }}"]},
            {"1": ["1.10", "1.5", "0x10", "True"]},
            True,
        ),
    ],
)
def test_templates_in_the_dag_file_render_to_strings(
    studio: EmulatorServer, run: RunDag, value: Any, expected: Any, native: bool
) -> None:
    done = run(dag(f"VALUE = {value!r}{BY_THE_AUTHOR}", native=native))
    assert {state for states in done.states.values() for state in states} == {"success"}
    assert len(done.returned) == 6 * 4 + 2
    for task_id, (result,) in done.returned.items():
        fields = {field: got for field, got in result.items() if field not in CALL_FIELDS}
        assert fields == dict.fromkeys(fields, expected), task_id


def test_a_template_for_a_whole_list_or_dict_renders_to_it_with_native_objects(
    studio: EmulatorServer, run: RunDag
) -> None:
    value = {"a": ["1.10", "{{ no }}"]}
    done = run(
        dag(f"params = dict.fromkeys(['x'], {value!r})\nVALUE = '{{{{ task.params.x }}}}'{BY_THE_AUTHOR}", native=True)
        .replace("cls.partial(", "cls.partial(params=params, ")
        .replace("cls(", "cls(params=params, ")
        .replace("**{name: VALUE for name", "params=params, **{name: VALUE for name")
    )
    for task_id, (result,) in done.returned.items():
        collections = {field: got for field, got in result.items() if field in COLLECTIONS}
        assert collections == dict.fromkeys(collections, value), task_id
        strings = {field: got for field, got in result.items() if field not in (*COLLECTIONS, *CALL_FIELDS)}
        assert strings == dict.fromkeys(strings, str(value)), task_id


def test_the_task_waits_for_the_tasks_that_return_its_arguments(airflow_database: None) -> None:
    lines = """
    @task
    def up():
        return 1

    for cls in OPERATORS:
        for field in cls.template_fields:
            rest = {other: "x" for other in cls.template_fields if other != field}
            for way, value in (("direct", up()), ("nested", {"in": [up()]})):
                cls(task_id=f"{cls.__name__}_{field}_{way}", **rest, **{field: value})
                if field != first(cls):
                    given = {**rest, field: value}
                    del given[first(cls)]
                    partial = cls.partial(task_id=f"{cls.__name__}_{field}_{way}_partial", **given)
                    partial.expand(**{first(cls): ["x"]})
                cls.partial(task_id=f"{cls.__name__}_{field}_{way}_expand", **rest).expand(**{field: up()})

    for field in [n for n in Decorated.template_fields if n not in ("op_args", "op_kwargs", "templates_dict")]:
        for way, value in (("direct", up()), ("nested", {"in": [up()]})):

            @task_decorator_factory(decorated_operator_class=Decorated, **{"dataset": "x", field: value})
            def function(x):
                pass

            function.override(task_id=f"function_{field}_{way}")(1)
            function.override(task_id=f"function_{field}_{way}_partial").expand(x=[1])
    """
    path = DAGS_FOLDER / "relations_of_a_test.py"
    try:
        path.write_text(HEAD + dag(dedent(lines)))
        (made,) = load_dags(path).values()
    finally:
        path.unlink(missing_ok=True)
    tasks = json.loads(json.dumps(serialized(made)))["dag"]["tasks"]
    waiting = {
        name for each in tasks if task_id(each).startswith("up") for name in each["__var"]["downstream_task_ids"]
    }
    assert len(tasks) > 400
    assert waiting == {task_id(each) for each in tasks if not task_id(each).startswith("up")}


def task_id(serialized_task: dict[str, Any]) -> str:
    return str(serialized_task["__var"]["task_id"])


def serialized(made: Any) -> Any:
    """Return a DAG as the scheduler gets it."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization
    return DagSerialization.to_dict(made)
