"""A task that retrains a model: one job is started, its result is returned, and it is cancelled with the task."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, TaskDeferred

from airflow_provider_ei.emulator import FOREVER, EmulatorServer, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseCancelledError,
    EdgeImpulseJobError,
    EdgeImpulseJobTimeoutError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.jobs.starting import INTENT_KEY
from airflow_provider_ei.operators.job_base import JOB_ID_KEY
from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator
from airflow_provider_ei.sensors.job import EdgeImpulseJobSensor
from airflow_provider_ei.triggers.job import EdgeImpulseJobTrigger
from tests.support.airflow_runs import RunDag, is_airflow_2

CONNECTION = "AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT"
needs_store = pytest.mark.skipif(is_airflow_2(), reason="Airflow 2 has no task state store")


class FileStore:
    """A task state store that outlives a process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _values(self) -> dict[str, Any]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def get(self, key: str, default: Any = None) -> Any:
        return self._values().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self._write(self._values() | {key: value})

    def delete(self, key: str) -> None:
        self._write({name: value for name, value in self._values().items() if name != key})

    def _write(self, values: dict[str, Any]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(values))
        os.replace(new, self._path)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store.json")


@pytest.fixture
def project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    """The emulated Studio, with the default connection leading to its project. Jobs take no time."""
    quick = {"retry_wait": 0.01, "settle_seconds": 0.01, "retry_attempts": 2, "project_id": 1}
    connection = {
        "conn_type": "edge_impulse_project",
        "host": emulator.url,
        "password": emulator.project_api_key,
        "extra": quick,
    }
    monkeypatch.setenv(CONNECTION, json.dumps(connection))
    emulator.settings.job_queued_seconds = emulator.settings.job_running_seconds = 0
    yield emulator


def retrain(**values: Any) -> EdgeImpulseRetrainOperator:
    return EdgeImpulseRetrainOperator(task_id="retrain", **{"poll_interval": 0.05, **values})


def context(store: FileStore | None) -> Any:
    return {} if store is None else {"task_state_store": store}


def started(server: EmulatorServer) -> list[int]:
    return [job.id for job in server.jobs.list() if job.kind == "retrain"]


def states(server: EmulatorServer) -> list[str]:
    return [job.state for job in server.jobs.list()]


def in_worker(operator: EdgeImpulseRetrainOperator, store: FileStore) -> Any:
    return operator.execute(context(store))


def deferred(operator: EdgeImpulseRetrainOperator, store: FileStore) -> Any:
    """Do what Airflow does: a worker, the triggerer, and another worker."""
    operator.deferrable = True
    try:
        return operator.execute(context(store))
    except TaskDeferred as deferral:
        assert deferral.timeout is None
        path, arguments = deferral.trigger.serialize()
        assert path.endswith(".EdgeImpulseJobTrigger")
        assert json.loads(os.environ[CONNECTION])["password"] not in json.dumps(arguments)
        trigger = type(deferral.trigger)(**json.loads(json.dumps(arguments)))
        event = json.loads(json.dumps(asyncio.run(event_of(trigger))))
        again = retrain(deferrable=True, wait_for_completion=operator.wait_for_completion)
        return getattr(again, deferral.method_name)(context(store), event)


async def event_of(trigger: EdgeImpulseJobTrigger) -> Any:
    return (await anext(trigger.run())).payload


both_modes = pytest.mark.parametrize("mode", [in_worker, deferred])
Mode = Callable[[EdgeImpulseRetrainOperator, FileStore], Any]


