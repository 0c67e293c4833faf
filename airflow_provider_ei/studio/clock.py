"""The clock of a client, which tests can advance without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Returns the time and waits.

    :param sleep: called to wait. Afterwards the clock has advanced by the requested time, even if the call returned
        earlier.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._skipped = 0.0

    def now(self) -> float:
        """Return the time in seconds since an arbitrary moment."""
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        """Wait for that many seconds."""
        end = self.now() + seconds
        self._sleep(seconds)
        self._skipped += max(0.0, end - self.now())
