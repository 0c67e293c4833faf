"""Limits the memory that all uploads of this process together use for background reads."""

from __future__ import annotations

import threading

#: Maximum number of bytes that are read ahead or kept at the same time.
MAX_BACKGROUND_BYTES = 32 * 1024 * 1024


class ByteBudget:
    """Counts bytes that several threads hold.

    :ivar taken: the number of bytes that they hold now.
    """

    def __init__(self, limit: int) -> None:
        self.taken = 0
        self._limit = limit
        self._lock = threading.Lock()

    def take(self, count: int, *, always: bool = False) -> bool:
        """Reserve bytes; return False if that would exceed the limit.

        :param always: reserve them even above the limit.
        """
        with self._lock:
            if self.taken + count > self._limit and not always:
                return False
            self.taken += count
            return True

    def give(self, count: int) -> None:
        """Release reserved bytes."""
        with self._lock:
            self.taken -= count


background_bytes = ByteBudget(MAX_BACKGROUND_BYTES)
