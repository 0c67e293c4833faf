"""The link to Studio, which only operators that write to a dataset have."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.operators.base import EdgeImpulseOperator
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
def test_every_dataset_operator_has_the_link(operator: type) -> None:
    assert any(isinstance(link, EdgeImpulseDatasetLink) for link in operator.operator_extra_links)  # type: ignore[attr-defined]


def test_the_base_operator_has_nothing_of_datasets(studio: EmulatorServer) -> None:
    """Operators for jobs get the hook, the kill and the mapped errors, but no dataset link and no lineage."""

    class JobOperator(EdgeImpulseOperator):
        def execute(self, context: Any) -> None:
            with self._working_hook(context) as hook:
                hook.list_organizations()
                raise EdgeImpulseInputError("Name a project.")

    class TaskInstance:
        def xcom_push(self, key: str, value: object) -> None:
            pytest.fail(f"pushed {key}: {value!r}")

    operator = JobOperator(task_id="job")
    with pytest.raises(AirflowFailException, match="Name a project"):
        operator.execute({"ti": TaskInstance()})
    assert len(studio.requests()) == 1
    assert not operator.operator_extra_links
    assert not hasattr(operator, "get_openlineage_facets_on_complete")


def test_the_link_is_stored_before_anything_is_sent(studio: EmulatorServer, run: RunDag, recording: Path) -> None:
    studio.inject(Fault(operation="addOrganizationDataItem", kind="status", status=403))
    done = run(f"""
        @dag(schedule=None)
        def linked():
            EdgeImpulseAddDataOperator(task_id="add", dataset="d", name="a", files={str(recording)!r})
        linked()
    """)
    assert done.states["add"] == ["failed"]
    assert kept(done.run_id)["add"] == f"{studio.url.removesuffix('/v1')}/organization/7/data"
