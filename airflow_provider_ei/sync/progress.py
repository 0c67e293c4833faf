"""Logs the progress of long uploads every few seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from airflow_provider_ei.sync.item.wanted import WantedItem

log = logging.getLogger(__name__)

#: Seconds between two log lines, and before the first one.
LOG_INTERVAL_SECONDS = 10.0


class ProgressLog:
    """Counts the bytes of an item's files as they are sent.

    :param clock: a clock in seconds.
    """

    def __init__(self, item: WantedItem, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = item.name
        self._sizes = item.sizes
        self._clock = clock
        self._read: dict[str, int] = {}
        self._total = item.total_bytes
        self._begun = self._told = clock()

    def __call__(self, name: str, position: int) -> None:
        """Record that a file was read up to a position. A file that is sent again starts over at 0."""
        self._read[name] = position
        now = self._clock()
        if now - self._told >= LOG_INTERVAL_SECONDS:
            self._told = now
            log.info("%s", self._line(now - self._begun))

    def _line(self, seconds: float) -> str:
        done = sum(self._read.values())
        files = sum(self._read.get(name, 0) == size for name, size in self._sizes.items())
        rate = done / seconds
        left = (self._total - done) / rate if rate else 0.0
        return (
            f"Data item {self._name!r}: {files:,} of {len(self._sizes):,} files, "
            f"{format_bytes(done)} of {format_bytes(self._total)}, "
            f"{format_bytes(rate)}/s, about {format_seconds(left)} left."
        )


def format_bytes(count: float) -> str:
    """Format a number of bytes for people, in decimal units."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def format_seconds(seconds: float) -> str:
    """Format a number of seconds for people."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
