"""The sensor for samples, in a worker and in the triggerer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, TaskDeferred

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sensors.samples import EdgeImpulseSamplesSensor
from airflow_provider_ei.triggers.samples import EdgeImpulseSamplesTrigger
from tests.support.samples import csv

Put = Callable[[str, int], None]


@pytest.fixture
def put(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Let somebody upload samples of a label, and connect to the project."""
    connection = {"conn_type": "edge_impulse_project", "host": emulator.url, "password": emulator.project_api_key}
    monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))

    def upload(label: str, count: int) -> None:
        for number in range(count):
            emulator.samples.put(f"{label}.{number}.csv", csv(number), label=label)

    return upload


def sensor(**arguments: Any) -> EdgeImpulseSamplesSensor:
    return EdgeImpulseSamplesSensor(**{"task_id": "wait", "poke_interval": 0.05, "timeout": 60} | arguments)


def event_of(trigger: Any) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        async for event in trigger.run():
            return dict(event.payload)
        raise AssertionError("the trigger has ended without an event")

    return asyncio.run(first())


def test_waits_for_a_number_of_samples(put: Put) -> None:
    put("idle", 2)
    assert sensor(at_least=2).poke({})
    assert sensor(at_least="2").poke({})
    assert not sensor(at_least=3).poke({})
    assert not sensor(category="testing").poke({})


def test_waits_for_a_number_of_each_label(put: Put) -> None:
    put("idle", 2)
    wanted = {"idle": 2, "wave": 1}
    assert not sensor(at_least=wanted).poke({})
    put("wave", 1)
    assert sensor(at_least=wanted).poke({})
    assert sensor(at_least=str(wanted)).poke({}), "a template has rendered it"


@pytest.mark.parametrize(
    "arguments",
    [{"at_least": -1}, {"at_least": 1.5}, {"at_least": {}}, {"at_least": {"idle": "x"}}, {"category": "attic"}],
)
def test_wrong_arguments_fail_without_retries(put: Put, arguments: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException, match=next(iter(arguments))):
        sensor(**arguments).poke({})
    with pytest.raises(EdgeImpulseInputError):
        EdgeImpulseSamplesTrigger(criteria=arguments, poke_interval=1)


def test_waits_in_the_triggerer(put: Put, emulator: EmulatorServer) -> None:
    deferrable = sensor(at_least={"idle": 1}, deferrable=True, project_id=1)
    with pytest.raises(TaskDeferred) as deferred:
        deferrable.execute({})
    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_provider_ei.triggers.samples.EdgeImpulseSamplesTrigger"
    assert (arguments["criteria"], arguments["project_id"]) == ({"at_least": {"idle": 1}, "category": "training"}, 1)
    again = EdgeImpulseSamplesTrigger(**json.loads(json.dumps(arguments)))

    def upload_late(request: Any) -> None:
        if len(emulator.requests()) == 4:
            put("idle", 1)

    emulator.clear_requests()
    emulator.before_request(upload_late)
    event = event_of(again)
    emulator.before_request(None)
    assert event == {"met": True, "seen": "1 of 1 'idle' (training)"}
    deferrable.execute_complete({}, event)


def test_a_timeout_says_what_was_seen_last(put: Put) -> None:
    put("idle", 1)
    with pytest.raises(TaskDeferred) as deferred:
        sensor(at_least={"idle": 2}, deferrable=True, timeout=0.2).execute({})
    event = event_of(deferred.value.trigger)
    with pytest.raises(AirflowSensorTimeout, match=r"1 of 2 'idle' \(training\)"):
        sensor().execute_complete({}, event)


def test_an_error_keeps_its_class(put: Put, emulator: EmulatorServer) -> None:
    emulator.inject(Fault(operation="countSamples", kind="success_false", count=10))
    event = event_of(EdgeImpulseSamplesTrigger(criteria={}, poke_interval=0.05, project_id=1))
    with pytest.raises((EdgeImpulseError, AirflowFailException), match="Something went wrong"):
        sensor().execute_complete({}, event)
