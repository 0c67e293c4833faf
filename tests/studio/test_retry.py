"""Which requests are tried again, how often, and after which wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.retry import Retries, RetryBudget
from tests.support.files import MadeUpFile
from tests.support.studio import data_api

from .conftest import OpenClient
from .wire import DROP, Reply, ScriptedServer

PASSING = [
    pytest.param(Reply(500), id="500"),
    pytest.param(Reply(502, "<h1>Bad gateway</h1>"), id="502"),
    pytest.param(Reply(503), id="503"),
    pytest.param(Reply(504), id="504"),
    pytest.param(Reply(408), id="408"),
    pytest.param(Reply(429), id="429"),
    pytest.param(Reply(200, "<h1>Maintenance</h1>"), id="200 HTML"),
    pytest.param(DROP, id="dropped"),
]
PERMANENT = [
    pytest.param(Reply(200, {"success": False, "error": "no"}), id="success:false"),
    pytest.param(Reply(301, "", {"Location": "/"}), id="301"),
    *(pytest.param(Reply(status), id=str(status)) for status in (400, 401, 403, 404, 413, 422, 501)),
]
IDEMPOTENT: list[Any] = [
    pytest.param(lambda client: list_organizations(client), id="list"),
    pytest.param(lambda client: data_api(client).update_data_item(1, metadata={"a": "1"}), id="update"),
    pytest.param(lambda client: data_api(client).delete_data_item(1), id="delete"),
    pytest.param(lambda client: data_api(client).delete_file(1, "1.csv"), id="delete file"),
    pytest.param(lambda client: data_api(client).add_files(1, [MadeUpFile("1.csv")]), id="add files"),
]
Call = Callable[[HttpClient], object]


def add(client: HttpClient) -> tuple[int, dict[str, str]]:
    return data_api(client).add_data_item(name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")])


class TestIdempotentRequests:
    @pytest.mark.parametrize("call", IDEMPOTENT)
    @pytest.mark.parametrize("fault", PASSING)
    def test_are_tried_again_until_they_succeed(
        self, studio_open: OpenClient, studio_sleeps: list[float], call: Call, fault: Reply
    ) -> None:
        with ScriptedServer(fault, fault, fault, Reply()) as server:
            call(studio_open(server.url, retry_attempts=4))
            sent = [(request.method, request.target) for request in server.received]
        assert len(sent) == 4
        assert len(set(sent)) == 1
        assert len(studio_sleeps) == 3

    @pytest.mark.parametrize("attempts", [1, 2, 5])
    @pytest.mark.parametrize("fault", [fault for fault in PASSING if fault.id != "429"])
    def test_are_tried_as_often_as_the_settings_say(
        self, studio_open: OpenClient, studio_sleeps: list[float], attempts: int, fault: Reply
    ) -> None:
        with ScriptedServer(fault) as server:
            with pytest.raises(EdgeImpulseError) as caught:
                list_organizations(studio_open(server.url, retry_attempts=attempts))
            assert len(server.received) == attempts
        assert caught.value.retryable
        assert len(studio_sleeps) == attempts - 1

    @pytest.mark.parametrize("call", IDEMPOTENT)
    @pytest.mark.parametrize("fault", PERMANENT)
    def test_are_not_tried_again_after_a_permanent_error(
        self, studio_open: OpenClient, studio_sleeps: list[float], call: Call, fault: Reply
    ) -> None:
        with ScriptedServer(fault, Reply()) as server:
            with pytest.raises(EdgeImpulseError) as caught:
                call(studio_open(server.url, retry_attempts=4))
            assert len(server.received) == 1
        assert not caught.value.retryable
        assert studio_sleeps == []

    def test_the_last_error_is_raised(self, studio_open: OpenClient) -> None:
        replies = Reply(500), Reply(502), Reply(503)
        with ScriptedServer(*replies) as server, pytest.raises(EdgeImpulseUnavailableError) as caught:
            list_organizations(studio_open(server.url, retry_attempts=3))
        assert caught.value.status == 503

    def test_retries_are_logged(self, studio_open: OpenClient, caplog: pytest.LogCaptureFixture) -> None:
        with ScriptedServer(Reply(503), Reply()) as server:
            list_organizations(studio_open(server.url, retry_attempts=3))
        (record,) = [record for record in caplog.records if record.name.startswith("airflow_provider_ei")]
        assert "503" in record.getMessage()
        assert "(1 of 3)" in record.getMessage()


class TestAddingAnItem:
    """Not idempotent: sent a second time only when the first certainly was not carried out."""

    @pytest.mark.parametrize(
        "fault",
        [fault for fault in PASSING if fault.id != "429"],
    )
    def test_is_not_tried_again_when_it_may_have_arrived(
        self, studio_open: OpenClient, studio_sleeps: list[float], fault: Reply
    ) -> None:
        with ScriptedServer(fault, Reply()) as server:
            with pytest.raises(EdgeImpulseError):
                add(studio_open(server.url, retry_attempts=4))
            assert len(server.received) == 1
        assert studio_sleeps == [5.0]  # so that whoever looks next sees it

    def test_stores_no_second_item_after_a_lost_answer(
        self, studio_emulator: EmulatorServer, studio_open: OpenClient
    ) -> None:
        studio_emulator.inject(Fault(kind="drop_after"))
        with pytest.raises(EdgeImpulseUnavailableError):
            add(studio_open(studio_emulator.url, retry_attempts=4))
        assert len(studio_emulator.items()) == 1

    @pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}, {"Retry-After": "soon"}], ids=str)
    def test_is_tried_again_after_429(
        self, studio_emulator: EmulatorServer, studio_open: OpenClient, studio_sleeps: list[float], headers: Any
    ) -> None:
        studio_emulator.inject(Fault(kind="status", status=429, headers=headers, count=2))
        data_id, _ = add(studio_open(studio_emulator.url, retry_attempts=3))
        (item,) = studio_emulator.items()
        assert item.id == data_id
        assert [request.status for request in studio_emulator.requests()] == [429, 429, 200]
        assert len(studio_sleeps) == 2

    def test_is_tried_again_after_a_refused_connection(self, studio_open: OpenClient) -> None:
        """The host begins to listen while the client waits for its second try."""
        servers: list[ScriptedServer] = []
        with ScriptedServer() as gone:
            url = gone.url
        client = studio_open(url, retry_attempts=2)

        def listen(seconds: float) -> None:
            servers.append(ScriptedServer(Reply()))
            object.__setattr__(client.settings, "base_url", servers[0].url)

        client.sleep = listen
        data_id, _ = add(client)
        with servers[0] as server:
            assert data_id == 1
            assert len(server.received) == 1


class TestWaits:
    def test_are_drawn_from_an_exponentially_growing_window(
        self, studio_open: OpenClient, studio_sleeps: list[float]
    ) -> None:
        with ScriptedServer(Reply(503)) as server:
            rounds = []
            for _ in range(30):
                client = studio_open(server.url, retry_attempts=5, retry_wait=0.5)
                with pytest.raises(EdgeImpulseUnavailableError):
                    list_organizations(client)
                rounds.append(studio_sleeps[:])
                studio_sleeps.clear()
        for number in range(4):
            drawn = [waits[number] for waits in rounds]
            window = 0.5 * 2**number
            assert 0 <= min(drawn) < window / 2 < max(drawn) <= window

    def test_are_capped(self, studio_open: OpenClient, studio_sleeps: list[float]) -> None:
        with ScriptedServer(Reply(503)) as server, pytest.raises(EdgeImpulseUnavailableError):
            list_organizations(studio_open(server.url, retry_attempts=20, retry_wait=1000.0))
        assert len(studio_sleeps) == 19
        assert max(studio_sleeps) <= 60

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("asked", "least", "most"),
        [
            pytest.param("7", 6.9, 7, id="seconds"),
            pytest.param("2.5", 2.4, 2.5, id="fraction"),
            pytest.param("100000", 59.9, 60, id="longer than the cap"),
            pytest.param("1e300", 59.9, 60, id="beyond all times"),
            pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 59.9, 60, id="date far away"),
            pytest.param("soon", 0, 0.06, id="rubbish"),
            pytest.param("-3", 0, 0.06, id="negative"),
            pytest.param("inf", 0, 0.06, id="inf"),
        ],
    )
    def test_are_at_least_what_the_service_asks_for(
        self,
        studio_open: OpenClient,
        studio_sleeps: list[float],
        status: int,
        asked: str,
        least: float,
        most: float,
    ) -> None:
        with ScriptedServer(Reply(status, headers={"Retry-After": asked}), Reply()) as server:
            list_organizations(studio_open(server.url, retry_attempts=2, retry_wait=0.01))
        (slept,) = studio_sleeps
        assert least <= slept <= most


class TestBudget:
    """A service in trouble is not asked four times for everything."""

    def test_is_shared_by_all_requests_of_a_client(self, studio_open: OpenClient, studio_sleeps: list[float]) -> None:
        with ScriptedServer(Reply(503)) as server:
            client = studio_open(server.url, retry_attempts=4)
            for _ in range(10):
                with pytest.raises(EdgeImpulseUnavailableError):
                    list_organizations(client)
            assert len(studio_sleeps) == 20
            assert len(server.received) == 30

    def test_successes_give_back(self) -> None:
        budget = RetryBudget(2)
        assert [budget.take() for _ in range(3)] == [True, True, False]
        for _ in range(10):
            budget.succeeded()
        assert [budget.take() for _ in range(2)] == [True, False]
        for _ in range(1000):
            budget.succeeded()
        assert [budget.take() for _ in range(3)] == [True, True, False]


def test_trouble_that_lasts_ends_the_tries() -> None:
    """Each try takes five minutes."""
    retries = Retries(attempts=99, wait=1.0, budget=RetryBudget())
    waits = [retries.wait_after_failure(now) for now in (0.0, 300.0, 600.0, 900.0, 1200.0)]
    assert [wait is None for wait in waits] == [False, False, False, False, True]
