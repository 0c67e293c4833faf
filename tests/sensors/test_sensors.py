"""Sensors: here and in the triggerer, what counts, and which errors end the waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseUnavailableError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.sensors.condition import Condition
from airflow_provider_ei.sensors.data import EdgeImpulseDataItemSensor, EdgeImpulseDatasetSensor
from airflow_provider_ei.studio.answers import DataItem
from airflow_provider_ei.sync.metadata import pending_metadata
from airflow_provider_ei.triggers.dataset import EdgeImpulseDatasetTrigger

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def listed(number: int, *, age: float = 0, metadata: dict[str, str] | None = None) -> DataItem:
    return DataItem(
        id=number,
        name=f"run-{number}",
        dataset="d",
        total_file_count=1,
        total_file_size=1,
        created=NOW - timedelta(seconds=age),
        metadata=metadata or {},
    )


@pytest.fixture
def upload(studio: EmulatorServer, tmp_path: Any) -> Callable[[str], None]:
    """Put a data item into the dataset ``d``."""
    (tmp_path / "x.csv").write_text("1")

    def add(name: str) -> None:
        EdgeImpulseHook().add_data(name=name, dataset="d", files=str(tmp_path / "x.csv"), metadata={"kind": name[0]})

    return add


def data_item_sensor(**arguments: Any) -> EdgeImpulseDataItemSensor:
    return EdgeImpulseDataItemSensor(**{"task_id": "wait", "dataset": "d", "name": "a-1"} | arguments)


def dataset_sensor(**arguments: Any) -> EdgeImpulseDatasetSensor:
    return EdgeImpulseDatasetSensor(**{"task_id": "wait", "dataset": "d"} | arguments)


class TestCondition:
    @pytest.mark.parametrize(("at_least", "met"), [(1, True), (2, True), (3, False)])
    def test_count(self, at_least: int, met: bool) -> None:
        assert Condition("d", at_least=at_least).is_met([listed(1), listed(2)], NOW) is met

    @pytest.mark.parametrize(("quiet", "met"), [(0, True), (59, True), (60, True), (61, False)])
    def test_the_newest_decides_whether_it_is_quiet(self, quiet: float, met: bool) -> None:
        assert Condition("d", quiet_seconds=quiet).is_met([listed(1, age=1000), listed(2, age=60)], NOW) is met

    def test_an_item_that_is_being_uploaded_is_waited_for(self) -> None:
        pending = listed(2, metadata=pending_metadata({}, {}, run="x"))
        assert not Condition("d").is_met([listed(1), pending], NOW)

    def test_an_empty_dataset_is_no_quiet_one(self) -> None:
        assert not Condition("d", quiet_seconds=1).is_met([], NOW)


class TestPoke:
    def test_data_item(self, upload: Callable[[str], None]) -> None:
        upload("a-2")
        assert not data_item_sensor().poke({})
        upload("a-1")
        assert data_item_sensor().poke({})

    def test_dataset_with_count_and_filter(self, upload: Callable[[str], None]) -> None:
        for name in ("a-1", "b-1", "b-2"):
            upload(name)
        assert dataset_sensor(at_least="3").poke({})
        assert not dataset_sensor(at_least=3, filter="metadata->kind = 'b'").poke({})
        assert dataset_sensor(at_least=2, filter="metadata->kind = 'b'").poke({})
        assert not dataset_sensor(quiet_seconds=3600).poke({})

    def test_a_dataset_that_is_not_there_is_waited_for(self, studio: EmulatorServer) -> None:
        assert not dataset_sensor().poke({})

    def test_a_wrong_key_ends_the_waiting(self, emulator: EmulatorServer, connect: Callable[..., None]) -> None:
        connect(emulator.url, password="ei_wrong", organization_id=7)
        with pytest.raises(AirflowFailException, match="key"):
            dataset_sensor().poke({})

    @pytest.mark.parametrize("wrong", [{"at_least": "many"}, {"quiet_seconds": None}])
    def test_arguments_that_are_no_numbers(self, studio: EmulatorServer, wrong: dict[str, Any]) -> None:
        with pytest.raises(AirflowFailException, match="must be numbers"):
            dataset_sensor(**wrong).poke({})
        assert studio.requests() == []


class TestDeferring:
    def test_it_defers_only_when_there_is_something_to_wait_for(self, upload: Callable[[str], None]) -> None:
        sensor = data_item_sensor(deferrable=True, poke_interval=0.01, timeout=60)
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute({})
        assert deferred.value.timeout == timedelta(seconds=60)
        trigger = again(deferred.value.trigger)
        upload("a-1")
        assert first_event(trigger) == {"met": True}
        sensor.execute_complete({}, {"met": True})
        assert sensor.execute({}) is None

    def test_the_loop_goes_on_while_the_service_is_slow(self, studio: EmulatorServer) -> None:
        studio.order(Fault(operation="listOrganizationData", kind="slow", delay_seconds=0.5))
        trigger = EdgeImpulseDatasetTrigger(condition=asdict(Condition("d", at_least=0)), poke_interval=0.01)

        async def both() -> int:
            waiting = asyncio.ensure_future(anext(trigger.run()))
            ticks = 0
            while not waiting.done():
                await asyncio.sleep(0.01)
                ticks += 1
            return ticks

        assert asyncio.run(both()) > 10

    def test_an_error_comes_back_to_the_task(self, emulator: EmulatorServer, connect: Callable[..., None]) -> None:
        connect(emulator.url, password="ei_wrong", organization_id=7)
        event = first_event(EdgeImpulseDatasetTrigger(condition=asdict(Condition("d")), poke_interval=1))
        with pytest.raises(AirflowFailException, match="key"):
            data_item_sensor().execute_complete({}, event)

    def test_one_that_may_pass_is_tried_again(self, studio: EmulatorServer, connect: Callable[..., None]) -> None:
        connect(studio.url, organization_id=7, retry_attempts=1)
        studio.order(Fault(operation="listOrganizationData", kind="status", status=503))
        event = first_event(EdgeImpulseDatasetTrigger(condition=asdict(Condition("d")), poke_interval=1))
        assert event["permanent"] is False
        with pytest.raises(EdgeImpulseError, match="503") as raised:
            data_item_sensor().execute_complete({}, event)
        assert not isinstance(raised.value, EdgeImpulseUnavailableError)
        assert not isinstance(raised.value, AirflowFailException)


def again(trigger: Any) -> EdgeImpulseDatasetTrigger:
    """Make a trigger as a triggerer does that is started anew."""
    path, arguments = trigger.serialize()
    assert path == "airflow_provider_ei.triggers.dataset.EdgeImpulseDatasetTrigger"
    return EdgeImpulseDatasetTrigger(**arguments)


def first_event(trigger: EdgeImpulseDatasetTrigger) -> Any:
    async def wait() -> Any:
        return (await anext(trigger.run())).payload

    return asyncio.run(wait())
