"""A clock whose waits can be replaced, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Tells the time and waits.

    :param sleep: waits for so many seconds. Afterwards the clock has advanced by that much, however long it really
        took.
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
