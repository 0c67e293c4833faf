"""Every operator that runs a job is killed at each of its requests: one job is started, and its result is returned.

To add an operator, add a :class:`Row` to :data:`ROWS`: the operator, the emulator's kind of its job, and what the
emulator has to have before (``prepare``). Everything else follows: the requests are taken from a run without faults.
Fast tests kill at the requests that start something; the slow ones (``-m slow``) kill before and after every request.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_ei.emulator import FOREVER, EmulatorServer, Fault, RequestRecord
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseJobError
from airflow_provider_ei.operators.bucket_data import (
    EdgeImpulseImportFolderOperator,
    EdgeImpulseRefreshDatasetOperator,
)
from airflow_provider_ei.operators.build import EdgeImpulseBuildModelOperator
from airflow_provider_ei.operators.job_base import JobOperator
from airflow_provider_ei.operators.pipeline import EdgeImpulseRunPipelineOperator
from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator
from airflow_provider_ei.operators.test_model import EdgeImpulseTestModelOperator
from airflow_provider_ei.operators.transform import EdgeImpulseTransformOperator
from airflow_provider_ei.operators.version import EdgeImpulseCreateVersionOperator
from airflow_provider_ei.triggers.job import EdgeImpulseJobTrigger
from tests.operators.test_jobs import FileStore
from tests.support.airflow_runs import is_airflow_2

Mode = Literal["worker", "deferred"]
MODES: tuple[Mode, ...] = ("worker", "deferred")
Prepare = Callable[[EmulatorServer], Mapping[str, Any]]
Started = Callable[[EmulatorServer], list[int]]

pytestmark = [
    pytest.mark.skipif(is_airflow_2(), reason="Airflow 2 has no task state store"),
    pytest.mark.timeout(300),
]


@dataclass(frozen=True)
class Row:
    """An operator to kill.

    :param operator: its class.
    :param kind: the emulator's kind of the job that it runs.
    :param starts: ids of the operations that start something.
    :param prepare: puts what the job needs into an emulator that was reset; returns the operator's own arguments.
    :param started: returns the ids of what was started, as in the result's ``job_id``; by default of the jobs of the
        kind.
    :param fail_first: makes an earlier try fail, and returns what ends that; the next try is the one to kill.
    """

    operator: type[JobOperator]
    kind: Any
    starts: tuple[str, ...]
    prepare: Prepare = field(default=lambda server: {})
    started: Started | None = None
    fail_first: Callable[[EmulatorServer], Callable[[], None]] | None = None

    def ids(self, server: EmulatorServer) -> list[int]:
        if self.started is not None:
            return self.started(server)
        return [job.id for job in server.jobs.list() if job.kind == self.kind]

    def create(self, mode: Mode, values: Mapping[str, Any]) -> JobOperator:
        name = self.operator.__name__
        return self.operator(task_id=name, poll_interval=0.02, deferrable=mode == "deferred", **values)


def prepare_pipeline(server: EmulatorServer) -> dict[str, Any]:
    server.put_item("a", "raw", {}, {"x.csv": b"1"})
    steps = [
        {"name": "copy", "filter": "dataset = 'raw'", "uploadType": "dataset", "outputDatasetName": "clean"},
        {"name": "again", "filter": "dataset = 'clean'", "uploadType": "dataset", "outputDatasetName": "final"},
    ]
    return {"pipeline_id": server.pipelines.add("nightly", steps, dataset="final")}


def prepare_transform(server: EmulatorServer) -> dict[str, Any]:
    for name in ("a", "b"):
        server.put_item(name, "raw", {}, {"x.csv": b"1"})
    return {"name": "clean", "filter": "dataset = 'raw'", "output_dataset": "clean"}


def prepare_import_into_a_project(server: EmulatorServer) -> dict[str, Any]:
    server.put_item("a", "raw", {}, {"x.csv": b"1"})
    conn_id = "edge_impulse_project_default"
    return {"name": "import", "filter": "dataset = 'raw'", "edge_impulse_project_conn_id": conn_id}


def prepare_folder(server: EmulatorServer) -> dict[str, Any]:
    server.put_object("lab/r1/a.csv", b"1")
    return {"dataset": "lab", "bucket_id": 1, "bucket_path": "lab"}


def prepare_refresh(server: EmulatorServer) -> dict[str, Any]:
    server.put_item("a", "lab", {}, {"x.csv": b"1"})
    return {"dataset": "lab"}


def transformations(server: EmulatorServer) -> list[int]:
    return server.pipelines.transformation_ids()


def fail_an_input(server: EmulatorServer) -> Callable[[], None]:
    server.pipelines.fail_items("b")
    return server.pipelines.fail_items


def repetitions(server: EmulatorServer) -> list[int]:
    """Return the transformation job once for each time that it was started again."""
    (job_id,) = server.pipelines.transformation_ids()
    return [job_id for job in server.jobs.list() if job.kind == "transform"][1:]


def prepare_build(server: EmulatorServer) -> dict[str, Any]:
    server.projects.add_build()
    return {"target": "zip", "path": f"{tempfile.gettempdir()}/edge-impulse-kills-{os.getpid()}.zip"}


ROWS = {
    "test model": Row(
        EdgeImpulseTestModelOperator,
        "classify",
        ("startClassifyJob",),
        lambda server: {"min_accuracy": 0.9, "min_samples": 100},
    ),
    "version": Row(EdgeImpulseCreateVersionOperator, "version", ("startVersionJob",)),
    "build": Row(EdgeImpulseBuildModelOperator, "build", ("buildOnDeviceModelJob",), prepare_build),
    "retrain": Row(EdgeImpulseRetrainOperator, "retrain", ("startRetrainJob",)),
    "pipeline": Row(
        EdgeImpulseRunPipelineOperator,
        "transform",
        ("runOrganizationPipeline",),
        prepare_pipeline,
        lambda server: server.pipelines.run_ids(),
    ),
    "transform": Row(
        EdgeImpulseTransformOperator, "transform", ("organizationCreateProject",), prepare_transform, transformations
    ),
    "transform into a project": Row(
        EdgeImpulseTransformOperator,
        "transform",
        ("organizationCreateProject",),
        prepare_import_into_a_project,
        transformations,
    ),
    "transform what has failed": Row(
        EdgeImpulseTransformOperator,
        "transform",
        ("retryOrganizationTransform",),
        prepare_transform,
        repetitions,
        fail_an_input,
    ),
    "import folder": Row(EdgeImpulseImportFolderOperator, "add_folder", ("addOrganizationDataFolder",), prepare_folder),
    "refresh": Row(EdgeImpulseRefreshDatasetOperator, "refresh", ("refreshOrganizationData",), prepare_refresh),
}

each_row = pytest.mark.parametrize("name", ROWS)
each_mode = pytest.mark.parametrize("mode", MODES)
each_side = pytest.mark.parametrize("side", ["before", "after"])


def context(store: FileStore, try_number: int) -> Any:
    task_instance = SimpleNamespace(
        dag_id="d",
        run_id="r",
        task_id="t",
        map_index=-1,
        try_number=try_number,
        stats_tags={},
        xcom_push=lambda key, value: None,
    )
    return {"ti": task_instance, "task_state_store": store}


def execute(row: Row, mode: Mode, values: Mapping[str, Any], store: FileStore, try_number: int) -> Any:
    """Do what Airflow does for one try: a worker; or a worker, the triggerer, and another worker."""
    operator = row.create(mode, values)
    try:
        return operator.execute(context(store, try_number))
    except TaskDeferred as deferral:
        trigger = deferral.trigger
        stored = json.dumps({"trigger": trigger.serialize(), "kwargs": deferral.kwargs})
        assert not [key for key in _keys() if key in stored]
        loaded = json.loads(stored)
        event = asyncio.run(_first_event(type(trigger)(**loaded["trigger"][1])))
        again = row.create(mode, values)
        method = getattr(again, deferral.method_name)
        return method(context(store, try_number), json.loads(json.dumps(event)), **(loaded["kwargs"] or {}))


async def _first_event(trigger: Any) -> Any:
    return (await anext(trigger.run())).payload


def _keys() -> list[str]:
    return [json.loads(text)["password"] for name, text in os.environ.items() if name.startswith("AIRFLOW_CONN_EDGE")]


def work(name: str, mode: Mode, values: Mapping[str, Any], path: str, connections: Mapping[str, str]) -> None:
    """Be a worker, in a process of its own."""
    os.environ.update(connections)
    execute(ROWS[name], mode, values, FileStore(Path(path)), 1)


def trigger(arguments: Mapping[str, Any], connections: Mapping[str, str]) -> None:
    """Be a triggerer, in a process of its own."""
    os.environ.update(connections)
    asyncio.run(_first_event(EdgeImpulseJobTrigger(**arguments)))


def connections() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_EDGE")}


@pytest.fixture(scope="module")
def processes() -> Any:
    """A server that has imported everything, and forks the processes to kill."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([__name__])
    return forking


