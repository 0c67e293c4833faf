"""Event triggers: which changes they report, what survives a restart, and what errors of the service do to them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from tests.conftest import API_KEY
from tests.support.airflow_runs import is_airflow_2

pytestmark = pytest.mark.skipif(is_airflow_2(), reason="Airflow 2.11 has no event triggers")

if not is_airflow_2():
    from airflow.triggers.shared_stream import SharedStreamManager

    from airflow_provider_ei.triggers import events
    from airflow_provider_ei.triggers.events import EdgeImpulseDatasetChangedTrigger, EdgeImpulseProjectChangedTrigger

Connect = Callable[..., None]
Add = Callable[..., Any]

#: For what must not happen: longer than ten looks.
A_WHILE = 0.3


class Store:
    """Keeps values in a file as Airflow keeps them in its database; ``fail`` makes it unavailable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fail = False

    async def aget(self, key: str) -> Any:
        return self.values().get(key)

    async def aset(self, key: str, value: Any) -> None:
        values = self.values() | {key: value}
        self.path.write_text(json.dumps(values))

    def values(self) -> dict[str, Any]:
        if self.fail:
            raise ConnectionError("no database")
        return json.loads(self.path.read_text()) if self.path.exists() else {}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "asset-state.json")


@pytest.fixture
def saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SAVE_AFTER_SECONDS", 0.0)


@pytest.fixture
def add(studio: EmulatorServer, tmp_path: Path) -> Add:
    """Add a data item, in a thread: ``await add("name")``."""

    async def add_item(name: str, dataset: str = "motion") -> None:
        path = tmp_path / f"{name}.csv"
        path.write_text(name)
        await asyncio.to_thread(EdgeImpulseHook().add_data, name=name, dataset=dataset, files=str(path))

    return add_item


@pytest.fixture
def project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """The emulated Studio, with the default project connection leading to it."""
    connection = {"conn_type": "edge_impulse_project", "host": emulator.url, "password": emulator.project_api_key}
    monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
    return emulator


def of_dataset(dataset: str = "motion", **arguments: Any) -> EdgeImpulseDatasetChangedTrigger:
    return EdgeImpulseDatasetChangedTrigger(dataset=dataset, **{"poll_interval": 0.02} | arguments)


def of_project(**arguments: Any) -> EdgeImpulseProjectChangedTrigger:
    return EdgeImpulseProjectChangedTrigger(**{"poll_interval": 0.02} | arguments)


