from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.airflow_runs import DAGS_FOLDER, Run, RunDag, run_dag

HEAD = """
from airflow.providers.common.compat.sdk import Asset, AssetAlias, dag, task
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.task_groups import edge_impulse_sync
"""

Printed = Callable[[], str]


@pytest.fixture
def run(airflow_database: None) -> Iterator[RunDag]:
    """Run a DAG file with these lines."""
    path = DAGS_FOLDER / "of_a_test.py"

    def write_and_run(lines: str) -> Run:
        path.write_text(HEAD + dedent(lines))
        return run_dag(path)

    yield write_and_run
    path.unlink(missing_ok=True)


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Printed:
    """Return what was printed or logged: where a task's log goes depends on Airflow, and on what ran before."""
    return lambda: "".join(capfd.readouterr()) + caplog.text


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A small file."""
    path = tmp_path / "recording.csv"
    path.write_text("timestamp,x\n0,1\n")
    return path
