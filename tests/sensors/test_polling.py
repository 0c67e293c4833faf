"""The criteria of sensors and triggers, what a look says of them, and what is kept between two looks."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseInputError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.polling.dataset_criteria import DatasetCriteria
from airflow_provider_ei.polling.poller import Poller
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.item_state import ItemState, pending_metadata
from airflow_provider_ei.triggers.short_requests import REQUEST_TIMEOUT, ShortRequestsHook

NOW = datetime(2026, 1, 1, tzinfo=UTC)

LOGGER = "airflow_provider_ei.polling.poller"


def listed(number: int, *, age: float = 0, metadata: dict[str, str] | None = None, naive: bool = False) -> DataItem:
    created = NOW - timedelta(seconds=age)
    return DataItem(
        id=number,
        name=f"run-{number}",
        dataset="d",
        total_file_count=1,
        total_file_size=1,
        created=created.replace(tzinfo=None) if naive else created,
        metadata=metadata or {},
    )


PENDING = listed(9, metadata=pending_metadata(None, {}, ItemState("run-9", "d", "pending", "x")))


class TestCriteria:
    @pytest.mark.parametrize(("at_least", "met"), [(1, True), (2, True), (3, False)])
    def test_the_criteria_need_enough_complete_items(self, at_least: int, met: bool) -> None:
        assert DatasetCriteria("d", at_least=at_least).evaluate([listed(1), listed(2)], NOW).met is met

    @pytest.mark.parametrize(("quiet", "met"), [(0, True), (59, True), (60, True), (61, False)])
    def test_the_newest_item_decides_whether_the_dataset_is_quiet(self, quiet: float, met: bool) -> None:
        criteria = DatasetCriteria("d", quiet_seconds=quiet)
        assert criteria.evaluate([listed(1, age=1000), listed(2, age=60)], NOW).met is met

    @pytest.mark.parametrize("quiet", [59, 61])
    def test_a_time_without_a_zone_is_utc(self, quiet: float) -> None:
        items = [listed(1, age=60, naive=True), listed(2, age=70)]
        assert DatasetCriteria("d", quiet_seconds=quiet).evaluate(items, NOW).met is (quiet < 60)

    def test_an_item_that_is_being_uploaded_does_not_count(self) -> None:
        assert not DatasetCriteria("d").evaluate([listed(1), PENDING], NOW).met

    def test_an_empty_dataset_does_not_meet_the_criteria(self) -> None:
        assert not DatasetCriteria("d", quiet_seconds=1).evaluate([], NOW).met

    @pytest.mark.parametrize(
        ("field", "value"),
        [("dataset", value) for value in ("", None, " d", "None", ["d"])]
        + [("name", value) for value in ("", " a", "a\n", 1.5)]
        + [("filter", value) for value in (1, ["x"])]
        + [("at_least", value) for value in (None, "many", 1.5, "1.5", -1, True, "nan", "inf", 10**400, [])]
        + [("quiet_seconds", value) for value in (None, "soon", -1, True, "nan", "inf", 10**400, [])],
    )
    def test_an_unusable_value_is_named(self, field: str, value: Any) -> None:
        with pytest.raises(EdgeImpulseInputError, match=field):
            DatasetCriteria(**{"dataset": "d", field: value})

    def test_numbers_may_be_strings(self) -> None:
        criteria = DatasetCriteria("d", at_least="3", quiet_seconds="1.5")  # type: ignore[arg-type]
        assert (criteria.at_least, criteria.quiet_seconds) == (3, 1.5)


class TestWords:
    @pytest.mark.parametrize(
        ("criteria", "items", "words"),
        [
            (DatasetCriteria("d", at_least=3), [listed(1, age=90), listed(2, age=40)], "2 of 3 items, newest 40 s ago"),
            (DatasetCriteria("d"), [], "0 of 1 items (dataset 'd')"),
            (DatasetCriteria("d", name="a"), [], "0 of 1 items (dataset 'd', name 'a')"),
            (DatasetCriteria("d"), [PENDING], "0 of 1 items, 1 still being uploaded"),
            (DatasetCriteria("d"), [listed(1, age=-5)], "newest 0 s ago"),
            (DatasetCriteria("d"), [listed(1, age=150)], "newest 2 min ago"),
            (DatasetCriteria("d"), [listed(1, age=3 * 3600)], "newest 3 h ago"),
            (DatasetCriteria("d"), [listed(1, age=5 * 86_400)], "newest 5 d ago"),
            (DatasetCriteria("d", quiet_seconds=60), [listed(1, age=4)], "60 s without a new item required"),
        ],
    )
    def test_an_observation_is_described(self, criteria: DatasetCriteria, items: list[DataItem], words: str) -> None:
        assert words in str(criteria.evaluate(items, NOW))


class TestPoller:
    @pytest.fixture
    def upload(self, studio: EmulatorServer, tmp_path: Path) -> Callable[[str], None]:
        (tmp_path / "x.csv").write_text("1")

        def add(name: str) -> None:
            with EdgeImpulseHook() as hook:
                hook.add_data(name=name, dataset="d", files=str(tmp_path / "x.csv"))

        return add

    def test_the_poller_logs_at_the_start_at_each_change_and_at_the_end(
        self, upload: Callable[[str], None], caplog: pytest.LogCaptureFixture
    ) -> None:
        with EdgeImpulseHook() as hook, caplog.at_level(logging.INFO, LOGGER):
            poller = Poller(DatasetCriteria("d", at_least=2), hook)

            def new_lines() -> list[str]:
                lines = [r.getMessage() for r in caplog.records if r.name == "airflow_provider_ei.polling.poller"]
                caplog.clear()
                return [line.partition(",")[0].partition(" (")[0] for line in lines]

            poller.poll()
            assert new_lines() == ["Waiting: 0 of 2 items"]
            poller.poll()
            assert new_lines() == []
            upload("a-1")
            poller.poll()
            poller.poll()
            assert new_lines() == ["Waiting: 1 of 2 items"]
            poller.log_last()
            assert new_lines() == ["Criteria not met. Last seen: 1 of 2 items"]
            upload("a-2")
            poller.poll()
            assert new_lines() == ["Criteria met: 2 of 2 items"]
            poller.log_last()
            assert new_lines() == []

    def test_the_poller_keeps_the_client_and_the_organization(
        self, emulator: EmulatorServer, connect: Callable[..., None]
    ) -> None:
        connect(emulator.url)  # without an organization id
        with EdgeImpulseHook() as hook:
            poller = Poller(DatasetCriteria("d"), hook)
            poller.poll()
            client = hook.client
            for _ in range(6):
                poller.poll()
            assert hook.client is client
        operations = [request.operation for request in emulator.requests()]
        assert operations.count("listOrganizations") == 1
        assert operations.count("listOrganizationData") == 7

    def test_the_poller_follows_a_changed_connection(
        self, emulator: EmulatorServer, connect: Callable[..., None]
    ) -> None:
        connect(emulator.url)
        with EdgeImpulseHook() as hook:
            poller = Poller(DatasetCriteria("d"), hook)
            poller.poll()
            first = hook.client
            connect(emulator.url, password="ei_revoked")
            with pytest.raises(EdgeImpulseAuthError):
                poller.poll()
            connect(emulator.url)
            poller.poll()
            assert hook.client is not first

    def test_a_new_key_is_asked_for_its_organization(
        self, emulator: EmulatorServer, connect: Callable[..., None]
    ) -> None:
        connect(emulator.url, organization_id=7)
        with EdgeImpulseHook() as hook:
            Poller(DatasetCriteria("d"), hook).poll()
            assert hook.organization_id == 7
            connect(emulator.url, organization_id=8)
            hook.reload_connection()
            assert hook.organization_id == 8


def test_short_requests_keep_shorter_timeouts_and_limit_longer_ones(
    emulator: EmulatorServer, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(emulator.url, organization_id=7, read_timeout=3600, connect_timeout=2, retry_attempts=5)
    hook = ShortRequestsHook()
    settings = hook.settings
    assert (settings.read_timeout, settings.connect_timeout, settings.write_timeout) == (
        REQUEST_TIMEOUT,
        2,
        REQUEST_TIMEOUT,
    )
    assert (settings.retry_attempts, hook.allowed_tries) == (1, 5)
    text = json.dumps({"conn_type": "edge_impulse", "password": "ei_x", "extra": {"retry_attempts": 3}})
    monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT", text)
    hook.reload_connection()
    assert hook.allowed_tries == 3
