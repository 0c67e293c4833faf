"""The gate that all requests of a client go through, whichever thread sends them."""

from __future__ import annotations

import logging
import threading

from airflow_provider_ei.studio.cancellation import CHECK_SECONDS, CancelFlag
from airflow_provider_ei.studio.clock import Clock
from airflow_provider_ei.studio.throttle import Throttle

log = logging.getLogger(__name__)


class Gate:
    """Delays requests while the service throttles; safe for several threads.

    :param max_wait: longest pause after one refusal, in seconds.
    """

    def __init__(self, *, max_wait: float, clock: Clock, cancelled: CancelFlag) -> None:
        self._throttle = Throttle(max_wait=max_wait)
        self._clock, self._cancelled = clock, cancelled
        self._changed = threading.Condition()

    def enter(self) -> float:
        """Wait until a request may be sent, and count it as in flight; the caller must call :meth:`leave` afterwards.

        :return: when the request was admitted.
        :raises EdgeImpulseCancelledError: when the client is cancelled in the meantime.
        """
        while True:
            self._cancelled.check()
            with self._changed:
                now = self._clock.now()
                delay = self._throttle.delay(now)
                if delay == 0:
                    self._throttle.begin(now)
                    return now
                if delay is None:
                    self._changed.wait(CHECK_SECONDS)
            if delay is not None:
                self._clock.sleep(delay)

    def leave(self) -> None:
        """Record that a request has its response, or will not get one."""
        with self._changed:
            self._throttle.end()
            self._changed.notify_all()

    def granted(self) -> None:
        """Record a response that was not a refusal."""
        with self._changed:
            self._throttle.granted(self._clock.now())

    def refused(self, begun: float, asked: float | None) -> None:
        """Record a refusal, which stops all requests for a while.

        :param begun: what :meth:`enter` returned.
        :param asked: the seconds that the service asked the client to wait.
        """
        with self._changed:
            pause = self._throttle.refused(self._clock.now(), begun, asked)
        if pause is not None:
            log.log(
                logging.INFO if pause >= 1 else logging.DEBUG,
                "Edge Impulse is throttling: all requests wait for %.2g s.",
                pause,
            )

    def refused_for(self) -> float:
        """Return for how many seconds every request was refused, including the current pause."""
        with self._changed:
            return self._throttle.refused_for(self._clock.now())
