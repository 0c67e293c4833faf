"""Run DAGs as ``airflow dags test`` does, and read the return values of their tasks from Airflow's database."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = Path(os.environ["AIRFLOW_HOME"])
DAGS_FOLDER = HOME / "dags"


@dataclass(frozen=True)
class Run:
    """What a DAG run left: the state of each task instance, and what it returned, in order of the map index."""

    run_id: str
    states: dict[str, list[str]]
    returned: dict[str, list[Any]]


#: The fixture ``run``: runs a DAG file with these lines.
RunDag = Callable[[str], Run]


def load_dags(path: Path) -> dict[str, Any]:
    """Import a DAG file as Airflow does, and return its DAGs by id."""
    bag = _dag_bag(path)
    assert bag.import_errors == {}
    return dict(bag.dags)


def import_errors(path: Path) -> dict[str, str]:
    """Import a DAG file as Airflow does, and return its import errors by path."""
    return dict(_dag_bag(path).import_errors)


def _dag_bag(path: Path) -> Any:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 2
        from airflow.models.dagbag import DagBag

    return DagBag(str(path), include_examples=False) if is_airflow_2() else DagBag(str(path))


def run_dag(path: Path | str) -> Run:
    """Run the only DAG of a file (or the example of that name) to its end."""
    path = DAGS_FOLDER / "examples" / f"{path}.py" if isinstance(path, str) else path
    (dag,) = load_dags(path).values()
    if is_airflow_2():
        dag.sync_to_db()  # as its scheduler does: events need the outlets to be known
    dag_run = dag.test()
    with sqlite3.connect(HOME / "airflow.db") as database:
        states = database.execute(
            "select task_id, state from task_instance where run_id = ? order by task_id, map_index", (dag_run.run_id,)
        ).fetchall()
        returned = database.execute(
            "select task_id, value from xcom where run_id = ? and key = 'return_value' order by task_id, map_index",
            (dag_run.run_id,),
        ).fetchall()
    run = Run(dag_run.run_id, {}, {})
    for task_id, state in states:
        run.states.setdefault(task_id, []).append(state)
    for task_id, value in returned:
        run.returned.setdefault(task_id, []).append(json.loads(value))
    return run


def is_airflow_2() -> bool:
    """Whether this is Airflow 2.11."""
    from airflow import __version__

    return __version__.startswith("2.")


def has_asset_state() -> bool:
    """Whether this Airflow keeps a state for each asset: 3.3 and newer."""
    from airflow import __version__

    return tuple(int(part) for part in __version__.split(".")[:2]) >= (3, 3)
