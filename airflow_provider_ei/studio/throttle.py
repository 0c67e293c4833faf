"""How many requests may go, and when: what a service that throttles makes of it.

A refusal (429, or 503 with ``Retry-After``) stops all requests for a while and lowers how many go at once and how many
a second; requests that are granted raise both again, slowly.
"""

from __future__ import annotations

import math

#: Seconds without a request after a refusal that names none; twice that after each further one in a row.
FIRST_PAUSE = 0.05

#: By how much a refusal lowers the rate below that at which requests were granted.
BACK_OFF = 0.95

#: Seconds after a refusal in which the rate returns to where it was; after them it rises faster and faster.
RECOVERY_SECONDS = 15.0


class Throttle:
    """The state that all requests share. It holds no lock and reads no clock: each method is told the time in seconds.

    :param most_wait: longest pause after one refusal, in seconds.
    """

    def __init__(self, *, most_wait: float) -> None:
        self._most_wait = most_wait
        self._in_flight = 0
        self._width = math.inf  # requests at once
        self._base = math.inf  # requests a second when they were lowered last
        self._lowered_at = -math.inf
        self._next = -math.inf  # when the next request may go
        self._paused_until = -math.inf
        self._in_a_row = 0  # refusals since the last request that was granted
        self._granted = 0  # since the last refusal
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
        rate = self._rate(now)
        if rate < math.inf:
            self._next = max(now, self._next) + 1 / rate

    def end(self) -> None:
        """Take note of an answer, or of the lack of one."""
        self._in_flight -= 1

    def granted(self) -> None:
        """Take note of an answer that was not a refusal."""
        self._in_a_row = 0
        self._granted += 1
        self._refused_since = None
        self._width += 1 / self._width

    def refused(self, now: float, begun: float, asked: float | None) -> float | None:
        """Take note of a refusal.

        :param begun: when the request went.
        :param asked: the seconds that the service asked to wait.
        :return: the seconds for which all requests wait now; None when they do already.
        """
        if self._refused_since is None:
            self._refused_since = now
        old = begun < self._lowered_at  # it went before the last refusal, and tells nothing new
        if not old:
            self._lower(now)
            self._in_a_row += 1
        elif asked is None:
            return None
        pause = asked if asked is not None else FIRST_PAUSE * 2.0 ** min(self._in_a_row - 1, 30)
        pause = min(pause, self._most_wait)
        until = now + pause
        if until <= self._paused_until:
            return None
        self._paused_until = until
        return None if old else pause

    def refused_for(self, now: float) -> float:
        """Return for how long every request was refused, with the pause that has begun."""
        return 0.0 if self._refused_since is None else max(now, self._paused_until) - self._refused_since

    def _lower(self, now: float) -> None:
        # Between two refusals the service has granted what it grants: that is its rate.
        elapsed = now - self._lowered_at
        rate = self._rate(now)
        if self._granted and elapsed < math.inf:
            self._base = min(rate, self._granted / elapsed)
        self._width = max(1.0, min(self._width, self._in_flight) / 2)
        self._lowered_at, self._granted = now, 0

    def _rate(self, now: float) -> float:
        if self._base == math.inf:
            return math.inf
        after = (now - self._lowered_at) / RECOVERY_SECONDS - 1
        return self._base * (1 + (1 - BACK_OFF) * after**3)
