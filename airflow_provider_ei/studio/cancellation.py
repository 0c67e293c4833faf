"""A flag that stops the threads of a client when the task is cancelled."""

from __future__ import annotations

import time

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError

#: Interval in seconds at which a wait checks whether the client was cancelled.
CHECK_SECONDS = 0.2


class CancelFlag:
    """Whether a client was cancelled.

    It uses no lock, because a signal handler that sets it may interrupt the thread that holds the lock.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Cancel the client permanently."""
        self._is_set = True

    def check(self) -> None:
        """Raise an error if the client was cancelled.

        :raises EdgeImpulseCancelledError: if the client was cancelled.
        """
        if self._is_set:
            raise EdgeImpulseCancelledError("The task was told to stop; the upload is not complete.")

    def sleep(self, seconds: float) -> None:
        """Wait for that many seconds, or until shortly after the client is cancelled."""
        end = time.monotonic() + seconds
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, CHECK_SECONDS))
