"""Decides whether to retry a request, and how long to wait before that."""

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

#: A request is not retried later than this many seconds after its first failure.
MAX_TROUBLE = 900.0


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Parse a ``Retry-After`` header: seconds, with or without a fraction, or a date.

    :return: seconds, not negative; None if the header is missing or invalid.
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
    """Return whether the service may have carried out the request, or still will, although no response was usable."""
    if isinstance(error, EdgeImpulseUnavailableError):
        return error.ambiguous
    return isinstance(error, EdgeImpulseResponseError)


def wants_new_try(error: BaseException, *, idempotent: bool) -> bool:
    """Return whether the same request may be sent again.

    A request that is not idempotent is repeated only if it certainly was not carried out.
    """
    can_help = isinstance(error, EdgeImpulseServiceError) and error.retryable
    return can_help and not isinstance(error, EdgeImpulseLargeResponseError) and (idempotent or not may_be_done(error))


class RetryBudget:
    """Retries that all requests of a task share, so that a failing service does not get every request several times.

    Each retry takes one; ten successful requests give one back, up to the initial number.
    """

    def __init__(self, retries: int = 20) -> None:
        self._most = self._left = 10 * retries  # in tenths
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one retry; return False when none is left."""
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
    """The tries of one request.

    They end when the attempts or the budget are used up, or :data:`MAX_TROUBLE` seconds after the first failure.

    :param attempts: maximum number of tries.
    :param wait: base of the backoff in seconds; the first wait is random from 0 to ``wait``, the next up to twice that.
    """

    def __init__(self, *, attempts: int, wait: float, budget: RetryBudget) -> None:
        self.attempts = attempts
        self.failures = 0
        self._wait = wait
        self._budget = budget
        self._trouble_began: float | None = None

    def wait_after_failure(self, now: float) -> float | None:
        """Record a failure.

        :return: seconds to wait before the next try; None if the request is not retried.
        """
        self.failures += 1
        if self._trouble_began is None:
            self._trouble_began = now
        if self.failures >= self.attempts or now - self._trouble_began > MAX_TROUBLE:
            return None
        if not self._budget.take():
            log.warning("This task has used up its retries.")
            return None
        window = self._wait * 2.0 ** min(self.failures - 1, 60)
        return random.uniform(0, min(window, MAX_RETRY_WAIT))
