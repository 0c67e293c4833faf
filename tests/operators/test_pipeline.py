"""A task that runs a pipeline: what counts as success, and runs that later ones have pushed out of sight."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_ei.emulator import FOREVER, EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseJobConflictError, EdgeImpulseJobError, EdgeImpulseJobTimeoutError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.organization_runs import PipelineRunsHook
from airflow_provider_ei.operators.pipeline import EdgeImpulseRunPipelineOperator
from tests.operators.test_job_kills import context
from tests.operators.test_jobs import FileStore

STEPS = [
    {"name": "copy", "filter": "dataset = 'raw'", "uploadType": "dataset", "outputDatasetName": "clean"},
    {"name": "again", "filter": "dataset = 'clean'", "uploadType": "dataset", "outputDatasetName": "final"},
]


@pytest.fixture
def organization(studio: EmulatorServer) -> EmulatorServer:
    """The emulated Studio with two items in ``raw``. Jobs take no time."""
    studio.settings.job_queued_seconds = studio.settings.job_running_seconds = 0
    for name in ("a", "b"):
        studio.put_item(name, "raw", {}, {"x.csv": b"1"})
    return studio


@pytest.fixture
def pipeline(organization: EmulatorServer) -> int:
    return organization.pipelines.add("nightly", STEPS, dataset="final")


def run(pipeline_id: int, **values: Any) -> Any:
    task = EdgeImpulseRunPipelineOperator(task_id="run", pipeline_id=pipeline_id, **{"poll_interval": 0.02, **values})
    try:
        return task.execute({})
    except TaskDeferred as deferral:
        trigger = type(deferral.trigger)(**json.loads(json.dumps(deferral.trigger.serialize()[1])))
        event = asyncio.run(first_event(trigger))
        return task.execute_complete({}, event)


async def first_event(trigger: Any) -> Any:
    return (await anext(trigger.run())).payload


@pytest.mark.parametrize("deferrable", [False, True])
def test_returns_the_run_and_its_counts(organization: EmulatorServer, pipeline: int, deferrable: bool) -> None:
    assert run(str(pipeline), deferrable=deferrable) == {  # type: ignore[arg-type]  # as a template renders it
        "job_id": 1,
        "pipeline_id": pipeline,
        "organization_id": 7,
        "state": "succeeded",
        "url": f"{organization.url.removesuffix('/v1')}/organization/7/pipelines#{pipeline}",
        "step_count": 2,
        "file_count": 4,
        "failed_imports": 0,
        "items_before": 0,
        "items_after": 2,
    }


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failed_input_fails_the_task_and_names_the_step(
    organization: EmulatorServer, pipeline: int, deferrable: bool
) -> None:
    organization.pipelines.fail_items("a")
    with pytest.raises(EdgeImpulseJobError, match=r"step 1 of 2, 'copy', failed: 2 inputs, 1 failed") as caught:
        run(pipeline, deferrable=deferrable)
    assert "step 2 of 2 was not reached" in str(caught.value)


def test_a_run_takes_all_data_when_told_to(organization: EmulatorServer, pipeline: int) -> None:
    assert [run(pipeline)["file_count"] for _ in range(2)] == [4, 2]
    assert run(pipeline, ignore_last_successful_run="true")["file_count"] == 4


@pytest.mark.parametrize(("tolerated", "ends_well"), [(0, False), (1, False), (2, True)])
def test_imports_into_a_project_may_fail_as_often_as_tolerated(
    organization: EmulatorServer, tolerated: int, ends_well: bool
) -> None:
    key = organization.project_api_key
    step = {"name": "import", "filter": "dataset = 'raw'", "uploadType": "project", "projectApiKey": key}
    pipeline = organization.pipelines.add("import", [step], project_id=1)
    organization.jobs.plan("upload", outcome="failure")
    if ends_well:
        assert run(pipeline, max_failed_imports=tolerated)["failed_imports"] == 2
    else:
        with pytest.raises(EdgeImpulseJobError, match="2 items could not be imported"):
            run(pipeline, max_failed_imports=tolerated)


def test_a_pipeline_that_cannot_start_says_why(organization: EmulatorServer, pipeline: int) -> None:
    organization.pipelines.fail_start(pipeline, "The bucket is not connected")
    with pytest.raises(AirflowFailException, match="The bucket is not connected"):
        run(pipeline)


def test_a_timeout_stops_the_run(organization: EmulatorServer, pipeline: int) -> None:
    organization.jobs.plan("transform", running_seconds=FOREVER)
    with pytest.raises(EdgeImpulseJobTimeoutError, match="has been cancelled"):
        run(pipeline, timeout=0.2)
    assert [job.state for job in organization.jobs.list()] == ["failed"]


@pytest.mark.parametrize("values", [{"pipeline_id": "nightly"}, {"max_failed_imports": ""}, {"max_failed_imports": -1}])
def test_wrong_arguments_are_refused_before_anything_is_sent(
    organization: EmulatorServer, pipeline: int, values: dict[str, Any]
) -> None:
    (name,) = values
    with pytest.raises(AirflowFailException, match=f"^{name} must be"):
        run(**{"pipeline_id": pipeline, **values})
    assert organization.requests() == []


class TestPushedOut:
    """Later runs, of the pipeline's schedule for instance, take the place of the task's run."""

    def start(self, pipeline: int) -> int:
        return int(EdgeImpulseHook().run_pipeline(pipeline, wait_for_completion=False)["job_id"])

    def test_its_outcome_is_rebuilt(self, organization: EmulatorServer, pipeline: int) -> None:
        first = self.start(pipeline)
        organization.pipelines.fail_items("a")
        with pytest.raises(EdgeImpulseJobError):
            run(pipeline, ignore_last_successful_run=True)
        organization.pipelines.fail_items()
        third = self.start(pipeline)
        with PipelineRunsHook(pipeline_id=pipeline) as hook:
            states = [hook.get_job(run).state for run in (first, first + 1, third)]
            result = hook.job_result(first, "succeeded")
        assert states == ["succeeded", "failed", "succeeded"]
        assert (result["step_count"], result["file_count"], result["items_after"]) == (2, 4, None)

    def test_it_is_active_while_another_run_is_the_current_one(
        self, organization: EmulatorServer, pipeline: int
    ) -> None:
        organization.jobs.plan("transform", running_seconds=FOREVER, count=2)
        first, second = self.start(pipeline), self.start(pipeline)
        with PipelineRunsHook(pipeline_id=pipeline) as hook:
            assert [hook.get_job(run).state for run in (first, second)] == ["running", "running"]
            for job in organization.jobs.list():
                organization.jobs.finish(job.id)
            assert [hook.get_job(run).state for run in (first, second)] == ["succeeded", "succeeded"]

    def test_a_run_of_which_nothing_is_left_is_unknown(self, organization: EmulatorServer, pipeline: int) -> None:
        with PipelineRunsHook(pipeline_id=pipeline) as hook:
            assert hook.get_job(99).state == "unknown"

    def test_another_run_is_never_stopped(self, organization: EmulatorServer, pipeline: int) -> None:
        organization.jobs.plan("transform", running_seconds=FOREVER, count=2)
        first, second = self.start(pipeline), self.start(pipeline)
        with PipelineRunsHook(pipeline_id=pipeline) as hook, pytest.raises(Exception, match=f"running as run {second}"):
            hook.cancel_job(first)
        assert [job.state for job in organization.jobs.list()] == ["running", "running"]

    def test_after_a_lost_answer_the_later_run_is_not_taken_for_the_own_one(
        self, organization: EmulatorServer, pipeline: int
    ) -> None:
        """The start gets no answer, and by the time of the next look another run is the last one."""
        organization.inject(Fault(operation="runOrganizationPipeline", kind="drop_after"))
        begun: list[bool] = []

        def another(request: Any) -> None:
            runs = organization.pipelines.run_ids()
            if request.operation == "getOrganizationPipeline" and len(runs) == 1 and not begun:
                begun.append(True)
                EdgeImpulseHook().run_pipeline(pipeline, wait_for_completion=False)

        organization.before_request(another)
        with pytest.raises((AirflowFailException, EdgeImpulseJobConflictError), match=r"one of the jobs 1 .*, 2 "):
            run(pipeline)
        assert len(organization.pipelines.run_ids()) == 2


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_after_a_lost_answer_an_old_run_is_not_taken_for_the_own_one(
    organization: EmulatorServer, pipeline: int, kind: Any
) -> None:
    days = 3 * 86_400
    organization.clock.advance(-days)
    EdgeImpulseHook().run_pipeline(pipeline, poll_interval=0.02)
    organization.clock.advance(days)
    organization.inject(Fault(operation="runOrganizationPipeline", kind=kind))
    assert run(pipeline)["job_id"] == 2
    assert organization.pipelines.run_ids() == [1, 2]


def test_where_airflow_keeps_no_state_a_retry_finds_the_active_run(organization: EmulatorServer, pipeline: int) -> None:
    organization.clock.advance(-60)
    organization.jobs.plan("transform", running_seconds=FOREVER)
    EdgeImpulseHook().run_pipeline(pipeline, wait_for_completion=False)  # before the DAG run
    organization.clock.advance(60)
    began = datetime.now(UTC) - timedelta(seconds=5)
    retry: Any = {"ti": context(FileStore(Path("unused")), 2)["ti"], "dag_run": SimpleNamespace(start_date=began)}
    values: Any = {"task_id": "run", "pipeline_id": pipeline, "wait_for_completion": False}
    organization.jobs.plan("transform", running_seconds=FOREVER)
    started = [EdgeImpulseRunPipelineOperator(**values).execute(retry)["job_id"] for _ in range(2)]
    assert started == [2, 2]


def test_the_hook_runs_a_pipeline(organization: EmulatorServer, pipeline: int) -> None:
    with EdgeImpulseHook() as hook:
        assert hook.run_pipeline(pipeline, poll_interval=0.02)["items_after"] == 2
