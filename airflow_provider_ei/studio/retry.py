"""Decides whether and when a failed request is retried."""

from __future__ import annotations

import logging
import math
import random
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from airflow_provider_ei.exceptions import (
    MAX_RETRY_WAIT,
    EdgeImpulseLargeResponseError,
    EdgeImpulseResponseError,
    EdgeImpulseServiceError,
    EdgeImpulseUnavailableError,
)

log = logging.getLogger(__name__)

#: Seconds since its first failure after which a request is not retried.
MAX_TROUBLE = 900.0


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read a ``Retry-After`` header: seconds, possibly with a fraction, or a date. Anything else counts as none.

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


def may_be_done(error: BaseException) -> bool:
    """Whether the service may carry out the request although there was no usable answer."""
    if isinstance(error, EdgeImpulseUnavailableError):
        return error.ambiguous
    return isinstance(error, EdgeImpulseResponseError)


def wants_new_try(error: BaseException, *, idempotent: bool) -> bool:
    """Whether the same request may be sent again.

    A request that is not idempotent may be only if it certainly was not carried out.
    """
    can_help = isinstance(error, EdgeImpulseServiceError) and error.retryable
    return can_help and not isinstance(error, EdgeImpulseLargeResponseError) and (idempotent or not may_be_done(error))


class RetryBudget:
    """Retries that all requests of a task share, so that they do not multiply the load on a failing service.

    A retry takes one; ten successful requests give one back, up to the initial number.
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
        """Record a successful request."""
        with self._lock:
            self._left = min(self._left + 1, self._most)


class Retries:
    """The attempts at one request.

    They end when the attempts, the budget, or :data:`MAX_TROUBLE` since the first failure are used up.

    :param attempts: attempts in all.
    :param wait: base of the exponential backoff in seconds: the first wait is drawn from 0 to ``wait``, the next from
        twice that.
    """

    def __init__(self, *, attempts: int, wait: float, budget: RetryBudget) -> None:
        self.attempts = attempts
        self.failures = 0
        self._wait = wait
        self._budget = budget
        self._trouble_began: float | None = None

    def wait_after_failure(self, now: float) -> float | None:
        """Record a failure.

        :return: the seconds to wait before the next attempt; None when there is none.
        """
        self.failures += 1
        if self._trouble_began is None:
            self._trouble_began = now
        if self.failures >= self.attempts or now - self._trouble_began > MAX_TROUBLE:
            return None
        if not self._budget.take():
            log.warning("No retries are left for this task.")
            return None
        window = self._wait * 2.0 ** min(self.failures - 1, 60)
        return random.uniform(0, min(window, MAX_RETRY_WAIT))
