"""Descriptors and threads end where they began, however many looks there were."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.polling.dataset_criteria import DatasetCriteria
from airflow_provider_ei.sensors.dataset import EdgeImpulseDatasetSensor
from airflow_provider_ei.triggers.dataset import EdgeImpulseDatasetTrigger
from airflow_provider_ei.triggers.threads import MAX_THREADS

LOOKS = 300


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def client_threads() -> int:
    """Count the threads that are not those of the emulator in this process."""
    return sum(not thread.name.startswith("emulator") for thread in threading.enumerate())


@contextlib.contextmanager
def limited(more: int) -> Iterator[None]:
    """Allow so many descriptors more, and wait at the end until they and the threads are as many as before."""
    before, threads = descriptors(), client_threads()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    end = time.monotonic() + 30  # the emulator's side of a closed connection takes a moment
    while (descriptors() > before or client_threads() > threads) and time.monotonic() < end:
        time.sleep(0.05)
        gc.collect()  # what failed is kept by its own traceback until then
    assert descriptors() <= before
    assert client_threads() <= threads, threading.enumerate()


def new_sensor() -> EdgeImpulseDatasetSensor:
    return EdgeImpulseDatasetSensor(task_id="wait", dataset="d", timeout=0)


def poke_one(studio: EmulatorServer) -> None:
    sensor = new_sensor()
    for _ in range(LOOKS):
        assert sensor.poke({}) is False
    sensor.on_kill()


def poke_through_failures(studio: EmulatorServer) -> None:
    studio.inject(Fault(operation="*", kind="status", status=503, count=LOOKS))
    sensor = new_sensor()
    for _ in range(LOOKS):
        with contextlib.suppress(EdgeImpulseError):
            sensor.poke({})
    sensor.on_kill()


def execute_many(studio: EmulatorServer) -> None:
    for _ in range(LOOKS):
        with pytest.raises(AirflowSensorTimeout):
            new_sensor().execute({})


@pytest.mark.parametrize("looks", [poke_one, poke_through_failures, execute_many])
def test_three_hundred_sensors_leave_no_descriptor_and_no_thread(
    emulator: EmulatorServer, connect: Callable[..., None], looks: Callable[[EmulatorServer], None]
) -> None:
    connect(emulator.url, organization_id=7, retry_attempts=1)
    with contextlib.suppress(AirflowSensorTimeout):
        new_sensor().execute({})  # what is opened once for the process
    with limited(60):
        looks(emulator)


def test_three_hundred_triggers_leave_no_descriptor_and_no_thread(studio: EmulatorServer) -> None:
    def new_trigger(at_least: int) -> EdgeImpulseDatasetTrigger:
        criteria = asdict(DatasetCriteria("d", at_least=at_least))
        return EdgeImpulseDatasetTrigger(criteria=criteria, poke_interval=0.01, deadline=time.time() + 0.05)

    async def event_of(trigger: EdgeImpulseDatasetTrigger) -> str:
        async for event in trigger.run():
            return next(iter(event.payload))
        return "none"

    async def main(count: int) -> set[str]:
        return set(await asyncio.gather(*[event_of(new_trigger(number % 2)) for number in range(count)]))

    asyncio.run(main(2))
    with limited(2 * MAX_THREADS + 40):  # both ends of a connection are in this process
        assert asyncio.run(main(LOOKS)) == {"met", "timed_out"}
