"""Counts what the threads of a sync of data items or samples have done, and logs it every few seconds."""

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
    """Counts of a sync.

    :param noun: what is counted: data items or samples.
    :param most_in_a_row: after this many consecutive items without a usable response, the service counts as down.
    :param clock: a clock in seconds.
    :ivar outcomes: number of items by outcome.
    :ivar stats: the sum of all items' transfer statistics.
    :ivar changed: names of the items that were changed.
    :ivar kept_items: the first items that should have been deleted and were not; ``kept`` counts all of them.
    :ivar failures: the first failed items; ``failed`` counts all; ``retryable``: whether a retry can fix any of them.
    """

    def __init__(
        self, most_in_a_row: int, *, noun: str = "data item", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._noun = noun
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
        """Set how many items will be changed."""
        self._expected = items
        self._begun = self._told = self._clock()

    @property
    def service_down(self) -> bool:
        """Whether to stop early: the service is down, or has throttled for longer than ``throttle_patience``."""
        return self._throttled or self._in_a_row >= self._most_in_a_row

    def item_counts(self) -> ItemCounts:
        """Return the number of items by outcome."""
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
        """Count unchanged items."""
        with self._lock:
            self.outcomes["unchanged"] += items

    def spent(self, stats: TransferStats) -> None:
        """Add the transfer statistics of an item."""
        with self._lock:
            for what, amount in vars(stats).items():
                setattr(self.stats, what, getattr(self.stats, what) + amount)

    def sent(self) -> None:
        """Count an item that was sent, and log the progress."""
        with self._lock:
            self._sent += 1
            now = self._clock()
            if now - self._told >= LOG_INTERVAL_SECONDS:
                self._told = now
                log.info("%s", self._line(now - self._begun))

    def answered(self) -> None:
        """Record that the service has accepted an item, which a listing must still confirm."""
        with self._lock:
            self._service_answers()

    def fail(self, name: str, error: EdgeImpulseError) -> None:
        """Count an item that failed."""
        log.error("%s", self._begin(name) + str(error) if repr(name) not in str(error) else error)
        with self._lock:
            if isinstance(error, EdgeImpulseServiceError) and error.throttled:
                # The client raises this only after all requests have been throttled for as long as the connection
                # allows. So the other items would fail as well. It is not an outage.
                self._throttled = True
            elif isinstance(error, EdgeImpulseUnavailableError):
                self._in_a_row += 1
            else:
                self._service_answers()
            self.retryable = self.retryable or error.retryable
            self._fail(name, str(error))

    def keep(self, name: str, reason: str) -> None:
        """Count an item that should have been deleted and was not."""
        log.warning("%s %r is not deleted: %s", self._noun.capitalize(), name, reason)
        with self._lock:
            self.kept += 1
            _note(self.kept_items, name, reason)

    def not_tried(self, name: str) -> None:
        """Count an item that was not tried, because the service is down or throttles all requests."""
        with self._lock:
            self.retryable = True
            if self._throttled:
                self._fail(name, "Not tried: the service has throttled all requests for longer than throttle_patience.")
            else:
                self._fail(name, f"Not tried: the {self._in_a_row} {self._noun}s before it had no usable answer.")

    def _service_answers(self) -> None:
        self._in_a_row, self._throttled = 0, False

    def _fail(self, name: str, reason: str) -> None:
        self.failed += 1
        _note(self.failures, name, reason.removeprefix(self._begin(name)))

    def _begin(self, name: str) -> str:
        return f"{self._noun.capitalize()} {name!r}: "

    def _line(self, seconds: float) -> str:
        done, stats = self._sent, self.stats
        return (
            f"{done:,} of {self._expected:,} {self._noun}s, {stats.files_sent:,} files, "
            f"{format_bytes(stats.bytes_sent)}, {format_bytes(stats.bytes_sent / seconds)}/s, about "
            f"{format_seconds((self._expected - done) * seconds / done)} left."
        )


def _note(notes: list[Failure], name: str, reason: str) -> None:
    """Add a note, up to a maximum number, and shorten it, so that the XCom stays small."""
    if len(notes) < MAX_DESCRIBED_FAILURES:
        short = reason if len(reason) <= MAX_REASON_LENGTH else reason[: MAX_REASON_LENGTH - 1] + "…"
        notes.append(Failure(name=_unicode(name), reason=_unicode(short)))


def _unicode(text: str) -> str:
    """Escape invalid Unicode: a file name on disk can have any bytes, which XCom cannot store."""
    return text.encode(errors="backslashreplace").decode()
