"""``edge_impulse_release`` in real DAG runs: what is trained, tested, approved and built, and what is not."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from tests.operators.project_jobs import connect_project
from tests.support.airflow_runs import Run, RunDag, import_errors, is_airflow_2, load_dags

GROUP = "edge_impulse_release"
GOOD = {"int8": {"idle": (48, 2), "walking": (46, 4)}}
BAD = {"int8": {"idle": (30, 20), "walking": (28, 22)}}

needs_approval_operator = pytest.mark.skipif(is_airflow_2(), reason="Airflow 2.11 has no ApprovalOperator")


@pytest.fixture
def project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """An emulated project that the default connection leads to, with a good model, whose jobs take no time."""
    connect_project(emulator, monkeypatch)
    emulator.projects.set_results(GOOD)
    return emulator


@pytest.fixture
def release(run: RunDag, tmp_path: Path) -> Callable[..., Run]:
    """Run a DAG with the group: ``release("min_accuracy=0.9")``, with tasks before it and arguments of the DAG."""
    return lambda arguments="", **more: run(dag_lines(tmp_path, arguments, **more))


#: Somebody trains the model between its test and its version.
TRAINED_BY_OTHERS = """
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.exceptions import EdgeImpulseJobError
@task
def others():
    try:
        EdgeImpulseProjectHook().retrain()
    except EdgeImpulseJobError:
        pass
tasks = group().children
tasks["edge_impulse_release.test"] >> others() >> tasks["edge_impulse_release.version"]
"""


def dag_lines(folder: Path, arguments: str = "", *, before: str = "group()", dag_arguments: str = "") -> str:
    return f"""
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow_provider_ei.task_groups import edge_impulse_release
@dag(schedule=None{dag_arguments})
def releases():
    def group():
        return edge_impulse_release(
            target="zip", path={f"{folder}/firmware/"!r}, min_samples=100, poll_interval=0.05, {arguments}
        )
{indent(before, "    ")}
releases()
"""


def write_dag(folder: Path, arguments: str) -> Path:
    """Write a DAG file with the group, outside of Airflow's folder, where it can be imported and not run."""
    path = folder / "releases.py"
    head = "from airflow.providers.common.compat.sdk import dag, task\n"
    path.write_text(head + dag_lines(folder, arguments))
    return path


def states(done: Run) -> dict[str, list[str]]:
    """The states of the group's tasks."""
    return {name.removeprefix(f"{GROUP}."): state for name, state in done.states.items() if name.startswith(GROUP)}


def all_in(state: str) -> dict[str, list[str]]:
    return {name: [state] for name in ("retrain", "test", "version", "build")}


def jobs(project: EmulatorServer) -> list[str]:
    return [job.kind for job in project.jobs.list(1)]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_good_model_is_trained_tested_kept_as_a_version_and_built(
    project: EmulatorServer, release: Callable[..., Run], deferrable: bool
) -> None:
    done = release(f"min_accuracy=0.9, description='Weekly', deferrable={deferrable}")
    assert states(done) == all_in("success")
    assert jobs(project) == ["retrain", "classify", "version", "build"]
    (tested,) = done.returned[f"{GROUP}.test"]
    assert (tested["variant"], tested["accuracy"], tested["samples"]) == ("int8", 0.94, 100)
    (version,) = project.projects.get().versions
    assert version.description.startswith("Weekly") and not version.public

    (built,) = done.returned[f"{GROUP}.build"]
    (deployment,) = project.projects.get().deployments
    assert deployment.model_version == 2, "the model that was just trained"
    firmware = Path(built["path"]).read_bytes()
    assert firmware == project.projects.firmware(deployment.version)
    assert built["sha256"] == hashlib.sha256(firmware).hexdigest()


def test_a_model_that_misses_a_limit_fails_the_test_and_nothing_is_built(
    project: EmulatorServer, release: Callable[..., Run], tmp_path: Path
) -> None:
    project.projects.set_results(BAD)
    done = release("min_accuracy=0.9")
    expected = {
        "retrain": ["success"],
        "test": ["failed"],
        "version": ["upstream_failed"],
        "build": ["upstream_failed"],
    }
    assert states(done) == expected
    assert jobs(project) == ["retrain", "classify"]
    assert not (tmp_path / "firmware").exists()


def test_a_model_that_misses_a_limit_skips_the_rest_if_asked_to(
    project: EmulatorServer, release: Callable[..., Run]
) -> None:
    project.projects.set_results(BAD)
    done = release("min_accuracy=0.9, on_failure='skip'")
    assert states(done) == all_in("skipped") | {"retrain": ["success"]}
    assert jobs(project) == ["retrain", "classify"]


@pytest.mark.parametrize("outcome", ["fail", "skip"])
def test_default_args_cannot_build_a_model_that_was_not_accepted(
    project: EmulatorServer, release: Callable[..., Run], outcome: str
) -> None:
    project.projects.set_results(BAD)
    rule = "{'trigger_rule': 'all_done', 'wait_for_completion': False}"
    release(f"min_accuracy=0.9, on_failure={outcome!r}, default_args={rule}", dag_arguments=f", default_args={rule}")
    assert jobs(project) == ["retrain", "classify"]


def test_a_model_that_was_trained_again_after_its_test_is_not_released(
    project: EmulatorServer, release: Callable[..., Run]
) -> None:
    done = release(before=TRAINED_BY_OTHERS)
    assert states(done)["version"] == ["failed"] and states(done)["build"] == ["upstream_failed"]
    assert jobs(project) == ["retrain", "classify", "retrain"]


def test_a_training_that_failed_after_the_test_does_not_count(
    project: EmulatorServer, release: Callable[..., Run]
) -> None:
    project.jobs.plan("retrain")
    project.jobs.plan("retrain", outcome="failure")
    done = release(before=TRAINED_BY_OTHERS)
    assert states(done) == all_in("success")