@both_modes
class TestModes:
    def test_returns_the_job_and_forgets_it(self, project: EmulatorServer, store: FileStore, mode: Mode) -> None:
        assert mode(retrain(), store) == {
            "job_id": 1,
            "project_id": 1,
            "state": "succeeded",
            "url": f"{project.url.removesuffix('/v1')}/studio/1/jobs#show-job-1",
        }
        if not is_airflow_2():
            assert (store.get(JOB_ID_KEY), store.get(INTENT_KEY)) == (None, None)
        assert project.projects.get().model_version == 2

    def test_a_failed_job_fails_the_task_and_a_retry_starts_a_new_one(
        self, project: EmulatorServer, store: FileStore, mode: Mode
    ) -> None:
        project.jobs.plan("retrain", log=["error: out of memory\n"], outcome="failure")
        with pytest.raises(EdgeImpulseJobError, match=r"job 1 failed\. The end of its log:\n  out of memory"):
            mode(retrain(), store)
        assert mode(retrain(), store)["job_id"] == 2

    def test_a_job_without_a_reported_outcome_is_no_success(
        self, project: EmulatorServer, store: FileStore, mode: Mode
    ) -> None:
        project.jobs.plan("retrain", outcome="unreported")
        with pytest.raises(EdgeImpulseJobError, match="not that it has succeeded"):
            mode(retrain(), store)

    def test_a_timeout_cancels_the_job(self, project: EmulatorServer, store: FileStore, mode: Mode) -> None:
        project.jobs.plan("retrain", running_seconds=FOREVER)
        with pytest.raises(EdgeImpulseJobTimeoutError, match="has been cancelled"):
            mode(retrain(timeout=0.2), store)
        assert states(project) == ["failed"]

    def test_a_timeout_leaves_the_job_when_told_to(self, project: EmulatorServer, store: FileStore, mode: Mode) -> None:
        project.jobs.plan("retrain", running_seconds=FOREVER)
        with pytest.raises(EdgeImpulseJobTimeoutError):
            mode(retrain(timeout=0.2, cancel_on_kill=False), store)
        assert states(project) == ["running"]

    def test_failed_looks_are_survived(self, project: EmulatorServer, store: FileStore, mode: Mode) -> None:
        project.inject(Fault(operation="getJobStatus", kind="status", status=502, count=3))
        assert mode(retrain(), store)["job_id"] == 1

    @pytest.mark.parametrize("kind", ["drop_before", "drop_after", "cut_response"])
    def test_a_lost_answer_leads_to_one_job(
        self, project: EmulatorServer, store: FileStore, mode: Mode, kind: Any
    ) -> None:
        project.inject(Fault(operation="startRetrainJob", kind=kind))
        assert [mode(retrain(), store)["job_id"]] == started(project) == [1]

    def test_a_wrong_key_fails_without_retries(
        self, project: EmulatorServer, store: FileStore, mode: Mode, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(CONNECTION, json.dumps(json.loads(os.environ[CONNECTION]) | {"password": "ei_another"}))
        with pytest.raises(AirflowFailException, match="key of the project"):
            mode(retrain(), store)

    def test_can_return_as_soon_as_the_job_is_started(
        self, project: EmulatorServer, store: FileStore, mode: Mode
    ) -> None:
        project.jobs.plan("retrain", running_seconds=FOREVER)
        assert mode(retrain(wait_for_completion=False), store)["state"] == "started"
        assert states(project) == ["running"]

    @needs_store
    @pytest.mark.parametrize("ends", [False, True])
    def test_the_next_try_returns_the_job_of_the_first(
        self, project: EmulatorServer, store: FileStore, mode: Mode, ends: bool
    ) -> None:
        project.jobs.plan("retrain", running_seconds=FOREVER)
        project.inject(Fault(operation="getJobStatus", kind="status", status=500, count=10))
        with pytest.raises(EdgeImpulseUnavailableError):
            mode(retrain(), store)
        project.clear_faults()
        if ends:
            project.jobs.finish(1)
            assert mode(retrain(), store)["job_id"] == 1
        else:
            with pytest.raises(EdgeImpulseJobTimeoutError, match="job 1 "):
                mode(retrain(timeout=0.1), store)
        assert started(project) == [1]


@pytest.mark.parametrize("field", ["poll_interval", "timeout", "impulse_id"])
def test_wrong_arguments_are_refused_before_anything_is_sent(
    project: EmulatorServer, store: FileStore, field: str
) -> None:
    with pytest.raises(AirflowFailException, match=f"^{field} must be a positive"):
        in_worker(retrain(**{field: "soon"}), store)
    assert project.requests() == []


class TestKills:
    @pytest.mark.parametrize(("cancel", "state"), [(True, "failed"), (False, "running")])
    def test_a_kill_cancels_the_job(self, project: EmulatorServer, store: FileStore, cancel: bool, state: str) -> None:
        project.jobs.plan("retrain", running_seconds=FOREVER)
        operator = retrain(cancel_on_kill=cancel)

        def kill_later() -> None:
            while not any(request.operation == "getJobStatus" for request in project.requests()):
                time.sleep(0.01)
            operator.on_kill()

        thread = threading.Thread(target=kill_later)
        thread.start()
        with pytest.raises(EdgeImpulseCancelledError):
            in_worker(operator, store)
        thread.join()
        assert states(project) == [state]

    def test_a_kill_while_the_start_request_is_under_way_leaves_no_job(
        self, project: EmulatorServer, store: FileStore
    ) -> None:
        project.jobs.plan("retrain", running_seconds=FOREVER)
        project.inject(Fault(operation="startRetrainJob", kind="slow", delay_seconds=30))
        operator = retrain()

        def kill_later() -> None:
            while not started(project):
                time.sleep(0.01)
            operator.on_kill()

        thread = threading.Thread(target=kill_later)
        thread.start()
        with pytest.raises(EdgeImpulseCancelledError):
            in_worker(operator, store)
        thread.join()
        assert states(project) == ["failed"]

    def test_a_user_who_ends_a_deferred_task_ends_the_job(self, project: EmulatorServer) -> None:
        project.jobs.plan("retrain", running_seconds=FOREVER, count=2)
        for cancel in (True, False):
            job_id = EdgeImpulseProjectHook().retrain(wait_for_completion=False)["job_id"]
            asyncio.run(EdgeImpulseJobTrigger(job_id=job_id, project_id=1, cancel_on_kill=cancel).on_kill())
        assert states(project) == ["failed", "running"]


WORKER = """
import json, sys
from pathlib import Path
from tests.operators.test_jobs import EdgeImpulseRetrainOperator, FileStore, context, retrain
print(json.dumps(retrain().execute(context(FileStore(Path(sys.argv[1]))))))
"""


def start_worker(code: str, store: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, str(store)], cwd=Path(__file__).parents[2])


