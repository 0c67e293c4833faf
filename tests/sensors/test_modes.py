"""A sensor ends in the same way whether it waits in a worker or in the triggerer."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.sensors.dataset import EdgeImpulseDatasetSensor
from tests.conftest import API_KEY
from tests.support.airflow_runs import DAGS_FOLDER, run_dag

CONNECTION = "AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT"


@dataclass(frozen=True)
class Situation:
    """What happens to a sensor.

    :ivar timeout: None for one that ends only what nothing else ends, however slow the machine is.
    :ivar failures: looks that fail with a transient error, after ``good`` looks that succeed.
    :ivar password: replaces the key after the first request; None removes the connection.
    """

    at_least: int = 1
    timeout: float | None = None
    good: int = 0
    failures: int = 0
    password: str | None = API_KEY
    first_password: str = API_KEY
    ends: dict[str, str] = field(default_factory=dict)


FOR_GOOD, FOR_NOW, SKIPPED, SUCCESS = "failed for good", "failed, may be retried", "skipped", "success"

# How each ends with none of the options, and with each of them.
SITUATIONS = {
    "met": Situation(at_least=0, ends=dict.fromkeys(("", "soft_fail", "never_fail", "silent_fail"), SUCCESS)),
    "nothing comes": Situation(
        timeout=0.3,
        ends={"": FOR_GOOD, "soft_fail": SKIPPED, "never_fail": FOR_GOOD, "silent_fail": FOR_GOOD},
    ),
    "no time at all": Situation(
        timeout=0,
        ends={"": FOR_GOOD, "soft_fail": SKIPPED, "never_fail": FOR_GOOD, "silent_fail": FOR_GOOD},
    ),
    "a transient error at the first look": Situation(
        at_least=0,
        failures=1,
        ends={"": FOR_NOW, "soft_fail": FOR_NOW, "never_fail": SKIPPED, "silent_fail": SUCCESS},
    ),
    "a transient error later": Situation(
        good=1,
        failures=1,
        ends={"": FOR_NOW, "soft_fail": FOR_NOW, "never_fail": SKIPPED, "silent_fail": FOR_GOOD},
    ),
    "a wrong key": Situation(
        first_password="ei_wrong",
        ends={"": FOR_GOOD, "soft_fail": SKIPPED, "never_fail": SKIPPED, "silent_fail": FOR_GOOD},
    ),
    "a key that is revoked": Situation(
        password="ei_revoked",
        ends={"": FOR_GOOD, "soft_fail": SKIPPED, "never_fail": SKIPPED, "silent_fail": FOR_GOOD},
    ),
    "a connection that is removed": Situation(
        password=None,
        ends={"": FOR_NOW, "soft_fail": FOR_NOW, "never_fail": SKIPPED, "silent_fail": FOR_GOOD},
    ),
}


def poke_mode(sensor: EdgeImpulseDatasetSensor) -> None:
    sensor.execute({})


def deferred(sensor: EdgeImpulseDatasetSensor) -> None:
    """Do what Airflow does: a worker, the triggerer, and another worker."""
    sensor.deferrable = True
    try:
        sensor.execute({})
    except TaskDeferred as deferral:
        path, arguments = deferral.trigger.serialize()
        assert path.endswith(".EdgeImpulseDatasetTrigger")
        trigger = type(deferral.trigger)(**json.loads(json.dumps(arguments)))

        async def event() -> Any:
            return (await anext(trigger.run())).payload

        payload = json.loads(json.dumps(asyncio.run(event())))
        sensor.resume_execution(deferral.method_name, {"event": payload}, {})


def end_of(wait: Callable[[EdgeImpulseDatasetSensor], None], sensor: EdgeImpulseDatasetSensor) -> str:
    try:
        wait(sensor)
    except AirflowSkipException:
        return SKIPPED
    except (AirflowFailException, AirflowSensorTimeout):  # Airflow spends no retry on either
        return FOR_GOOD
    except Exception:
        return FOR_NOW
    return SUCCESS


@contextmanager
def change_after_the_first_request(server: EmulatorServer, change: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        while not server.requests() and not over.is_set():
            time.sleep(0.005)
        change()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@pytest.mark.parametrize("wait", [poke_mode, deferred])
@pytest.mark.parametrize("option", ["", "soft_fail", "never_fail", "silent_fail"])
@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_a_deferred_sensor_ends_like_one_in_a_worker(
    emulator: EmulatorServer,
    connect: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    situation: Situation,
    option: str,
    wait: Callable[[EdgeImpulseDatasetSensor], None],
) -> None:
    connect(emulator.url, password=situation.first_password, organization_id=7, retry_attempts=1)
    if situation.failures:
        emulator.inject(Fault(operation="*", kind="status", status=503, skip=situation.good, count=situation.failures))

    def change() -> None:
        if situation.password is None:
            monkeypatch.delenv(CONNECTION)
        elif situation.password != API_KEY:
            connect(emulator.url, password=situation.password, organization_id=7, retry_attempts=1)

    sensor = EdgeImpulseDatasetSensor(
        task_id="wait",
        dataset="d",
        at_least=situation.at_least,
        timeout=situation.timeout if situation.timeout is not None else (0.5 if option == "silent_fail" else 60),
        poke_interval=0.05,
        **({option: True} if option else {}),
    )
    with change_after_the_first_request(emulator, change):
        assert end_of(wait, sensor) == situation.ends[option]


@pytest.mark.parametrize("reason", ["Trigger timeout", "Trigger/execution timeout", "Trigger failure"])
@pytest.mark.parametrize("option", ["", "soft_fail", "never_fail", "silent_fail"])
def test_a_deferred_sensor_ends_like_one_in_a_worker_when_the_triggerer_fails(reason: str, option: str) -> None:
    """As Airflow 3 and 2 call it; a failure counts as a transient error, a timeout as the sensor's own."""
    sensor = EdgeImpulseDatasetSensor(task_id="wait", dataset="d", **({option: True} if option else {}))

    def resume(sensor: EdgeImpulseDatasetSensor) -> None:
        sensor.resume_execution("__fail__", {"error": reason}, {})

    situation = SITUATIONS["nothing comes" if "timeout" in reason else "a transient error at the first look"]
    expected = situation.ends[option]
    assert end_of(resume, sensor) == (FOR_NOW if expected == SUCCESS else expected)


