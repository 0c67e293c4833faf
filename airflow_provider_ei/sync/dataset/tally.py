"""Counts what the threads of a sync have done, and logs it every few seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseServiceError, EdgeImpulseUnavailableError
from airflow_provider_ei.results import ITEM_COUNTS, MAX_DESCRIBED_FAILURES, MAX_REASON_LENGTH, Failure, ItemCounts
from airflow_provider_ei.sync.progress import LOG_INTERVAL_SECONDS, format_bytes, format_seconds
from airflow_provider_ei.sync.transfer import TransferStats

log = logging.getLogger(__name__)


class Tally:
    """Counts of the data items of a sync.

    :param most_in_a_row: after so many items in a row without a usable answer, the service is taken to be down.
    :param clock: seconds, from any moment on.
    :ivar outcomes: number of items by what was done with them.
    :ivar stats: the sum of what they took.
    :ivar changed: names of the items that were changed.
    :ivar kept_items: the first items that were to be deleted and were not; ``kept`` counts all.
    :ivar failures: the first ones; ``failed`` counts all, ``retryable`` whether a new try can mend one of them.
    """

    def __init__(self, most_in_a_row: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.outcomes: Counter[str] = Counter()
        self.stats = TransferStats()
        self.changed: list[str] = []
        self.failures: list[Failure] = []
        self.kept_items: list[Failure] = []
        self.kept = 0
        self.failed = 0
        self.retryable = False
        self._expected = self._sent = 0
        self._most_in_a_row = most_in_a_row
        self._in_a_row = 0
        self._throttled = False
        self._clock = clock
        self._begun = self._told = clock()
        self._lock = threading.Lock()

    def expect(self, items: int) -> None:
        """Take note of how many items are to be changed."""
        self._expected = items
        self._begun = self._told = self._clock()

    @property
    def service_down(self) -> bool:
        """Whether to stop early: the service is down, or has throttled for longer than ``throttle_patience``."""
        return self._throttled or self._in_a_row >= self._most_in_a_row

    def item_counts(self) -> ItemCounts:
        """Return how many items there are of each outcome."""
        others = {"deduplicated": self.stats.duplicates, "kept": self.kept, "failed": self.failed}
        return cast("ItemCounts", {key: others.get(key, self.outcomes[key]) for key in ITEM_COUNTS})

    def done(self, name: str, outcome: str) -> None:
        """Count an item that is up to date."""
        with self._lock:
            self.outcomes[outcome] += 1
            self._service_answers()
            if outcome != "unchanged":
                self.changed.append(name)

    def unchanged(self, items: int) -> None:
        """Count items of which nothing has changed."""
        with self._lock:
            self.outcomes["unchanged"] += items

    def spent(self, stats: TransferStats) -> None:
        """Add what was done for an item."""
        with self._lock:
            for what, amount in vars(stats).items():
                setattr(self.stats, what, getattr(self.stats, what) + amount)

    def sent(self) -> None:
        """Count an item that was sent, and tell how far everything is."""
        with self._lock:
            self._sent += 1
            now = self._clock()
            if now - self._told >= LOG_INTERVAL_SECONDS:
                self._told = now
                log.info("%s", self._line(now - self._begun))

    def answered(self) -> None:
        """Take note that the service has taken an item, which is still to be seen in a listing."""
        with self._lock:
            self._service_answers()

    def fail(self, name: str, error: EdgeImpulseError) -> None:
        """Count an item that failed."""
        log.error("%s", f"Data item {name!r}: {error}" if repr(name) not in str(error) else error)
        with self._lock:
            if isinstance(error, EdgeImpulseServiceError) and error.throttled:
                # The client raises this only when every request has been refused for as long as the connection allows;
                # until then it waits. So the other items would fare no better. It is not an outage.
                self._throttled = True
            elif isinstance(error, EdgeImpulseUnavailableError):
                self._in_a_row += 1
            else:
                self._service_answers()
            self.retryable = self.retryable or error.retryable
            self._fail(name, str(error))

    def keep(self, name: str, reason: str) -> None:
        """Count an item that was to be deleted, and was not."""
        log.warning("Data item %r is not deleted: %s", name, reason)
        with self._lock:
            self.kept += 1
            _note(self.kept_items, name, reason)

    def not_tried(self, name: str) -> None:
        """Count an item that was left, since the service is down or throttles everything."""
        with self._lock:
            self.retryable = True
            if self._throttled:
                self._fail(name, "Not tried: the service has throttled all requests for longer than throttle_patience.")
            else:
                self._fail(name, f"Not tried: the {self._in_a_row} data items before it had no usable answer.")

    def _service_answers(self) -> None:
        self._in_a_row, self._throttled = 0, False

    def _fail(self, name: str, reason: str) -> None:
        self.failed += 1
        _note(self.failures, name, reason.removeprefix(f"Data item {name!r}: "))

    def _line(self, seconds: float) -> str:
        done, stats = self._sent, self.stats
        return (
            f"{done:,} of {self._expected:,} data items, {stats.files_sent:,} files, "
            f"{format_bytes(stats.bytes_sent)}, {format_bytes(stats.bytes_sent / seconds)}/s, about "
            f"{format_seconds((self._expected - done) * seconds / done)} left."
        )


def _note(notes: list[Failure], name: str, reason: str) -> None:
    """Add one more, as long as there are few, and not longer than an XCom should be."""
    if len(notes) < MAX_DESCRIBED_FAILURES:
        short = reason if len(reason) <= MAX_REASON_LENGTH else reason[: MAX_REASON_LENGTH - 1] + "…"
        notes.append(Failure(name=_unicode(name), reason=_unicode(short)))


def _unicode(text: str) -> str:
    """Spell out what is no Unicode: a name on a disk can be any bytes, and no XCom takes them."""
    return text.encode(errors="backslashreplace").decode()
