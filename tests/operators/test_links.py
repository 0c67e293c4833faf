"""The button that leads to Studio."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.operators.links import EdgeImpulseDatasetLink
from tests.support.airflow_runs import HOME, RunDag


def kept(run_id: str) -> dict[str, str]:
    with sqlite3.connect(HOME / "airflow.db") as database:
        rows = database.execute(
            "select task_id, value from xcom where run_id = ? and key = ?", (run_id, EdgeImpulseDatasetLink().xcom_key)
        )
        return {task_id: json.loads(value) for task_id, value in rows}


@pytest.mark.parametrize("operator", [EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator])
def test_every_operator_has_it(operator: type) -> None:
    assert any(isinstance(link, EdgeImpulseDatasetLink) for link in operator.operator_extra_links)  # type: ignore[attr-defined]


def test_it_is_kept_before_anything_is_sent(studio: EmulatorServer, run: RunDag, recording: Path) -> None:
    studio.inject(Fault(operation="addOrganizationDataItem", kind="status", status=403))
    done = run(f"""
        @dag(schedule=None)
        def linked():
            EdgeImpulseAddDataOperator(task_id="add", dataset="d", name="a", files={str(recording)!r})
        linked()
    """)
    assert done.states["add"] == ["failed"]
    assert kept(done.run_id)["add"] == f"{studio.url.removesuffix('/v1')}/organization/7/data"