class Lab:
    """The emulator, an operator of the table, and its tries."""

    def __init__(self, server: EmulatorServer, processes: Any, name: str, mode: Mode, folder: Path) -> None:
        self.server, self.name, self.mode = server, name, mode
        self.row = ROWS[name]
        self.processes = processes
        self._folder = folder
        self._tries = 0
        self.values: Mapping[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        """Start over: an emulator with what the job needs, and a task without state."""
        self.server.before_request(None)
        self.server.clear_faults()
        self.server.reset()
        self.values = self.row.prepare(self.server)
        self._tries += 1
        self.store = FileStore(self._folder / f"{self._tries}.json")
        if self.row.fail_first is not None:
            end_failures = self.row.fail_first(self.server)
            with pytest.raises(EdgeImpulseJobError):
                self.execute(1)
            end_failures()
        self.server.clear_requests()

    def execute(self, try_number: int) -> Any:
        return execute(self.row, self.mode, self.values, self.store, try_number)

    def operations(self) -> list[str]:
        """Return the requests of a run without faults."""
        self.reset()
        result = self.execute(1)
        assert self.row.ids(self.server) == [result["job_id"]]
        assert result["state"] == "succeeded"
        assert len(json.dumps(result)) < 4000
        return [str(request.operation) for request in self.server.requests()]

    def kill_at(self, index: int, operations: list[str], side: str) -> None:
        """Run a worker that gets SIGKILL before a request is carried out, or after that and before its answer."""
        self.reset()
        operation = operations[index]
        skip = operations[:index].count(operation)
        reached, killed = threading.Event(), threading.Event()
        if side == "after":
            self.server.inject(Fault(operation=operation, kind="slow", skip=skip, delay_seconds=3600))
        arrived: list[str | None] = []

        def hold(request: RequestRecord) -> None:
            arrived.append(request.operation)
            if len(arrived) == index + 1 and side == "before":
                reached.set()
                killed.wait(60)
                raise ConnectionError("the client is gone")

        self.server.before_request(hold)
        arguments = (self.name, self.mode, self.values, str(self._folder / f"{self._tries}.json"), connections())
        worker = self.processes.Process(target=work, args=arguments)
        worker.start()
        try:
            self.wait(worker, lambda: reached.is_set() if side == "before" else self._is_carried_out(index))
        finally:
            worker.kill()
            worker.join()
            killed.set()
            self.server.before_request(None)
            self.server.clear_faults()
        assert [request.operation for request in self.server.requests()] == operations[: index + 1]

    def _is_carried_out(self, index: int) -> bool:
        requests = self.server.requests()
        return len(requests) > index and (requests[index].changed or requests[index].method == "GET")

    def wait(self, worker: Any, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 120
        while not condition():
            assert worker.is_alive(), "the worker has ended before it was killed"
            assert time.monotonic() < until
            time.sleep(0.005)

    def assert_the_next_try_ends_well(self, what: str) -> None:
        result = self.execute(2)
        assert (what, self.row.ids(self.server), result["state"]) == (what, [result["job_id"]], "succeeded")
        assert self.active() == [], what

    def active(self) -> list[str]:
        return [f"{job.kind} {job.id}" for job in self.server.jobs.list() if job.state in ("queued", "running")]


@pytest.fixture
def lab(
    emulator: EmulatorServer, processes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, Mode], Lab]]:
    quick = {"retry_wait": 0.01, "settle_seconds": 0.01, "retry_attempts": 2}
    for name, kind, key, owner in (
        ("EDGE_IMPULSE_DEFAULT", "edge_impulse", emulator.api_key, {"organization_id": emulator.organization_id}),
        ("EDGE_IMPULSE_PROJECT_DEFAULT", "edge_impulse_project", emulator.project_api_key, {"project_id": 1}),
    ):
        connection = {"conn_type": kind, "host": emulator.url, "password": key, "extra": quick | owner}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
    emulator.settings.job_queued_seconds = emulator.settings.job_running_seconds = 0
    yield lambda name, mode: Lab(emulator, processes, name, mode, tmp_path)
    emulator.before_request(None)


