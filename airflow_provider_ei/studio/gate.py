"""The gate that all requests of a client go through, whichever thread sends them."""

from __future__ import annotations

import logging
import threading

from airflow_provider_ei.studio.cancellation import CHECK_SECONDS, CancelFlag
from airflow_provider_ei.studio.clock import Clock
from airflow_provider_ei.studio.throttle import Throttle

log = logging.getLogger(__name__)


class Gate:
    """Lets requests go when the service takes them; safe for several threads.

    :param most_wait: longest pause after one refusal, in seconds.
    """

    def __init__(self, *, most_wait: float, clock: Clock, cancelled: CancelFlag) -> None:
        self._throttle = Throttle(most_wait=most_wait)
        self._clock, self._cancelled = clock, cancelled
        self._changed = threading.Condition()

    def enter(self) -> float:
        """Wait until a request may go, and take note that it does; :meth:`leave` has to follow.

        :return: when it went.
        :raises EdgeImpulseCancelledError: when the client is told to stop meanwhile.
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
        """Take note that a request has its answer, or will have none."""
        with self._changed:
            self._throttle.end()
            self._changed.notify_all()

    def granted(self) -> None:
        """Take note of an answer that was not a refusal."""
        with self._changed:
            self._throttle.granted(self._clock.now())

    def refused(self, begun: float, asked: float | None) -> None:
        """Take note of a refusal, which stops all requests for a while.

        :param begun: what :meth:`enter` returned.
        :param asked: the seconds that the service asked to wait.
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
        """Return for how long every request was refused, with the pause that has begun, in seconds."""
        with self._changed:
            return self._throttle.refused_for(self._clock.now())