def test_the_last_accepted_model_limits_the_next_one(project: EmulatorServer, release: Callable[..., Run]) -> None:
    assert states(release("max_drop=0.01")) == all_in("success")
    project.projects.set_results({"int8": {"idle": (46, 4), "walking": (46, 4)}})
    assert states(release("max_drop=0.01"))["test"] == ["failed"]


@pytest.mark.parametrize(
    ("what", "state"), [("raise AirflowSkipException", "skipped"), ("raise ValueError", "upstream_failed")]
)
def test_nothing_is_sent_after_an_upstream_task_that_was_skipped_or_failed(
    project: EmulatorServer, release: Callable[..., Run], what: str, state: str
) -> None:
    done = release("", before=f"@task\ndef etl():\n    {what}\netl() >> group()")
    assert states(done) == all_in(state)
    assert project.requests() == []


def test_the_trigger_rule_of_the_group_applies_to_its_first_task(
    project: EmulatorServer, release: Callable[..., Run]
) -> None:
    before = "@task\ndef etl():\n    raise AirflowSkipException\netl() >> group()"
    assert states(release("trigger_rule='none_failed'", before=before)) == all_in("success")


def test_arguments_of_all_jobs_and_default_args_reach_each_task(tmp_path: Path) -> None:
    arguments = "project_id=12, impulse_id=3, deferrable=True, pool='p', default_args={'retries': 5}"
    (dag,) = load_dags(write_dag(tmp_path, arguments)).values()
    assert {(task.project_id, task.deferrable, task.pool, task.retries) for task in dag.tasks} == {(12, True, "p", 5)}
    assert {getattr(task, "impulse_id", 3) for task in dag.tasks} == {3}


@pytest.mark.skipif(not is_airflow_2(), reason="Airflow 3 has the ApprovalOperator")
def test_an_approval_where_airflow_has_none_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    (error,) = import_errors(write_dag(tmp_path, "approval=True")).values()
    assert "Leave out approval, or run Airflow 3.1 or newer" in error


@needs_approval_operator
def test_a_missing_approval_operator_is_an_error_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.standard.operators.hitl", None)
    (error,) = import_errors(write_dag(tmp_path, "approval=True")).values()
    assert "Leave out approval, or run Airflow 3.1 or newer" in error


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[tuple[str, str]]]:
    """Answer the questions that DAG runs ask, as Airflow's API does for its interface; return them.

    ``dag.test()`` sleeps when nothing is left to do before the answer.
    """
    sleep = time.sleep

    def use(choice: str) -> list[tuple[str, str]]:
        asked: list[tuple[str, str]] = []

        def sleep_or_answer(seconds: float) -> None:
            if threading.current_thread() is not threading.main_thread() or not answer_question(choice, asked):
                sleep(seconds)

        monkeypatch.setattr(time, "sleep", sleep_or_answer)
        return asked

    return use


def answer_question(choice: str, asked: list[tuple[str, str]]) -> bool:
    """Answer the task that waits for a person, and note its question; return whether there is one."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
    from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(TaskInstance).where(TaskInstance.state == "awaiting_input")).first()
        if found is None:
            return False
        question = session.get(HITLDetail, found.id)
        assert question is not None
        asked.append((question.subject, question.body))
        answers = UpdateHITLDetailPayload(chosen_options=[choice])
        ada = SimpleAuthManagerUser(username="ada", role="admin")
        update_hitl_detail(found.dag_id, found.run_id, found.task_id, answers, ada, session)
        return True


@needs_approval_operator
class TestApproval:
    """``dag.test()`` waits for the answer, which a person gives in Airflow's interface."""

    def test_a_model_that_a_person_approves_is_released(
        self, project: EmulatorServer, release: Callable[..., Run], answer: Callable[[str], list[tuple[str, str]]]
    ) -> None:
        asked = answer("Approve")
        done = release("min_accuracy=0.9, approval=True")
        assert states(done) == all_in("success") | {"approve": ["success"]}
        ((subject, body),) = asked
        assert subject == "Release the int8 model of project 1?"
        assert body.startswith("Accuracy 0.94 over 100 samples. [The test](http")
        assert jobs(project) == ["retrain", "classify", "version", "build"]

    def test_a_rejected_model_is_not_released(
        self, project: EmulatorServer, release: Callable[..., Run], answer: Callable[[str], list[tuple[str, str]]]
    ) -> None:
        rule = "{'trigger_rule': 'all_done'}"
        answer("Reject")
        done = release(f"approval=True, default_args={rule}")
        assert states(done) == all_in("success") | {
            "approve": ["success"],
            "version": ["skipped"],
            "build": ["skipped"],
        }
        assert jobs(project) == ["retrain", "classify"]

    def test_nobody_is_asked_about_a_model_that_was_not_accepted(
        self, project: EmulatorServer, release: Callable[..., Run]
    ) -> None:
        project.projects.set_results(BAD)
        done = release("min_accuracy=0.9, approval=True")
        assert states(done)["approve"] == ["upstream_failed"]

    def test_the_execution_timeout_is_not_the_time_that_a_person_has(self, tmp_path: Path) -> None:
        default_args = "default_args={'execution_timeout': __import__('datetime').timedelta(hours=1)}"
        path = write_dag(tmp_path, f"approval={{'subject': 'Ship it?'}}, {default_args}")
        (dag,) = load_dags(path).values()
        task = dag.task_dict[f"{GROUP}.approve"]
        assert (task.subject, task.execution_timeout, task.response_timeout) == ("Ship it?", None, None)
        assert dag.task_dict[f"{GROUP}.build"].execution_timeout is not None
