"""The README: its first DAGs run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from tests.support.airflow_runs import DAGS_FOLDER, is_airflow_2, load_dags, run_dag

ROOT = Path(__file__).parent.parent


def first_dags() -> tuple[str, str]:
    """Return the README's first DAG, and the mapped one that takes the place of its function's body."""
    _, _, rest = (ROOT / "README.md").read_text().partition("runs the next two blocks -->\n")
    whole, mapped = re.findall(r"^```python\n(.*?)^```", rest, re.M | re.S)[:2]
    head, function, _ = whole.partition("def recordings_to_edge_impulse():\n")
    return whole, f"{head}{function}{indent(mapped, '    ')}\n\nrecordings_to_edge_impulse()\n"


@pytest.fixture
def dag_file(airflow_database: None) -> Iterator[Path]:
    path = DAGS_FOLDER / "recordings_to_edge_impulse.py"
    yield path
    path.unlink(missing_ok=True)


def write(path: Path, code: str, recordings: Path) -> None:
    assert code.count('"/data/recordings"') == 1
    code = code.replace('"/data/recordings"', repr(str(recordings)))
    if is_airflow_2():
        code = code.replace("from airflow.sdk import", "from airflow.decorators import")
    path.write_text(code)


def test_the_first_dag_makes_an_item_for_each_run(studio: EmulatorServer, dag_file: Path, tmp_path: Path) -> None:
    write(dag_file, first_dags()[0], tmp_path)
    runs = [run_dag(dag_file), run_dag(dag_file)]
    run_ids = [run.run_id for run in runs]
    if not is_airflow_2():  # runs of assets, and manual ones, may have no logical date
        (dag,) = load_dags(dag_file).values()
        run_ids.append(dag.test(logical_date=None).run_id)
    assert len(set(run_ids)) == len(run_ids)
    items = studio.items("motion")
    assert [item.name for item in items] == [f"motion {run_id}" for run_id in run_ids]
    assert [[file.name for file in item.files] for item in items] == [["motion.csv"]] * len(run_ids)
    assert [item.metadata["run"] for item in items] == run_ids
    assert runs[0].states == {"add_data": ["success"], "etl": ["success"]}


def test_the_mapped_dag_makes_an_item_for_each_recording(
    studio: EmulatorServer, dag_file: Path, tmp_path: Path
) -> None:
    write(dag_file, first_dags()[1], tmp_path)
    run = run_dag(dag_file)
    assert [result["outcome"] for result in run.returned["add_data"]] == ["created", "created"]
    assert sorted(item.name for item in studio.items("motion")) == [f"s17 {run.run_id}", f"s18 {run.run_id}"]