@needs_store
@pytest.mark.parametrize(
    ("operation", "job_exists"),
    [("listAllJobs", False), ("startRetrainJob", True), ("getJobStatus", True), ("getJobsLogs", True)],
)
def test_a_worker_that_is_killed_at_a_request_leaves_one_job_to_the_next_try(
    project: EmulatorServer, store: FileStore, tmp_path: Path, operation: str, job_exists: bool
) -> None:
    """A process that gets SIGKILL after the request was carried out and before the answer has come."""
    project.inject(Fault(operation=operation, kind="slow", delay_seconds=600))
    worker = start_worker(WORKER, tmp_path / "store.json")
    try:
        while not any(request.operation == operation for request in project.requests()):
            assert worker.poll() is None
            time.sleep(0.02)
        while job_exists and not started(project):
            time.sleep(0.02)
    finally:
        worker.kill()
        worker.wait()
    assert len(started(project)) == int(job_exists)
    project.clear_faults()
    result = in_worker(retrain(), store)
    assert started(project) == [result["job_id"]] == [1]


@needs_store
def test_a_worker_that_is_killed_before_the_start_request_leaves_the_start_to_the_next_try(
    project: EmulatorServer, store: FileStore, tmp_path: Path
) -> None:
    stops = WORKER.replace(
        "print(", "import time\nEdgeImpulseRetrainOperator._start_job = lambda *_: time.sleep(600)\nprint("
    )
    worker = start_worker(stops, tmp_path / "store.json")
    try:
        while store.get(INTENT_KEY) is None:
            assert worker.poll() is None
            time.sleep(0.02)
    finally:
        worker.kill()
        worker.wait()
    assert started(project) == []
    result = in_worker(retrain(), store)
    assert started(project) == [result["job_id"]] == [1]


