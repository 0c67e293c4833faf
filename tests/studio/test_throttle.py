"""What comes of a service that throttles: in simulated time, and over real sockets."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_provider_ei.exceptions import (
    EdgeImpulseCancelledError,
    EdgeImpulseRateLimitError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.studio.throttle import Throttle
from tests.support.files import MadeUpFile
from tests.support.studio import data_api

from .conftest import KEY, OpenClient
from .wire import Reply, ScriptedServer

REFUSED = Reply(429, {"success": False, "error": "Too many requests"})


class Bucket:
    """A service that grants ``rate`` requests a second, and ``size`` in one go."""

    def __init__(self, rate: float, size: int) -> None:
        self.rate, self.size = rate, size
        self._tokens, self._at = float(size), 0.0

    def grants(self, now: float) -> bool:
        self._tokens = min(self.size, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def simulate(bucket: Bucket, asked: float | None, *, items: int = 300, workers: int = 8, latency: float) -> Any:
    """Send all items through a throttle; return the seconds that it took and the number of refusals."""
    throttle, rng = Throttle(max_wait=60.0), random.Random(1)
    events: list[tuple[float, int, Callable[[float], None]]] = []
    waiting: list[Callable[[float], None]] = []
    counts = {"begun": 0, "done": 0, "refused": 0, "events": 0}

    def later(seconds: float, what: Callable[[float], None]) -> None:
        counts["events"] += 1
        heapq.heappush(events, (seconds, counts["events"], what))

    def next_item(now: float) -> None:
        if counts["begun"] < items:
            counts["begun"] += 1
            send(now)

    def send(now: float) -> None:
        delay = throttle.delay(now)
        if delay is None:
            waiting.append(send)
        elif delay > 0:
            later(now + delay, send)
        else:
            throttle.begin(now)
            there = latency * rng.uniform(0.4, 0.6)
            later(now + there, lambda at: later(at + there, answer(now, bucket.grants(at))))

    def answer(begun: float, granted: bool) -> Callable[[float], None]:
        def arrive(now: float) -> None:
            throttle.end()
            if granted:
                throttle.granted(now)
                counts["done"] += 1
                next_item(now)
            else:
                counts["refused"] += 1
                throttle.refused(now, begun, asked)
                send(now)
            blocked = waiting.copy()
            waiting.clear()
            for again in blocked:
                again(now)

        return arrive

    for _ in range(workers):
        next_item(0.0)
    now = 0.0
    while counts["done"] < items:
        now, _, what = heapq.heappop(events)
        what(now)
    return now, counts["refused"]


class TestRate:
    """300 items and eight workers, at a limit of 20 requests a second."""

    @pytest.mark.parametrize("latency", [0.003, 0.02, 0.1])
    @pytest.mark.parametrize(
        ("size", "asked"),
        [pytest.param(size, None, id=f"bucket of {size}") for size in (5, 10, 20, 40)]
        + [pytest.param(size, 1.0, id=f"bucket of {size}, Retry-After: 1") for size in (20, 40)],
    )
    def test_is_nine_tenths_of_what_is_allowed(self, size: int, asked: float | None, latency: float) -> None:
        seconds, refused = simulate(Bucket(20.0, size), asked, latency=latency)
        allowed = (300 - size) / 20
        assert allowed / seconds >= 0.9
        assert refused <= 300 / 4

    def test_rises_again_when_the_service_allows_more(self) -> None:
        bucket = Bucket(20.0, 20)
        throttle = Throttle(max_wait=60.0)
        now = 0.0

        def second(end: float) -> int:
            nonlocal now
            granted = 0
            while now < end:
                if delay := throttle.delay(now):
                    now += delay
                    continue
                throttle.begin(now)
                begun, now = now, now + 0.002
                throttle.end()
                if bucket.grants(now):
                    throttle.granted(now)
                    granted += 1
                else:
                    throttle.refused(now, begun, None)
            return granted

        assert sum(second(float(end)) for end in range(1, 11)) <= 220
        bucket.rate = bucket.size = 10_000
        assert [second(float(end)) for end in range(11, 41)][-1] >= 300


class TestPauses:
    def test_stop_all_requests_until_then(self) -> None:
        throttle = Throttle(max_wait=60.0)
        for _ in range(8):
            throttle.begin(0.0)
        throttle.end()
        assert throttle.refused(1.0, 0.0, 7.0) == 7.0
        assert throttle.delay(1.0) == 7.0
        throttle.end()
        assert throttle.refused(2.0, 0.0, 7.0) is None  # sent before the pause, so it must not cause another
        assert throttle.delay(2.0) == 7.0

    def test_lower_how_many_go_at_once(self) -> None:
        throttle = Throttle(max_wait=60.0)
        for _ in range(8):
            assert throttle.delay(0.0) == 0.0
            throttle.begin(0.0)
        throttle.refused(1.0, 0.0, 1.0)
        for _ in range(8):
            throttle.end()
        begun = 0
        while throttle.delay(10.0) == 0.0:
            throttle.begin(10.0)
            begun += 1
        assert begun == 4

    @pytest.mark.parametrize("asked", [1e9, 1e300])
    def test_are_capped(self, asked: float) -> None:
        throttle = Throttle(max_wait=60.0)
        throttle.begin(0.0)
        assert throttle.refused(0.0, 0.0, asked) == 60.0

    @pytest.mark.parametrize("idle", [30.0, 120.0, 600.0, 3600.0, 9000.0])
    @pytest.mark.parametrize("is_upload", [False, True], ids=["no request", "one long request"])
    def test_are_short_after_a_time_without_many_requests(self, idle: float, is_upload: bool) -> None:
        throttle, now = Throttle(max_wait=60.0), 0.0
        throttle.begin(now)
        throttle.refused(now, now, None)
        throttle.end()
        for seconds in ([0.1, 0.1], [idle, 0.1])[is_upload]:
            now += throttle.delay(now) or 0.0
            throttle.begin(now)
            now += seconds
            throttle.granted(now)
            throttle.end()
        now += 0.0 if is_upload else idle
        throttle.begin(now)
        throttle.refused(now, now, None)
        throttle.end()
        begun = now
        for _ in range(4):
            now += throttle.delay(now) or 0.0
            throttle.begin(now)
            throttle.granted(now)
            throttle.end()
        assert now - begun < 60

    @pytest.mark.parametrize("asked", [None, 0.0])
    def test_become_longer_when_nothing_is_granted(self, asked: float | None) -> None:
        throttle, now, pauses = Throttle(max_wait=60.0), 0.0, []
        for _ in range(2000):
            throttle.begin(now)
            throttle.end()
            pauses.append(throttle.refused(now, now, asked) or 0.0)
            now += pauses[-1]
        assert pauses == sorted(pauses)
        assert pauses[0] > 0
        assert max(pauses) == 60.0


class LimitedServer(ScriptedServer):
    """Grants requests as a bucket does, by its own clock."""

    def __init__(self, bucket: Bucket, headers: dict[str, str]) -> None:
        self._begun = time.monotonic()
        self._bucket, self._headers = bucket, headers
        self.granted = self.refused = 0
        super().__init__()

    def next_reply(self) -> Reply:
        if self._bucket.grants(time.monotonic() - self._begun):
            self.granted += 1
            return Reply()
        self.refused += 1
        return Reply(429, REFUSED.body, self._headers)


def add(client: HttpClient, name: str = "n") -> object:
    return data_api(client).add_data_item(name=name, dataset="d", metadata={}, files=[MadeUpFile("1.csv")])


class TestWorkers:
    """Eight threads share one client; nothing is told to retry."""

    @staticmethod
    def send(server: ScriptedServer, items: int, **settings: Any) -> None:
        given = StudioSettings(api_key=KEY, base_url=server.url, retry_attempts=1, **settings)
        with HttpClient(given, connections=8) as client, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: add(client, str(number)), range(items)))

    @pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}], ids=["without a word", "Retry-After"])
    def test_all_items_arrive_under_a_steady_limit(self, headers: dict[str, str]) -> None:
        begun = time.monotonic()
        with LimitedServer(Bucket(100.0, 100), headers) as server:
            self.send(server, 300)
        allowed = (300 - 100) / 100
        print(f"{allowed / (time.monotonic() - begun):.0%} of the rate allowed, {server.refused} refusals")
        assert server.granted == 300
        assert server.refused <= 150

    def test_forty_refusals_fail_nothing(self) -> None:
        with ScriptedServer(*[Reply(429, REFUSED.body, {"Retry-After": "0.1"})] * 40, Reply()) as server:
            self.send(server, 60)
            names = [request.parts()[0].content for request in server.received]
        assert len(names) == 100
        assert len(set(names)) == 60


class TestPatience:
    @pytest.mark.parametrize("call", [lambda client: list_organizations(client), add], ids=["listing", "upload"])
    @pytest.mark.parametrize("headers", [{}, {"Retry-After": "30"}, {"Retry-After": "1e300"}], ids=str)
    def test_ends(
        self, studio_open: OpenClient, studio_sleeps: list[float], call: Any, headers: dict[str, str]
    ) -> None:
        with ScriptedServer(Reply(429, REFUSED.body, headers)) as server:
            client = studio_open(server.url, throttle_patience=300.0, retry_attempts=2)
            with pytest.raises(EdgeImpulseRateLimitError, match="throttle_patience of the connection"):
                call(client)
            assert 200 <= sum(studio_sleeps) <= 301
            sent = len(server.received)
            with pytest.raises(EdgeImpulseRateLimitError):  # the next one asks once, and does not wait again
                call(client)
            assert len(server.received) == sent + 1

    def test_is_longer_than_that_of_the_retries(self, studio_open: OpenClient) -> None:
        """Neither the attempts nor the budget of retries count a refusal."""
        refusals = [Reply(429, headers={"Retry-After": "9"})] * 30 + [Reply(503, headers={"Retry-After": "9"})] * 30
        with ScriptedServer(*refusals, Reply()) as server:
            list_organizations(studio_open(server.url, retry_attempts=1))
            assert len(server.received) == 61

    def test_ends_although_other_requests_are_granted_meanwhile(
        self, studio_open: OpenClient, studio_sleeps: list[float]
    ) -> None:
        """A service that refuses all changes still grants the look before each new try."""
        replies = [Reply(429, headers={"Retry-After": "30"}), Reply()] * 100
        with ScriptedServer(*replies) as server:
            client = studio_open(server.url, throttle_patience=300.0)
            with pytest.raises(EdgeImpulseRateLimitError):
                data_api(client).update_data_item(1, name="x", before_retry=lambda _: list_organizations(client))
        assert 200 <= sum(studio_sleeps) <= 331

    def test_begins_anew_with_each_request_that_is_granted(self, studio_open: OpenClient) -> None:
        replies = ([Reply(429, headers={"Retry-After": "50"})] * 5 + [Reply()]) * 4
        with ScriptedServer(*replies) as server:
            client = studio_open(server.url, throttle_patience=300.0)
            for _ in range(4):
                list_organizations(client)

    def test_an_upload_that_may_be_stored_is_not_repeated(self, studio_open: OpenClient) -> None:
        with ScriptedServer(Reply(503, headers={"Retry-After": "9"}), Reply()) as server:
            with pytest.raises(EdgeImpulseUnavailableError):
                add(studio_open(server.url, retry_attempts=9))
            assert len(server.received) == 1


def test_cancelling_ends_all_waits() -> None:
    """One thread has been refused, the others wait at the gate."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            list_organizations(client)
        except EdgeImpulseCancelledError as error:
            errors.append(error)

    with ScriptedServer(Reply(429, headers={"Retry-After": "60"})) as server:
        client = HttpClient(StudioSettings(api_key=KEY, base_url=server.url), connections=8)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        while not server.received:
            time.sleep(0.01)
        time.sleep(0.3)
        client.cancel()
        for thread in threads:
            thread.join(30)
        client.close()
    assert len(errors) == 8
