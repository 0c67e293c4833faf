"""When to try a request again, and how long to wait before it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

log = logging.getLogger(__name__)

#: Longest wait between two tries, in seconds, whatever ``Retry-After`` asks for.
LONGEST_WAIT = 60.0


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


def retrying(
    *,
    attempts: int,
    wait: float,
    may_retry: Callable[[BaseException], bool],
    sleep: Callable[[float], None],
) -> Retrying:
    """Return tenacity's loop: full jitter, or what the service asked for, and the last error when all fail.

    :param attempts: tries in all.
    :param wait: base of the back-off in seconds; the n-th wait is drawn from 0 to ``wait * 2**n``.
    """
    jitter = wait_random_exponential(multiplier=wait, max=LONGEST_WAIT)

    def how_long(state: RetryCallState) -> float:
        asked = getattr(_error(state), "retry_after", None)
        return max(jitter(state), min(asked or 0.0, LONGEST_WAIT))

    def tell(state: RetryCallState) -> None:
        log.warning(
            "%s Trying again in %.1f s (%d of %d).",
            _error(state),
            state.upcoming_sleep,
            state.attempt_number,
            attempts,
        )

    return Retrying(
        stop=stop_after_attempt(attempts),
        wait=how_long,
        retry=retry_if_exception(may_retry),
        before_sleep=tell,
        sleep=sleep,
        reraise=True,
    )


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
