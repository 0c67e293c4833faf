"""The time that a client lives in."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Tells the time and waits.

    :param sleep: waits in the place of the machine; the time that it was told to wait has passed then, however long
        it took.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._skipped = 0.0

    def now(self) -> float:
        """Return seconds, from any moment on."""
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        """Wait."""
        end = self.now() + seconds
        self._sleep(seconds)
        self._skipped += max(0.0, end - self.now())
