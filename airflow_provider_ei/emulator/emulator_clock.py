"""The clock of the emulator's jobs, which tests can stop and turn."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class EmulatorClock:
    """Runs with the time of the machine until a test stops or turns it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset = 0.0
        self._stopped_at: float | None = None

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        with self._lock:
            return self._now()

    def advance(self, seconds: float) -> None:
        """Turn the clock forward."""
        with self._lock:
            self._offset += seconds
            if self._stopped_at is not None:
                self._stopped_at += seconds

    def stop(self) -> None:
        """Let the clock stand still: only :meth:`advance` moves it."""
        with self._lock:
            self._stopped_at = self._now()

    def resume(self) -> None:
        """Let the clock run again, from the time that it shows."""
        with self._lock:
            if self._stopped_at is not None:
                self._offset = self._stopped_at - time.time()
                self._stopped_at = None

    def _now(self) -> float:
        return time.time() + self._offset if self._stopped_at is None else self._stopped_at


def iso_time(seconds: float) -> str:
    """Return a time in the form of the API."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
