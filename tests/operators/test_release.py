"""The task group that leads from a retrained model to firmware, with a gate and, if wanted, a person in between."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.operators.arguments import EdgeImpulseArgumentError
from airflow_provider_ei.task_groups import edge_impulse_release
from tests.operators.project_jobs import connect_project, started
from tests.support.airflow_runs import RunDag, is_airflow_2


@pytest.fixture
def project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    return connect_project(emulator, monkeypatch)


def tasks(**values: Any) -> dict[str, Any]:
    """Return the tasks of a group, by their names in it."""
    with DAG("release", schedule=None, default_args=values.pop("dag_args", {})):
        group = edge_impulse_release(**{"target": "zip", "path": "/srv/firmware/", **values})
    return {name.rpartition(".")[2]: task for name, task in group.children.items()}  # type: ignore[union-attr]


def order(made: dict[str, Any]) -> dict[str, set[str]]:
    return {name: {upstream.rpartition(".")[2] for upstream in task.upstream_task_ids} for name, task in made.items()}


def test_nothing_is_built_that_was_not_tested() -> None:
    assert order(tasks()) == {"retrain": set(), "test": {"retrain"}, "version": {"test"}, "build": {"version"}}


@pytest.mark.skipif(is_airflow_2(), reason="Airflow 2.11 has no approvals")
def test_a_person_decides_between_the_test_and_the_version() -> None:
    made = tasks(approval=True, group_id="nightly")
    assert order(made) == {
        "retrain": set(),
        "test": {"retrain"},
        "approve": {"test"},
        "version": {"approve"},
        "build": {"version"},
    }
    assert made["approve"].subject == "Release the tested model for zip?"
    assert "xcom_pull(task_ids='nightly.test')['accuracy']" in made["approve"].body
    given = tasks(approval={"response_timeout": timedelta(days=1), "subject": "Ship it?"})["approve"]
    assert (given.response_timeout, given.subject) == (timedelta(days=1), "Ship it?")


@pytest.mark.skipif(not is_airflow_2(), reason="newer Airflow has approvals")
def test_without_approvals_in_airflow_the_error_says_so() -> None:
    with pytest.raises(EdgeImpulseArgumentError, match=r"^Leave out approval, or run Airflow 3.1 or newer"):
        tasks(approval=True)


def test_the_variant_that_is_tested_is_the_one_that_is_built() -> None:
    made = tasks(model_type="float32", project_id=3, deferrable=True)
    assert (made["test"].variant, made["build"].model_type) == ("float32", "float32")
    assert {task.project_id for task in made.values()} == {3}
    assert {task.deferrable for task in made.values()} == {True}


def test_no_task_ends_before_its_job() -> None:
    made = tasks(wait_for_completion=False, default_args={"wait_for_completion": False})
    assert {task.wait_for_completion for task in made.values()} == {True}


@pytest.mark.skipif(is_airflow_2(), reason="Airflow 2.11 has no approvals")
def test_the_time_limit_of_a_job_is_not_that_of_a_person() -> None:
    made = tasks(approval=True, default_args={"execution_timeout": timedelta(hours=1)})
    assert made["retrain"].execution_timeout == timedelta(hours=1)
    assert (made["approve"].execution_timeout, made["approve"].response_timeout) == (None, None)


def test_default_arguments_cannot_open_the_gate() -> None:
    made = tasks(
        approval=not is_airflow_2(),
        trigger_rule="none_failed",
        default_args={"trigger_rule": "all_done", "retries": 5},
        dag_args={"trigger_rule": "always"},
    )
    rules = {name: str(task.trigger_rule.value) for name, task in made.items()}
    assert rules.pop("retrain") == "none_failed"
    assert set(rules.values()) == {"all_success"}
    assert made["build"].retries == 5


RELEASE = """
from airflow_provider_ei.task_groups import edge_impulse_release
@dag(schedule=None)
def releasing():
    edge_impulse_release(
        target="zip", path="{path}", min_accuracy=0.8, on_failure="{on_failure}", poll_interval=0.1,
        deferrable={deferrable},
    )
releasing()
"""


@pytest.mark.parametrize("deferrable", [False, True])
def test_in_airflow_a_model_becomes_firmware(
    project: EmulatorServer, run: RunDag, tmp_path: Path, deferrable: bool
) -> None:
    path = tmp_path / "firmware.zip"
    done = run(RELEASE.format(path=path, on_failure="fail", deferrable=deferrable))
    assert set(map(tuple, done.states.values())) == {("success",)}
    assert path.read_bytes() == project.projects.firmware(1)


def test_in_airflow_a_model_that_is_not_good_enough_skips_the_rest(
    project: EmulatorServer, run: RunDag, tmp_path: Path
) -> None:
    project.projects.set_results({"int8": {"idle": (1, 99)}})
    done = run(RELEASE.format(path=tmp_path / "firmware.zip", on_failure="skip", deferrable=False))
    states = {name.rpartition(".")[2]: state for name, (state,) in done.states.items()}
    assert states == {"retrain": "success", "test": "skipped", "version": "skipped", "build": "skipped"}
    assert started(project, "build") == []