class TestSensor:
    @pytest.mark.parametrize("deferrable", [False, True])
    @pytest.mark.parametrize(("outcome", "ends"), [("success", None), ("failure", AirflowFailException)])
    def test_ends_as_the_job_does(
        self, project: EmulatorServer, deferrable: bool, outcome: Any, ends: type[Exception] | None
    ) -> None:
        project.jobs.plan("retrain", outcome=outcome)
        job_id = EdgeImpulseProjectHook().retrain(wait_for_completion=False)["job_id"]
        self.check(job_id, deferrable, ends)

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_a_timeout_leaves_the_job_running(self, project: EmulatorServer, deferrable: bool) -> None:
        project.jobs.plan("retrain", running_seconds=FOREVER)
        job_id = EdgeImpulseProjectHook().retrain(wait_for_completion=False)["job_id"]
        self.check(job_id, deferrable, AirflowSensorTimeout)
        assert states(project) == ["running"]

    def check(self, job_id: int, deferrable: bool, ends: type[Exception] | None) -> None:
        sensor = EdgeImpulseJobSensor(
            task_id="wait", job_id=str(job_id), poke_interval=0.05, timeout=0.3, deferrable=deferrable
        )

        def wait() -> None:
            try:
                sensor.execute({})
            except TaskDeferred as deferral:
                event = asyncio.run(event_of(deferral.trigger))
                getattr(sensor, deferral.method_name)({}, json.loads(json.dumps(event)))

        if ends is None:
            wait()
        else:
            with pytest.raises(ends):
                wait()


class TestSensorOfAnOrganization:
    @pytest.fixture
    def job_id(self, studio: EmulatorServer) -> int:
        """A job of the organization."""
        studio.settings.job_queued_seconds = studio.settings.job_running_seconds = 0
        studio.put_object("lab/r1/a.csv", b"1")
        with EdgeImpulseHook() as hook:
            return hook.organization_api.start_import("lab", 1, "lab")

    @pytest.mark.parametrize("deferrable", [False, True])
    @pytest.mark.parametrize("owner", [{"organization_id": "7"}, {"edge_impulse_conn_id": "edge_impulse_default"}])
    def test_waits_for_a_job_of_the_organization(
        self, studio: EmulatorServer, job_id: int, deferrable: bool, owner: dict[str, Any]
    ) -> None:
        sensor = EdgeImpulseJobSensor(
            task_id="wait", job_id=job_id, poke_interval=0.05, timeout=5, deferrable=deferrable, **owner
        )
        try:
            sensor.execute({})
        except TaskDeferred as deferral:
            arguments = json.loads(json.dumps(deferral.trigger.serialize()[1]))
            assert (arguments["organization_id"], arguments["project_id"]) == (7, None)
            event = asyncio.run(event_of(type(deferral.trigger)(**arguments)))
            sensor.execute_complete({}, json.loads(json.dumps(event)))
        looks = {request.operation for request in studio.requests()} - {"addOrganizationDataFolder"}
        assert looks <= {"getOrganizationJobStatus", "getOrganizationJobsLogs"}

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_a_project_and_an_organization_are_too_much(self, studio: EmulatorServer, deferrable: bool) -> None:
        sensor = EdgeImpulseJobSensor(
            task_id="wait", job_id=1, project_id=1, edge_impulse_conn_id="edge_impulse_default", deferrable=deferrable
        )
        with pytest.raises(AirflowFailException, match=r"^Leave out edge_impulse_conn_id to wait for"):
            sensor.execute({})
        assert studio.requests() == []

    def test_a_user_who_ends_a_deferred_task_ends_the_job(self, studio: EmulatorServer) -> None:
        studio.jobs.plan("add_folder", running_seconds=FOREVER)
        with EdgeImpulseHook() as hook:
            job_id = hook.organization_api.start_import("lab", 1, "lab")
        asyncio.run(EdgeImpulseJobTrigger(job_id=job_id, organization_id=7).on_kill())
        assert states(studio) == ["failed"]

    def test_the_trigger_of_an_organization_reports_a_failed_job(self, studio: EmulatorServer) -> None:
        studio.settings.job_queued_seconds = studio.settings.job_running_seconds = 0
        studio.jobs.plan("add_folder", outcome="failure", log=["error: access denied\n"])
        with EdgeImpulseHook() as hook:
            job_id = hook.organization_api.start_import("lab", 1, "lab")
        event = asyncio.run(event_of(EdgeImpulseJobTrigger(job_id=job_id, organization_id=7, poll_interval=0.05)))
        assert (event["kind"], event["job_id"]) == ("EdgeImpulseJobError", job_id)
        assert "access denied" in event["error"] and "/organization/7/jobs" in event["error"]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_real_dag_run_retrains_and_waits(project: EmulatorServer, run: RunDag, deferrable: bool) -> None:
    project.settings.job_running_seconds = 0.5
    done = run(
        f"""
        from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator
        from airflow_provider_ei.sensors.job import EdgeImpulseJobSensor
        @dag(schedule=None)
        def training():
            job = EdgeImpulseRetrainOperator(task_id="retrain", poll_interval="0.1", deferrable={deferrable})
            EdgeImpulseJobSensor(task_id="wait", job_id=job.output["job_id"], deferrable={deferrable})
        training()
        """
    )
    assert done.states == {"retrain": ["success"], "wait": ["success"]}
    (result,) = done.returned["retrain"]
    assert (result["job_id"], result["state"], started(project)) == (1, "succeeded", [1])