@each_row
@each_mode
@each_side
def test_a_worker_that_is_killed_at_its_start_request_leaves_one_job(
    lab: Callable[[str, Mode], Lab], name: str, mode: Mode, side: str
) -> None:
    this = lab(name, mode)
    operations = this.operations()
    indexes = [index for index, operation in enumerate(operations) if operation in this.row.starts]
    assert indexes, operations
    for index in indexes:
        this.kill_at(index, operations, side)
        this.assert_the_next_try_ends_well(f"killed {side} {operations[index]}")


@pytest.mark.slow
@each_row
@each_mode
@each_side
def test_a_worker_that_is_killed_at_any_request_leaves_one_job(
    lab: Callable[[str, Mode], Lab], name: str, mode: Mode, side: str
) -> None:
    this = lab(name, mode)
    operations = this.operations()
    for index, operation in enumerate(operations):
        this.kill_at(index, operations, side)
        this.assert_the_next_try_ends_well(f"killed {side} request {index}, {operation}")


@each_row
@each_mode
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "cut_response"])
def test_a_lost_answer_starts_one_job(lab: Callable[[str, Mode], Lab], name: str, mode: Mode, kind: Any) -> None:
    this = lab(name, mode)
    for operation in this.row.starts:
        this.reset()
        this.server.inject(Fault(operation=operation, kind=kind))
        result = this.execute(1)
        assert (this.row.ids(this.server), result["state"]) == ([result["job_id"]], "succeeded")


