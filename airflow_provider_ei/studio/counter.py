"""Counts requests and retries."""

from __future__ import annotations

import threading


class RequestCounter:
    """Counts the requests of several threads.

    :ivar requests: all requests.
    :ivar first_tries: the requests that were not retries.
    """

    def __init__(self) -> None:
        self.requests = self.first_tries = 0
        self._lock = threading.Lock()

    def add(self, *, requests: int = 0, first_tries: int = 0) -> None:
        """Add to the counts."""
        with self._lock:
            self.requests += requests
            self.first_tries += first_tries
