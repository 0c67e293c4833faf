"""When to try a request again, and how long to wait before it."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

log = logging.getLogger(__name__)

#: Longest wait between two tries, in seconds, whatever ``Retry-After`` asks for.
LONGEST_WAIT = 60.0

#: Seconds since its first failure after which a request is not tried again.
LONGEST_TROUBLE = 900.0


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read a ``Retry-After`` header: seconds, also with a fraction, or a date. Rubbish counts as none.

    :return: seconds, not negative, or None.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def asked_wait(error: BaseException | None) -> float:
    """Return the seconds that the service asked to wait, at most :data:`LONGEST_WAIT`; 0 when it did not."""
    return min(getattr(error, "retry_after", None) or 0.0, LONGEST_WAIT)


class RetryBudget:
    """Retries that all requests of a task share, so that a service in trouble is not asked four times for everything.

    A retry takes one; ten requests that succeed give one back, up to where it began.
    """

    def __init__(self, retries: int = 20) -> None:
        self._most = self._left = 10 * retries  # in tenths
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one retry; False when none is left."""
        with self._lock:
            if self._left < 10:
                return False
            self._left -= 10
            return True

    def succeeded(self) -> None:
        """Take note of a request that needed no retry."""
        with self._lock:
            self._left = min(self._left + 1, self._most)


def retrying(
    *,
    attempts: int,
    wait: float,
    budget: RetryBudget,
    may_retry: Callable[[BaseException], bool],
    least_wait: Callable[[BaseException | None], float],
    sleep: Callable[[float], None],
) -> Retrying:
    """Return tenacity's loop: full jitter, or what the service asked for, and the last error when all fail.

    It ends when the attempts, the budget, or :data:`LONGEST_TROUBLE` since the first failure are used up.

    :param attempts: tries in all.
    :param wait: base of the back-off in seconds; the first wait is drawn from 0 to ``wait``, the next from twice that.
    :param least_wait: seconds to wait at least after an error.
    """
    jitter = wait_random_exponential(multiplier=wait, max=LONGEST_WAIT)
    trouble_began: list[float] = []

    def how_long(state: RetryCallState) -> float:
        return max(jitter(state), asked_wait(_error(state)), least_wait(_error(state)))

    def has_to_end(state: RetryCallState) -> bool:
        now = monotonic()
        trouble_began.append(now)
        if state.attempt_number >= attempts or now - trouble_began[0] > LONGEST_TROUBLE:
            return True
        if budget.take():
            return False
        log.warning("The retries that this task may use are spent.")
        return True

    def tell(state: RetryCallState) -> None:
        log.warning(
            "%s Trying again in %.1f s (%d of %d).", _error(state), state.upcoming_sleep, state.attempt_number, attempts
        )

    return Retrying(
        stop=has_to_end,
        wait=how_long,
        retry=retry_if_exception(may_retry),
        before_sleep=tell,
        sleep=sleep,
        reraise=True,
    )


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