@each_row
@each_mode
@pytest.mark.parametrize("outcome", ["failure", "unreported"])
def test_a_job_without_success_fails_the_task(
    lab: Callable[[str, Mode], Lab], name: str, mode: Mode, outcome: Any
) -> None:
    this = lab(name, mode)
    this.server.jobs.plan(this.row.kind, outcome=outcome)
    with pytest.raises(EdgeImpulseJobError):
        this.execute(1)


@each_row
def test_a_triggerer_that_is_killed_while_it_waits_leaves_the_job_to_the_next_one(
    lab: Callable[[str, Mode], Lab], name: str
) -> None:
    this = lab(name, "deferred")
    for kind in ("transform", this.row.kind):
        this.server.jobs.plan(kind, running_seconds=0.5)
    with pytest.raises(TaskDeferred) as deferred:
        this.row.create("deferred", this.values).execute(context(this.store, 2))
    path, arguments = json.loads(json.dumps(deferred.value.trigger.serialize()))
    requests = len(this.server.requests())
    triggerer = this.processes.Process(target=trigger, args=(arguments, connections()))
    triggerer.start()
    try:
        this.wait(triggerer, lambda: len(this.server.requests()) > requests)
    finally:
        triggerer.kill()
        triggerer.join()
    assert path == f"{EdgeImpulseJobTrigger.__module__}.{EdgeImpulseJobTrigger.__qualname__}"
    event = asyncio.run(_first_event(EdgeImpulseJobTrigger(**arguments)))
    again = this.row.create("deferred", this.values)
    result = again.execute_complete(context(this.store, 2), event, **(deferred.value.kwargs or {}))
    assert (this.row.ids(this.server), result["state"], this.active()) == ([result["job_id"]], "succeeded", [])


@each_row
def test_both_modes_return_the_same(lab: Callable[[str, Mode], Lab], name: str) -> None:
    results = []
    for mode in MODES:
        this = lab(name, mode)
        result = this.execute(1)
        results.append({key: value for key, value in result.items() if key not in ("job_id", "url", "pipeline_id")})
    assert results[0] == results[1]


@each_row
def test_a_task_that_is_killed_leaves_nothing_running(lab: Callable[[str, Mode], Lab], name: str) -> None:
    """At any request: SIGTERM, a timeout, or a person who marks the task as failed."""
    this = lab(name, "worker")
    operations = this.operations()
    last_start = max(index for index, operation in enumerate(operations) if operation in this.row.starts)
    for index in range(last_start + 2):
        this.reset()
        this.server.jobs.plan(this.row.kind, running_seconds=FOREVER)
        operator = this.row.create("worker", this.values)
        if operations[index] in this.row.starts:
            skip = operations[:index].count(operations[index])
            this.server.inject(Fault(operation=operations[index], kind="slow", skip=skip, delay_seconds=3600))

        def kill(number: int, operator: JobOperator, ended: threading.Event) -> None:
            while not this._is_carried_out(number) and not ended.is_set():
                time.sleep(0.005)
            operator.on_kill()

        ended = threading.Event()
        killer = threading.Thread(target=partial(kill, index, operator, ended))
        killer.start()
        try:
            with pytest.raises((EdgeImpulseCancelledError, EdgeImpulseJobError)):
                operator.execute(context(this.store, 1))
        finally:
            ended.set()
            killer.join()
        assert (operations[index], this.active()) == (operations[index], [])
