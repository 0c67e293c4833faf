"""Tells the threads of a client that the task was told to stop."""

from __future__ import annotations

import time

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError

#: Seconds after which a wait notices that the client was cancelled.
CHECK_SECONDS = 0.2


class CancelFlag:
    """Whether a client was cancelled.

    It holds no lock: a signal handler that sets it may interrupt the very thread that holds one.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Cancel, for good."""
        self._is_set = True

    def check(self) -> None:
        """Do nothing, unless the client was cancelled.

        :raises EdgeImpulseCancelledError: if it was.
        """
        if self._is_set:
            raise EdgeImpulseCancelledError("The task was told to stop; the upload is not complete.")

    def sleep(self, seconds: float) -> None:
        """Wait that long, or until shortly after the client is cancelled."""
        end = time.monotonic() + seconds
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, CHECK_SECONDS))