def again(trigger: Any, store: Store | None = None) -> Any:
    """Create a trigger as a triggerer does that starts."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    assert module == events.__name__
    created = getattr(events, name)(**json.loads(json.dumps(arguments)))
    created.asset_state_store = store
    return created


@asynccontextmanager
async def running(trigger: Any, stream: AsyncIterator[Any] | None = None) -> AsyncIterator[list[Any]]:
    """Run a trigger as the triggerer does; the list has the payloads of its events."""
    payloads: list[Any] = []

    async def collect() -> None:
        source = trigger.run() if stream is None else trigger.filter_shared_stream(stream)
        async for event in source:
            payloads.append(json.loads(json.dumps(event.payload)))

    task = asyncio.create_task(collect())
    try:
        yield payloads
        assert not task.done(), "the watcher has ended"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def looks(studio: EmulatorServer, operation: str = "getOrganizationInfo") -> int:
    return sum(request.operation == operation for request in studio.requests())


async def looked(studio: EmulatorServer, operation: str = "getOrganizationInfo") -> None:
    """Wait until two looks have begun and ended since now."""
    before = looks(studio, operation)
    await until(lambda: looks(studio, operation) >= before + 3)


class TestDataset:
    def test_new_data_lead_to_an_event_with_the_totals_before_and_now(
        self, studio: EmulatorServer, add: Add, store: Store
    ) -> None:
        async def main() -> list[Any]:
            await add("a")
            async with running(again(of_dataset(), store)) as payloads:
                await until(store.values)
                await add("bb")
                await until(lambda: payloads)
                return payloads

        (payload,) = asyncio.run(main())
        assert (payload["dataset"], payload["organization_id"]) == ("motion", 7)
        assert [payload[when]["items"] for when in ("before", "now")] == [1, 2]
        assert [payload[when]["files"] for when in ("before", "now")] == [1, 2]
        assert [payload[when]["bytes"] for when in ("before", "now")] == [1, 3]
        assert API_KEY not in json.dumps(payload)

    def test_a_dataset_that_does_not_change_leads_to_no_event(
        self, studio: EmulatorServer, add: Add, store: Store
    ) -> None:
        async def main() -> list[Any]:
            await add("a")
            async with running(again(of_dataset(), store)) as payloads:
                await add("a", dataset="another one")
                await looked(studio)
                return payloads

        assert asyncio.run(main()) == []

    def test_a_dataset_that_appears_and_one_that_becomes_empty_are_changes(
        self, studio: EmulatorServer, add: Add, store: Store
    ) -> None:
        async def main() -> list[Any]:
            async with running(again(of_dataset(), store)) as payloads:
                await until(store.values)
                await add("a")
                await until(lambda: len(payloads) == 1)
                (item,) = studio.items("motion")
                studio.remove_item(item.id)
                await until(lambda: len(payloads) == 2)
                return payloads

        assert [payload["now"]["items"] for payload in asyncio.run(main())] == [1, 0]

    def test_quiet_seconds_join_changes_that_follow_each_other(
        self, studio: EmulatorServer, add: Add, store: Store
    ) -> None:
        async def main() -> list[Any]:
            async with running(again(of_dataset(quiet_seconds=1.0), store)) as payloads:
                await until(store.values)
                for name in ("a", "b", "c"):
                    await add(name)
                    await looked(studio)
                await until(lambda: payloads)
                return payloads

        assert [payload["now"]["items"] for payload in asyncio.run(main())] == [3]

    def test_one_request_per_interval_serves_all_datasets_of_an_organization(
        self, studio: EmulatorServer, add: Add, store: Store
    ) -> None:
        async def main() -> tuple[list[Any], list[Any], int, int]:
            manager = SharedStreamManager()
            first, second = again(of_dataset("a"), store), again(of_dataset("b", quiet_seconds=0.01), store)
            assert first.shared_stream_key() == second.shared_stream_key()
            streams = [
                manager.subscribe(trigger_id=number, trigger=trigger, key=trigger.shared_stream_key())
                for number, trigger in enumerate((first, second))
            ]
            async with running(first, streams[0]) as of_first, running(second, streams[1]) as of_second:
                await until(lambda: len(store.values()) == 2)
                await add("x", dataset="b")
                await until(lambda: of_second)
                connections = looks(studio), looks(studio, "listOrganizations")
            await manager.stop_all()
            return of_first, of_second, *connections

        of_first, of_second, seen, asked = asyncio.run(main())
        assert (of_first, [payload["dataset"] for payload in of_second]) == ([], ["b"])
        assert seen > 1 and asked == 0

    def test_other_connections_organizations_and_intervals_have_looks_of_their_own(self) -> None:
        triggers = [
            of_dataset(),
            of_dataset(organization_id=8),
            of_dataset(edge_impulse_conn_id="other"),
            of_dataset(poll_interval=1),
            of_project(),
            of_project(project_id=3),
        ]
        assert len({trigger.shared_stream_key() for trigger in triggers}) == len(triggers)

    def test_a_name_that_the_service_has_normalized_is_found(
        self, studio: EmulatorServer, add: Add, store: Store
    ) -> None:
        studio.settings.name_form = "nfc"

        async def main() -> list[Any]:
            async with running(again(of_dataset("cafe\u0301"), store)) as payloads:
                await until(store.values)
                await add("a", dataset="cafe\u0301")
                await until(lambda: payloads)
                return payloads

        assert asyncio.run(main())[0]["now"]["items"] == 1


class TestRestart:
    def test_a_change_while_no_triggerer_runs_is_reported_once(
        self, studio: EmulatorServer, add: Add, store: Store, saved_at_once: None
    ) -> None:
        async def main() -> list[list[Any]]:
            seen = []
            for name in ("a", None, "b"):
                if name is not None:
                    await add(name)
                async with running(again(of_dataset(), store)) as payloads:
                    await until(store.values)
                    await looked(studio)
                    seen.append(payloads)
            return seen

        first, second, third = asyncio.run(main())
        assert (first, second) == ([], [])
        assert [payload["now"]["items"] for payload in third] == [2]

    def test_an_event_that_airflow_may_not_have_stored_yet_is_repeated(
        self, studio: EmulatorServer, add: Add, store: Store
    ) -> None:
        """The triggerer is lost right after the event, before the cursor is stored."""

        async def main() -> list[list[Any]]:
            seen = []
            for name in ("a", None):
                async with running(again(of_dataset(), store)) as payloads:
                    await until(store.values)
                    if name is not None:
                        await add(name)
                    await until(lambda payloads=payloads: payloads)
                    seen.append(payloads)
            return seen

        first, second = asyncio.run(main())
        assert first == second and len(first) == 1

    def test_without_a_store_each_start_reports_once_since_nobody_knows_what_has_changed(
        self, studio: EmulatorServer, add: Add
    ) -> None:
        async def main() -> list[list[Any]]:
            seen = []
            for _ in range(2):
                async with running(again(of_dataset())) as payloads:
                    await until(lambda payloads=payloads: payloads)
                    await looked(studio)
                    seen.append(payloads)
            return seen

        for payloads in asyncio.run(main()):
            assert [payload["before"] for payload in payloads] == [None]

    def test_a_store_that_is_unavailable_delays_events_and_loses_none(
        self, studio: EmulatorServer, add: Add, store: Store, saved_at_once: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> tuple[list[Any], list[Any]]:
            async with running(again(of_dataset(), store)):
                await until(store.values)
            await add("a")
            store.fail = True
            async with running(again(of_dataset(), store)) as payloads:
                await looked(studio)
                before = list(payloads)
                store.fail = False
                await until(lambda: payloads)
                return before, payloads

        before, payloads = asyncio.run(main())
        assert (before, [payload["now"]["items"] for payload in payloads]) == ([], [1])
        assert "cannot be read: ConnectionError('no database')" in caplog.text

    def test_a_stored_cursor_that_cannot_be_used_leads_to_one_event(
        self, studio: EmulatorServer, add: Add, store: Store, saved_at_once: None
    ) -> None:
        async def main() -> list[list[Any]]:
            async with running(again(of_dataset(), store)):
                await until(store.values)
            (key,) = store.values()
            await store.aset(key, {"items": 1})
            seen = []
            for _ in range(2):
                async with running(again(of_dataset(), store)) as payloads:
                    await looked(studio)
                    seen.append(payloads)
            return seen

        first, second = asyncio.run(main())
        assert ([payload["before"] for payload in first], second) == ([None], [])


class TestErrors:
    def test_a_service_that_fails_delays_an_event_and_does_not_end_the_watcher(
        self, studio: EmulatorServer, add: Add, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> list[Any]:
            async with running(again(of_dataset(), store)) as payloads:
                await until(store.values)
                await add("a")
                studio.inject(Fault(operation="getOrganizationInfo", kind="status", status=503, count=2))
                studio.inject(Fault(operation="getOrganizationInfo", kind="cut_response", after_bytes=30))
                await until(lambda: payloads)
                return payloads

        with caplog.at_level(logging.INFO):
            (payload,) = asyncio.run(main())
        assert payload["now"]["items"] == 1

    def test_a_wrong_key_is_logged_once_per_look_at_growing_intervals_and_its_replacement_ends_that(
        self, studio: EmulatorServer, connect: Connect, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        connect(studio.url, password="ei_wrong_key_of_somebody", organization_id=7)

        async def main() -> None:
            async with running(again(of_dataset(), store)):
                await until(lambda: looks(studio) >= 4)
                connect(studio.url, organization_id=7)
                await until(store.values)

        asyncio.run(main())
        lines = [record.getMessage() for record in caplog.records if "was not looked at" in record.getMessage()]
        assert len(lines) == sum(request.status == 401 for request in studio.requests()) >= 4
        assert all(len(line) < 500 for line in lines)
        assert "ei_wrong_key_of_somebody" not in caplog.text
        assert f"is seen again, after {len(lines)} failed looks" in caplog.text

    def test_intervals_grow_up_to_a_limit_while_looks_fail(self) -> None:
        trigger, error = of_dataset(poll_interval=60), Exception()
        waits = [trigger._wait_after(error, failures) for failures in range(1, 8)]  # type: ignore[arg-type]
        assert waits == [120, 240, 480, 900, 900, 900, 900]
        assert of_dataset(poll_interval=3600)._wait_after(error, 9) == 3600  # type: ignore[arg-type]

    def test_a_connection_that_does_not_exist_does_not_end_the_watcher(
        self, studio: EmulatorServer, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT")

        async def main() -> None:
            async with running(again(of_dataset(), store)):
                await asyncio.sleep(A_WHILE)
                connect(studio.url, organization_id=7)
                await until(store.values)

        asyncio.run(main())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"poll_interval": 0}, "poll_interval must be a number of at least 0.01, not 0"),
            ({"quiet_seconds": -1}, "quiet_seconds must be a number of at least 0, not -1"),
            ({"dataset": " "}, "dataset must be a non-empty string"),
        ],
    )
    def test_a_wrong_argument_is_an_error_of_the_dag_file(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(EdgeImpulseInputError, match=message):
            EdgeImpulseDatasetChangedTrigger(**{"dataset": "motion"} | arguments)

    def test_no_argument_is_secret(self) -> None:
        assert of_dataset(organization_id=7).serialize() == (
            "airflow_provider_ei.triggers.events.EdgeImpulseDatasetChangedTrigger",
            {
                "dataset": "motion",
                "organization_id": 7,
                "edge_impulse_conn_id": "edge_impulse_default",
                "poll_interval": 0.02,
                "quiet_seconds": 0.0,
            },
        )


class TestProject:
    def run(
        self, project: EmulatorServer, store: Store, change: Callable[[], object], expected: int = 1, **arguments: Any
    ) -> list[Any]:
        """Run a trigger, change the project, and return the payloads once there are as many as expected."""

        async def main() -> list[Any]:
            async with running(again(of_project(**arguments), store)) as payloads:
                await until(store.values)
                await asyncio.to_thread(change)
                await until(lambda: len(payloads) >= expected)
                await looked(project, "countSamples")
                await looked(project, "countSamples")
                return payloads

        return asyncio.run(main())

    def test_new_samples_lead_to_an_event(self, project: EmulatorServer, store: Store) -> None:
        (payload,) = self.run(project, store, lambda: add_samples(project, 3))
        assert (payload["project_id"], payload["changed"]) == (1, "samples")
        assert [payload[when]["training"] for when in ("before", "now")] == [0, 3]

    def test_a_change_that_alters_no_count_is_seen_by_the_time_of_the_last_modification(
        self, project: EmulatorServer, store: Store
    ) -> None:
        (payload,) = self.run(project, store, project.projects.touch)
        assert payload["changed"] == "project"
        assert payload["before"]["last_modified"] != payload["now"]["last_modified"]

    def test_the_projects_own_jobs_lead_to_no_event(self, project: EmulatorServer, store: Store) -> None:
        """Otherwise the DAG that an event starts would start itself again, for ever."""
        from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook

        project.settings.job_queued_seconds = project.settings.job_running_seconds = 0.1
        before = project.projects.get().model_version

        def retrain() -> None:
            with EdgeImpulseProjectHook() as hook:
                hook.retrain(poll_interval=0.05)

        assert self.run(project, store, retrain, expected=0) == []
        assert project.projects.get().model_version == before + 1

    def test_samples_that_come_while_a_job_runs_lead_to_an_event(self, project: EmulatorServer, store: Store) -> None:
        from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook

        project.settings.job_running_seconds = 1000

        def retrain() -> None:
            with EdgeImpulseProjectHook() as hook:
                hook.retrain(wait_for_completion=False)
            add_samples(project, 1)

        (payload,) = self.run(project, store, retrain)
        assert payload["changed"] == "samples"

    def test_an_older_service_without_modification_times_is_watched_by_its_counts(
        self, project: EmulatorServer, store: Store
    ) -> None:
        missing = Fault(operation="getProjectLastModificationDate", kind="status", status=404, count=10**6)
        project.inject(missing)
        (payload,) = self.run(project, store, lambda: add_samples(project, 1))
        assert (payload["changed"], payload["now"]["last_modified"]) == ("samples", None)

    def test_a_modification_time_that_is_missing_for_a_while_is_no_change(
        self, project: EmulatorServer, store: Store
    ) -> None:
        def fail() -> None:
            project.inject(Fault(operation="getProjectLastModificationDate", kind="status", status=404, count=3))

        assert self.run(project, store, fail, expected=0) == []


def add_samples(project: EmulatorServer, count: int) -> None:
    for number in range(count):
        project.samples.put(f"{number}.csv", b"timestamp,x\n0,1\n", label="idle")
