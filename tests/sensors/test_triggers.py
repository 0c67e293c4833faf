"""The trigger: its looks, its errors, its deadline, and what it leaves free for the others in the triggerer."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.polling.dataset_criteria import DatasetCriteria
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.triggers import criteria
from airflow_provider_ei.triggers.dataset import EdgeImpulseDatasetTrigger
from airflow_provider_ei.triggers.threads import MAX_THREADS
from tests.support.sockets import open_connections

Connect = Callable[..., None]


def trigger_for(*, at_least: int = 1, **arguments: Any) -> EdgeImpulseDatasetTrigger:
    criteria = asdict(DatasetCriteria("d", at_least=at_least))
    return EdgeImpulseDatasetTrigger(criteria=criteria, **{"poke_interval": 0.01} | arguments)


def again(trigger: Any) -> EdgeImpulseDatasetTrigger:
    """Make a trigger as a triggerer does that is restarted."""
    path, arguments = trigger.serialize()
    assert path == "airflow_provider_ei.triggers.dataset.EdgeImpulseDatasetTrigger"
    return EdgeImpulseDatasetTrigger(**json.loads(json.dumps(arguments)))


def first_event(trigger: EdgeImpulseDatasetTrigger) -> Any:
    async def wait() -> Any:
        return (await anext(trigger.run())).payload

    return asyncio.run(wait())


class Stalled:
    """A server that takes every request and never answers."""

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                self.connections.append(self._listener.accept()[0])
            except OSError:
                return

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def stalled() -> Iterator[Stalled]:
    server = Stalled()
    yield server
    server.stop()


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*triggers: EdgeImpulseDatasetTrigger) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Run triggers as the triggerer does, and cancel those that still wait at the end."""

    async def events(trigger: EdgeImpulseDatasetTrigger) -> Any:
        async for event in trigger.run():
            return event.payload

    tasks = [asyncio.create_task(events(trigger)) for trigger in triggers]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def look_threads() -> int:
    return sum(thread.name.startswith("edge-impulse-trigger") for thread in threading.enumerate())


