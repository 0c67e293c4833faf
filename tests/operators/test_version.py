"""A task that creates a version of a project: one per run, found again, never public."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseJobError, EdgeImpulseUnavailableError
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.operators.version import EdgeImpulseCreateVersionOperator
from tests.operators.project_jobs import connect_project, maker, operations, started
from tests.operators.test_jobs import FileStore, needs_store
from tests.support.airflow_runs import RunDag
from tests.support.job_runs import Mode, TaskInstance, both_modes


@pytest.fixture
def project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    return connect_project(emulator, monkeypatch)


@pytest.fixture
def context(tmp_path: Path) -> dict[str, Any]:
    return {"task_state_store": FileStore(tmp_path / "store.json"), "ti": TaskInstance()}


def version(**values: Any) -> Any:
    return maker(EdgeImpulseCreateVersionOperator, **{"description": "Release 4", **values})


@both_modes
class TestModes:
    def test_returns_the_number_of_the_version(self, project: EmulatorServer, context: Any, mode: Mode) -> None:
        result = mode(version(), context)
        (made,) = project.projects.get().versions
        assert (result["job_id"], result["version"], result["description"]) == (1, 1, made.description)
        assert made.description.startswith("Release 4 [Airflow: ")
        assert "manual__1 / task, " in made.description
        assert not made.public

    @pytest.mark.parametrize("kind", ["drop_before", "drop_after", "cut_response"])
    def test_a_lost_answer_leads_to_one_version(
        self, project: EmulatorServer, context: Any, mode: Mode, kind: Any
    ) -> None:
        project.inject(Fault(operation="startVersionJob", kind=kind))
        assert mode(version(), context)["version"] == 1
        assert len(project.projects.get().versions) == 1

    def test_a_version_without_a_reported_outcome_is_no_success(
        self, project: EmulatorServer, context: Any, mode: Mode
    ) -> None:
        project.jobs.plan("version", outcome="unreported")
        with pytest.raises(EdgeImpulseJobError, match="not that it has succeeded"):
            mode(version(), context)

    @needs_store
    def test_the_next_try_returns_the_version_of_the_first(
        self, project: EmulatorServer, context: Any, mode: Mode
    ) -> None:
        project.inject(Fault(operation="listVersions", kind="status", status=503, count=2, skip=1))
        with pytest.raises(EdgeImpulseUnavailableError):
            mode(version(), context)
        assert mode(version(), context)["version"] == 1
        assert started(project, "version") == [1]

    def test_a_service_without_a_list_of_versions_tells_no_number(
        self, project: EmulatorServer, context: Any, mode: Mode
    ) -> None:
        project.inject(Fault(operation="listVersions", kind="status", status=404, count=9))
        assert mode(version(), context)["version"] is None


def test_a_cleared_task_creates_another_version_with_the_same_token(project: EmulatorServer, context: Any) -> None:
    assert [version()().execute(context)["version"] for _ in range(2)] == [1, 2]
    first, second = project.projects.get().versions
    assert first.description == second.description


def test_another_run_has_another_token(project: EmulatorServer, context: Any) -> None:
    version()().execute(context)
    context["ti"].run_id = "manual__2"
    assert version()().execute(context)["version"] == 2
    first, second = project.projects.get().versions
    assert first.description[-17:] != second.description[-17:]


def test_a_description_must_be_a_string(project: EmulatorServer, context: Any) -> None:
    with pytest.raises(AirflowFailException, match=r"^description must be a string"):
        version(description=None)().execute(context)
    assert operations(project) == []


def test_the_hook_does_the_same(project: EmulatorServer) -> None:
    with EdgeImpulseProjectHook() as hook:
        results = [hook.create_version("by hand", poll_interval=0.05) for _ in range(2)]
        assert [result["version"] for result in results] == [1, 2]
        assert hook.create_version(wait_for_completion=False)["state"] == "started"
    assert [one.public for one in project.projects.get().versions] == [False] * 3


def test_in_airflow_the_description_carries_the_run(project: EmulatorServer, run: RunDag) -> None:
    done = run(
        """
        from airflow_provider_ei.operators.version import EdgeImpulseCreateVersionOperator
        @dag(schedule=None)
        def versioning():
            EdgeImpulseCreateVersionOperator(
                task_id="version", description="{{ dag.dag_id }} by Airflow", poll_interval=0.1
            )
        versioning()
        """
    )
    (result,) = done.returned["version"]
    assert result["description"].startswith(f"versioning by Airflow [Airflow: versioning / {done.run_id} / version, ")
