"""Bounds the memory for what is read in the background, for all uploads of this process together."""

from __future__ import annotations

import threading

#: Bytes that may be read ahead or kept at the same time.
MAX_BACKGROUND_BYTES = 32 * 1024 * 1024


class ByteBudget:
    """Counts bytes that several threads hold.

    :ivar taken: how many they hold now.
    """

    def __init__(self, limit: int) -> None:
        self.taken = 0
        self._limit = limit
        self._lock = threading.Lock()

    def take(self, count: int, *, always: bool = False) -> bool:
        """Count bytes, unless there are too many then.

        :param always: count them all the same.
        """
        with self._lock:
            if self.taken + count > self._limit and not always:
                return False
            self.taken += count
            return True

    def give(self, count: int) -> None:
        """Count them no longer."""
        with self._lock:
            self.taken -= count


background_bytes = ByteBudget(MAX_BACKGROUND_BYTES)