@needs_store
def test_in_airflow_the_retry_of_a_task_finds_the_job_of_the_try_before(project: EmulatorServer, run: RunDag) -> None:
    """The second look of the first try fails for good; Airflow's own store leads the second try to the job."""
    project.jobs.plan("retrain", running_seconds=3)
    project.inject(Fault(operation="getJobStatus", kind="status", status=500, count=10))
    done = run(
        """
        from datetime import timedelta
        from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator
        @dag(schedule=None)
        def training():
            EdgeImpulseRetrainOperator(
                task_id="retrain", poll_interval=0.1, retries=2, retry_delay=timedelta(seconds=0)
            )
        training()
        """
    )
    assert done.states == {"retrain": ["success"]}
    assert (done.returned["retrain"][0]["job_id"], started(project)) == (1, [1])


class TestWithoutAStore:
    """Airflow 2.11, where only the listing can tell."""

    def retry(self, began: datetime) -> Any:
        class TaskInstance:
            try_number = 2
            stats_tags: ClassVar[dict[str, str]] = {}

            def xcom_push(self, **_: Any) -> None:
                pass

        class DagRun:
            start_date = began

        return {"ti": TaskInstance(), "dag_run": DagRun()}

    def test_a_retry_finds_the_active_job_of_its_run(self, project: EmulatorServer) -> None:
        began = datetime.now(UTC) - timedelta(seconds=1)
        project.jobs.plan("retrain", running_seconds=1)
        EdgeImpulseProjectHook().retrain(wait_for_completion=False)
        assert retrain().execute(self.retry(began))["job_id"] == 1
        assert started(project) == [1]

    def test_a_retry_without_an_active_job_starts_one(self, project: EmulatorServer) -> None:
        began = datetime.now(UTC) - timedelta(seconds=1)
        project.jobs.plan("retrain", outcome="failure")
        EdgeImpulseProjectHook().retrain(wait_for_completion=False)
        assert retrain().execute(self.retry(began))["job_id"] == 2


def test_the_hook_retrains_and_tells_the_state_of_the_job(project: EmulatorServer) -> None:
    project.jobs.plan("retrain", running_seconds=FOREVER)
    with EdgeImpulseProjectHook() as hook:
        job_id = hook.retrain(wait_for_completion=False)["job_id"]
        assert hook.get_job(job_id).state == "running"
        with pytest.raises(EdgeImpulseJobTimeoutError):
            hook.wait_for_job(job_id, timeout=0.1, poll_interval=0.05)
        assert hook.cancel_job(job_id).state == "cancelled"
        assert hook.retrain(poll_interval=0.05)["state"] == "succeeded"


def test_a_cleared_task_trains_again(project: EmulatorServer, store: FileStore) -> None:
    assert [in_worker(retrain(), store)["job_id"] for _ in range(2)] == [1, 2]
