"""``@task.edge_impulse_add_data`` in real Airflow, and the names of mapped uploads."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from airflow_provider_ei.emulator import EmulatorServer
from tests.support.airflow_runs import HOME, RunDag


def names_shown(run_id: str) -> list[str | None]:
    with sqlite3.connect(HOME / "airflow.db") as database:
        rows = database.execute(
            "select rendered_map_index from task_instance where run_id = ? and map_index >= 0 order by map_index",
            (run_id,),
        )
        return [name for (name,) in rows]


def test_a_function_may_return_one_item(studio: EmulatorServer, run: RunDag, recording: Path) -> None:
    done = run(f"""
        @dag(schedule=None)
        def decorated():
            @task
            def who():
                return "s17"

            @task.edge_impulse_add_data(dataset="gestures", metadata={{"from": "decorator"}})
            def upload(subject, ti=None):
                return {{"name": f"{{subject}}-{{ti.task_id}}", "files": {str(recording)!r}}}

            upload(who())
        decorated()
    """)
    assert done.states["upload"] == ["success"]
    (item,) = studio.items("gestures")
    assert (item.name, item.metadata["from"]) == ("s17-upload", "decorator")
    assert done.returned["upload"][0]["outcome"] == "created"


def test_a_function_may_return_several_items(studio: EmulatorServer, run: RunDag, recording: Path) -> None:
    done = run(f"""
        @dag(schedule=None)
        def decorated():
            @task.edge_impulse_add_data(dataset="gestures", metadata={{"all": 1}})
            def upload():
                one = {{"name": "one", "files": {str(recording)!r}, "metadata": {{"own": 1}}}}
                return [one, {{"name": "two", "files": {str(recording)!r}}}]
            upload()
        decorated()
    """)
    items = {item.name: item.metadata for item in studio.items("gestures")}
    assert sorted(items) == ["one", "two"]
    assert ("own" in items["one"], "own" in items["two"]) == (True, False)
    assert (items["one"]["all"], items["two"]["all"]) == ("1", "1")
    assert [result["name"] for result in done.returned["upload"][0]] == ["one", "two"]


def test_mapped_uploads_are_labeled_with_their_names(studio: EmulatorServer, run: RunDag, recording: Path) -> None:
    done = run(f"""
        @dag(schedule=None)
        def mapped():
            EdgeImpulseAddDataOperator.partial(task_id="add", dataset="gestures", files={str(recording)!r}).expand(
                name=["left", "right"]
            )

            @task.edge_impulse_add_data(dataset="more")
            def upload(name):
                return {{"name": name, "files": {str(recording)!r}}}
            upload.expand(name=["up", "down"])
        mapped()
    """)
    assert sorted(str(name) for name in names_shown(done.run_id)) == ["down", "left", "right", "up"]
