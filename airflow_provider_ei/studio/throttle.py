"""How many requests may go, and when: what a client makes of a service that throttles.

A refusal (429, or 503 with ``Retry-After``) stops all requests for a while, and lowers how many go at once and how many
a second, to what the service has granted of late. Both rise again while requests are granted. Simulated services show
what comes of it: see ``tests/studio/test_throttle.py``.
"""

from __future__ import annotations

import math

#: Seconds without a request after a refusal that names none; twice, three times that after the next ones in a row.
FIRST_PAUSE = 0.05

#: Seconds after which the service's grants count for 1/e.
MEMORY_SECONDS = 5.0

#: Seconds without a refusal after which the rate is twice what it was.
DOUBLING_SECONDS = 5.0

#: What a refusal leaves of the rate, at least.
LOWERED = 0.9

#: Requests a second that a refusal leaves at least. What was granted in a time without requests says nothing.
LOWEST_RATE = 0.1

#: What a refusal leaves of the number of requests at once.
NARROWED = 0.5


class Throttle:
    """The state that all requests share. It holds no lock and reads no clock: each method is told the time in seconds.

    :param most_wait: longest pause after one refusal, in seconds.
    """

    def __init__(self, *, most_wait: float) -> None:
        self._most_wait = most_wait
        self._in_flight = 0
        self._width = math.inf  # requests at once
        self._rate = math.inf  # requests a second, after the last refusal
        self._burst = math.inf  # requests that it has granted in one go
        self._stint = 0  # requests granted since the last pause
        self._grants = 0.0  # that the service has granted since the first refusal, the older the less
        self._seconds = 0.0  # in which it has done so
        self._counted_at = 0.0
        self._refused_at = -math.inf
        self._next = -math.inf  # when the next request may go
        self._paused_until = -math.inf
        self._in_a_row = 0  # refusals since the last request that was granted
        self._refused_since: float | None = None

    def delay(self, now: float) -> float | None:
        """Return the seconds until a request may go, and None when it has to wait for another one's answer."""
        wait = max(self._paused_until, self._next) - now
        if wait > 0:
            return wait
        return None if self._in_flight and self._in_flight + 1 > self._width else 0.0

    def begin(self, now: float) -> None:
        """Take note of a request that goes."""
        self._in_flight += 1
        if self._rate < math.inf:
            rate = self._rate_at(now)
            # What was not sent during a pause may follow at once, as far as the service is known to bear it.
            self._next = max(self._next, now - (self._burst - 1) / rate) + 1 / rate

    def end(self) -> None:
        """Take note of an answer, or of the lack of one."""
        self._in_flight -= 1

    def granted(self, now: float) -> None:
        """Take note of an answer that was not a refusal."""
        self._in_a_row = 0
        self._refused_since = None
        self._stint += 1
        self._width += 1 / self._width
        if self._refused_at > -math.inf:
            self._count(now)
            self._grants += 1

    def refused(self, now: float, begun: float, asked: float | None) -> float | None:
        """Take note of a refusal.

        :param begun: when the request went.
        :param asked: the seconds that the service asked to wait.
        :return: the seconds for which all requests wait now; None when they do already.
        """
        if self._refused_since is None:
            self._refused_since = now
        if begun < self._refused_at:  # it went before the last refusal, and tells nothing new
            self._paused_until = max(self._paused_until, now + min(asked or 0.0, self._most_wait))
            return None
        if self._refused_at == -math.inf:
            self._counted_at = now
        self._count(now)
        if self._grants:
            # Not far below what it was: a burst may have been refused, not the rate.
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
        pause = min(max(asked, FIRST_PAUSE) if asked else own, self._most_wait)
        self._paused_until = now + pause
        return pause

    def refused_for(self, now: float) -> float:
        """Return for how long every request was refused, with the pause that has begun."""
        return 0.0 if self._refused_since is None else max(now, self._paused_until) - self._refused_since

    def _rate_at(self, now: float) -> float:
        return self._rate * 2 ** min((now - self._refused_at) / DOUBLING_SECONDS, 60.0)

    def _count(self, now: float) -> None:
        elapsed, self._counted_at = now - self._counted_at, now
        kept = math.exp(-elapsed / MEMORY_SECONDS)
        self._grants *= kept
        self._seconds = self._seconds * kept + elapsed