class TestWaiting:
    def test_the_trigger_fires_when_the_criteria_are_met(self, studio: EmulatorServer, tmp_path: Any) -> None:
        (tmp_path / "x.csv").write_text("1")

        async def main() -> Any:
            async with running(again(trigger_for())) as (task,):
                await until(lambda: len(studio.requests()) >= 3)
                add = EdgeImpulseHook().add_data
                await asyncio.to_thread(add, name="a", dataset="d", files=str(tmp_path / "x.csv"))
                return await task

        event = asyncio.run(main())
        assert event["met"]
        assert event["seen"].startswith("1 of 1 items, newest ")

    def test_the_deadline_ends_the_wait_and_the_last_observation_is_logged(
        self, studio: EmulatorServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            assert first_event(trigger_for(deadline=time.time() + 0.2)) == {
                "timed_out": True,
                "seen": "0 of 1 items (dataset 'd')",
            }
        assert "Waiting: 0 of 1 items (dataset 'd')." in caplog.text
        assert "Criteria not met. Last seen: 0 of 1 items" in caplog.text

    def test_a_deadline_that_passed_while_no_triggerer_ran_still_allows_one_poll(self, studio: EmulatorServer) -> None:
        assert first_event(trigger_for(at_least=0, deadline=time.time() - 60))["met"]
        assert first_event(trigger_for(deadline=time.time() - 60))["timed_out"]

    def test_the_connection_is_read_at_each_poll(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url, organization_id=7)

        async def main() -> Any:
            async with running(trigger_for()) as (task,):
                await until(lambda: len(emulator.requests()) >= 2)
                connect(emulator.url, password="ei_rotated", organization_id=7)
                return await task

        event = asyncio.run(main())
        assert (event["kind"], event["retryable"]) == ("EdgeImpulseAuthError", False)

    def test_the_organization_is_asked_for_once(self, emulator: EmulatorServer, connect: Connect) -> None:
        connect(emulator.url)

        async def main() -> None:
            async with running(trigger_for()):
                await until(lambda: len(emulator.requests()) >= 8)

        asyncio.run(main())
        assert [request.operation for request in emulator.requests()].count("listOrganizations") == 1

    @pytest.mark.parametrize(
        ("arguments", "shortest", "longest"),
        [
            ({"poke_interval": 60}, [60, 60, 60, 60], [60, 60, 60, 60]),
            ({"poke_interval": 60, "max_wait": 5}, [60, 60], [60, 60]),
            ({"poke_interval": 60, "exponential_backoff": True}, [30, 60, 120, 240], [60, 120, 240, 480]),
            ({"poke_interval": 60, "exponential_backoff": True, "max_wait": 100}, [30, 60, 100], [60, 100, 100]),
            ({"poke_interval": 0, "exponential_backoff": True}, [1, 1, 1], [2, 2, 2]),
        ],
    )
    def test_the_interval_grows_as_in_poke_mode(
        self, arguments: dict[str, Any], shortest: list[float], longest: list[float]
    ) -> None:
        trigger = trigger_for(**arguments)
        for look, (low, high) in enumerate(zip(shortest, longest, strict=True), start=1):
            assert all(low <= trigger._interval(look) <= high for _ in range(50))
        assert trigger._interval(10_000) > 0


class TestErrors:
    def test_an_error_becomes_an_event_with_its_class(self, studio: EmulatorServer, connect: Connect) -> None:
        connect(studio.url, organization_id=7, retry_attempts=1)
        studio.inject(Fault(operation="listOrganizationData", kind="status", status=503))
        error = EdgeImpulseError.from_event(json.loads(json.dumps(first_event(trigger_for()))))
        assert type(error).__name__ == "EdgeImpulseUnavailableError"
        assert (error.retryable, error.status) == (True, 503)  # type: ignore[attr-defined]

    def test_a_poll_is_tried_as_often_as_the_connection_allows(self, studio: EmulatorServer, connect: Connect) -> None:
        connect(studio.url, organization_id=7, retry_attempts=3, retry_wait=0.01)
        studio.inject(Fault(operation="listOrganizationData", kind="status", status=503, count=2))
        assert first_event(trigger_for(at_least=0))["met"]
        studio.clear_requests()
        studio.inject(Fault(operation="listOrganizationData", kind="status", status=503, count=3))
        assert first_event(trigger_for(at_least=0))["kind"] == "EdgeImpulseUnavailableError"
        assert len(studio.requests()) == 3

    @pytest.mark.parametrize("status", [429, 503])
    def test_throttling_spends_no_try(self, studio: EmulatorServer, connect: Connect, status: int) -> None:
        connect(studio.url, organization_id=7, retry_attempts=2)
        headers = {"Retry-After": "0.01"}
        studio.inject(Fault(operation="listOrganizationData", kind="status", status=status, headers=headers, count=6))
        assert first_event(trigger_for(at_least=0))["met"]

    def test_another_error_with_retry_after_is_waited_for_but_spends_a_try(
        self, studio: EmulatorServer, connect: Connect
    ) -> None:
        connect(studio.url, organization_id=7, retry_attempts=2)
        headers = {"Retry-After": "0.01"}
        studio.inject(Fault(operation="listOrganizationData", kind="status", status=502, headers=headers, count=6))
        assert first_event(trigger_for(at_least=0))["kind"] == "EdgeImpulseUnavailableError"
        assert len(studio.requests()) == 2

    def test_throttling_ends_the_poll_when_the_patience_is_over(
        self, studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(StudioSettings.__init__.__kwdefaults__, "throttle_patience", 0.05)
        studio.inject(Fault(operation="listOrganizationData", kind="status", status=429, count=1000))
        assert first_event(trigger_for())["kind"] == "EdgeImpulseRateLimitError"

    def test_silent_fail_continues_after_a_transient_error_and_ends_at_a_permanent_one(
        self, emulator: EmulatorServer, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        connect(emulator.url, organization_id=7, retry_attempts=1)
        emulator.inject(Fault(operation="listOrganizationData", kind="status", status=503, count=3))
        assert first_event(trigger_for(at_least=0, silent_fail=True)) == {
            "met": True,
            "seen": "0 of 0 items (dataset 'd')",
        }
        assert caplog.text.count("The poll failed: ") == 3
        connect(emulator.url, password="ei_wrong", organization_id=7)
        assert first_event(trigger_for(silent_fail=True))["kind"] == "EdgeImpulseAuthError"

    def test_a_connection_that_does_not_exist_is_a_transient_error(self, studio: EmulatorServer) -> None:
        event = first_event(trigger_for(edge_impulse_conn_id="there_is_none"))
        assert (event["kind"], event["retryable"]) == ("EdgeImpulseError", True)
        assert "there_is_none" in event["error"]


class TestOthersInTheTriggerer:
    def test_a_slow_service_holds_neither_the_loop_nor_its_default_executor(
        self, stalled: Stalled, connect: Connect
    ) -> None:
        connect(stalled.url, organization_id=7, read_timeout=3600)

        async def main() -> None:
            async with running(*[trigger_for() for _ in range(40)]):
                await until(lambda: len(stalled.connections) == MAX_THREADS)
                loop = asyncio.get_running_loop()
                begun = time.monotonic()
                for _ in range(50):
                    await loop.run_in_executor(None, lambda: None)
                await loop.getaddrinfo("localhost", 80)
                assert time.monotonic() - begun < criteria.STALL_SECONDS / 2
                assert look_threads() == MAX_THREADS

        asyncio.run(main())

    def test_canceling_a_trigger_ends_its_poll_and_its_thread(self, stalled: Stalled, connect: Connect) -> None:
        connect(stalled.url, organization_id=7, read_timeout=3600)

        async def main() -> None:
            async with running(trigger_for()):
                await until(lambda: stalled.connections)
                assert look_threads() == 1
            # The request has no end of its own here for ten seconds more.
            await asyncio.wait_for(until(lambda: look_threads() == 0), timeout=9)
            assert open_connections(stalled.url) == 0

        asyncio.run(main())

    def test_a_trigger_that_waits_for_a_thread_can_be_canceled(self, stalled: Stalled, connect: Connect) -> None:
        connect(stalled.url, organization_id=7, read_timeout=3600)

        async def main() -> None:
            async with running(*[trigger_for() for _ in range(MAX_THREADS)]):
                await until(lambda: len(stalled.connections) == MAX_THREADS)
                async with running(trigger_for()) as (waiting,):
                    await asyncio.sleep(0.1)
                    waiting.cancel()
                    done, _ = await asyncio.wait({waiting}, timeout=60)
                    assert done
                assert len(stalled.connections) == MAX_THREADS

        asyncio.run(main())

    def test_a_poll_without_progress_is_ended_whatever_the_timeouts_are(
        self, stalled: Stalled, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(criteria, "STALL_SECONDS", 0.2)
        connect(stalled.url, organization_id=7, read_timeout=3600, retry_attempts=2, retry_wait=0.01)
        event = first_event(trigger_for())
        assert event["kind"] == "EdgeImpulseUnavailableError"
        assert "did not answer within 0.2 s" in event["error"]
        assert len(stalled.connections) == 2

    def test_a_trigger_keeps_no_socket_between_two_polls(self, studio: EmulatorServer) -> None:
        async def main() -> None:
            async with running(*[trigger_for(poke_interval=3600) for _ in range(5)]):
                await until(lambda: len(studio.requests()) == 5)
                await asyncio.wait_for(until(lambda: open_connections(studio.url) == 0), timeout=30)

        asyncio.run(main())
