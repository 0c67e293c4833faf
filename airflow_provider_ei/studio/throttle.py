"""Decides when requests may be sent while the service throttles.

A refusal (429, or 503 with ``Retry-After``) stops all requests for a while. It also lowers the number of concurrent
requests, and the number per second to what the service has granted recently. Both rise again while requests are
granted. ``tests/studio/test_throttle.py`` simulates services to show the effect.
"""

from __future__ import annotations

import math

#: Seconds of pause after a refusal without ``Retry-After``; twice, three times as long after further ones in a row.
FIRST_PAUSE = 0.05

#: Seconds after which the weight of a granted request has dropped to 1/e.
MEMORY_SECONDS = 5.0

#: Seconds without a refusal after which the rate has doubled.
DOUBLING_SECONDS = 5.0

#: Minimum factor by which a refusal lowers the rate.
LOWERED = 0.9

#: Minimum rate in requests per second after a refusal. The rate of a time without requests means nothing.
LOWEST_RATE = 0.1

#: Factor by which a refusal lowers the number of concurrent requests.
NARROWED = 0.5


class Throttle:
    """The state that all requests share. It uses no lock and no clock: each method receives the time in seconds.

    :param max_wait: longest pause after one refusal, in seconds.
    """

    def __init__(self, *, max_wait: float) -> None:
        self._max_wait = max_wait
        self._in_flight = 0
        self._width = math.inf  # concurrent requests
        self._rate = math.inf  # requests per second, after the last refusal
        self._burst = math.inf  # requests that the service has granted without a pause
        self._stint = 0  # requests granted since the last pause
        self._grants = 0.0  # requests granted since the first refusal, with decaying weights
        self._seconds = 0.0  # the time that the grants cover, with decaying weights
        self._counted_at = 0.0
        self._refused_at = -math.inf
        self._next = -math.inf  # when the next request may be sent
        self._paused_until = -math.inf
        self._in_a_row = 0  # refusals since the last request that was granted
        self._refused_since: float | None = None

    def delay(self, now: float) -> float | None:
        """Return the seconds until a request may be sent; None when it must wait for another one's response."""
        wait = max(self._paused_until, self._next) - now
        if wait > 0:
            return wait
        return None if self._in_flight and self._in_flight + 1 > self._width else 0.0

    def begin(self, now: float) -> None:
        """Record that a request is sent."""
        self._in_flight += 1
        if self._rate < math.inf:
            rate = self._rate_at(now)
            # Requests that were held back by a pause may follow at once, up to the burst that the service has granted.
            self._next = max(self._next, now - (self._burst - 1) / rate) + 1 / rate

    def end(self) -> None:
        """Record that a request has ended, with or without a response."""
        self._in_flight -= 1

    def granted(self, now: float) -> None:
        """Record a response that was not a refusal."""
        self._in_a_row = 0
        self._refused_since = None
        self._stint += 1
        self._width += 1 / self._width
        if self._refused_at > -math.inf:
            self._count(now)
            self._grants += 1

    def refused(self, now: float, begun: float, asked: float | None) -> float | None:
        """Record a refusal.

        :param begun: when the request was sent.
        :param asked: the seconds that the service asked the client to wait.
        :return: the seconds for which all requests wait now; None when they already wait.
        """
        if self._refused_since is None:
            self._refused_since = now
        if begun < self._refused_at:  # sent before the last refusal: no new information
            self._paused_until = max(self._paused_until, now + min(asked or 0.0, self._max_wait))
            return None
        if self._refused_at == -math.inf:
            self._counted_at = now
        self._count(now)
        if self._grants:
            # Not much lower than before: the refusal may have been due to a burst, not to the rate.
            before = self._rate_at(now) if self._rate < math.inf else 0.0
            self._rate = max(self._grants / self._seconds, LOWERED * before, LOWEST_RATE)
        if self._stint:
            self._burst, self._stint = min(self._burst, self._stint), 0
        self._width = max(1.0, min(self._width, self._in_flight) * NARROWED)
        self._refused_at = now
        if self._in_a_row == 0:
            self._next = now
        self._in_a_row += 1
        own = max(FIRST_PAUSE, 1 / self._rate) * self._in_a_row
        pause = min(max(asked, FIRST_PAUSE) if asked else own, self._max_wait)
        self._paused_until = now + pause
        return pause

    def refused_for(self, now: float) -> float:
        """Return for how long every request was refused, including the current pause."""
        return 0.0 if self._refused_since is None else max(now, self._paused_until) - self._refused_since

    def _rate_at(self, now: float) -> float:
        return self._rate * 2 ** min((now - self._refused_at) / DOUBLING_SECONDS, 60.0)

    def _count(self, now: float) -> None:
        elapsed, self._counted_at = now - self._counted_at, now
        kept = math.exp(-elapsed / MEMORY_SECONDS)
        self._grants *= kept
        self._seconds = self._seconds * kept + elapsed