def test_the_timeout_reports_the_last_observation(studio: EmulatorServer) -> None:
    sensor = EdgeImpulseDatasetSensor(task_id="wait", dataset="d", at_least=3, timeout=0.2, poke_interval=0.05)
    with pytest.raises(AirflowSensorTimeout, match=r"timed out after 0\.2 seconds: 0 of 3 items \(dataset 'd'\)\."):
        deferred(sensor)


DAG = """
from airflow.providers.common.compat.sdk import dag
from airflow_provider_ei.sensors.dataset import EdgeImpulseDatasetSensor

@dag(schedule=None)
def modes():
    for mode in ("poke", "deferred"):
        for option in ("none", "soft_fail", "never_fail", "silent_fail"):
            for connection, at_least in (("right", 0), ("right", 1), ("wrong_key", 1), ("nobody_there", 1)):
                EdgeImpulseDatasetSensor(
                    task_id=f"{mode}__{option}_{connection}_{at_least}", dataset="d", at_least=at_least,
                    poke_interval=0.05, timeout=0.1, deferrable=mode == "deferred", edge_impulse_conn_id=connection,
                    **({} if option == "none" else {option: True}),
                )

modes()
"""


def test_a_deferred_sensor_ends_like_one_in_a_worker_in_real_airflow(
    studio: EmulatorServer, airflow_database: None, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    right = json.loads(os.environ[CONNECTION])
    elsewhere = right | {"host": f"http://127.0.0.1:{free_port}/v1"}
    elsewhere["extra"] = right["extra"] | {"retry_attempts": 1}
    monkeypatch.setenv("AIRFLOW_CONN_RIGHT", json.dumps(right))
    monkeypatch.setenv("AIRFLOW_CONN_WRONG_KEY", json.dumps(right | {"password": "ei_wrong"}))
    monkeypatch.setenv("AIRFLOW_CONN_NOBODY_THERE", json.dumps(elsewhere))
    path: Path = DAGS_FOLDER / "modes.py"
    path.write_text(DAG)
    try:
        states = run_dag(path).states
    finally:
        path.unlink()
    poke, deferred_states = (
        {task.partition("__")[2]: state for task, state in states.items() if task.startswith(mode)}
        for mode in ("poke", "deferred")
    )
    assert len(poke) == 16
    assert deferred_states == poke
    assert {state for (state,) in poke.values()} == {"success", "failed", "skipped"}
