"""Base of the triggers that poll until criteria are met, instead of a sensor that would occupy a worker."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, ClassVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_ei.exceptions import (
    MAX_RETRY_WAIT,
    EdgeImpulseError,
    EdgeImpulseServiceError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.polling.poller import Observation, Poller
from airflow_provider_ei.triggers.short_requests import ShortRequests
from airflow_provider_ei.triggers.threads import TRIGGER_THREADS

log = logging.getLogger(__name__)

#: Seconds without progress after which a poll is abandoned.
STALL_SECONDS = 15.0


class CriteriaTrigger(BaseTrigger):
    """Poll until criteria are met.

    Nothing is kept between two polls, so another triggerer can continue. Requests are made in separate threads; the
    triggerer's event loop and its default executor stay free.

    :cvar criteria_type: the dataclass of the criteria.
    :param criteria: its fields.
    :param poke_interval: seconds between two polls.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param exponential_backoff: double the interval after each poll.
    :param max_wait: longest interval in seconds, with ``exponential_backoff``.
    :param silent_fail: log transient errors and continue.
    """

    criteria_type: ClassVar[type[Any]]

    def __init__(
        self,
        *,
        criteria: dict[str, Any],
        poke_interval: float,
        deadline: float | None = None,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
        silent_fail: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.criteria = self.criteria_type(**criteria)
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait
        self.silent_fail = silent_fail

    def _connection_arguments(self) -> dict[str, Any]:
        """Return the arguments that say which connection to use."""
        raise NotImplementedError

    def _create_hook(self) -> ShortRequests:
        raise NotImplementedError

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that create this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "criteria": asdict(self.criteria),
                "poke_interval": self.poke_interval,
                **self._connection_arguments(),
                "deadline": self.deadline,
                "exponential_backoff": self.exponential_backoff,
                "max_wait": self.max_wait,
                "silent_fail": self.silent_fail,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the criteria are met, the deadline has passed, or an error ended the wait."""
        with TRIGGER_THREADS:
            event = await self._wait()
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        self._start_poller()
        polls = 0
        try:
            while True:
                polls += 1
                try:
                    if (await self._poll()).met:
                        return {"met": True, "seen": self._poller.describe_last()}
                except EdgeImpulseError as error:
                    if not error.retryable or not self.silent_fail:
                        return error.to_event()
                    log.error("The poll failed: %s", error)
                except Exception as error:
                    # For instance a connection that does not exist: transient, as in poke mode.
                    failure = EdgeImpulseError(f"{error} ({type(error).__name__})")
                    if not self.silent_fail:
                        log.debug("The poll failed", exc_info=True)
                        return failure.to_event()
                    log.error("The poll failed: %s", failure)
                left = None if self.deadline is None else self.deadline - time.time()
                if left is not None and left <= 0:
                    self._poller.log_last()
                    return {"timed_out": True, "seen": self._poller.describe_last()}
                interval = self._interval(polls)
                await asyncio.sleep(interval if left is None else min(interval, left))
        finally:
            self._hook.cancel()  # ends a running poll when the trigger is canceled
            self._hook.close()

    async def _poll(self) -> Observation:
        """Poll, with the tries and the patience that the connection allows; no thread is held while waiting."""
        failures = tries = 0
        throttled_since: float | None = None
        while True:
            hook = self._hook
            try:
                return await self._try_to_poll()
            except EdgeImpulseServiceError as error:
                if not error.retryable:
                    raise
                failures += 1
                if error.throttled:
                    throttled_since = throttled_since or time.monotonic()
                    exhausted = time.monotonic() - throttled_since > hook.throttle_patience
                else:
                    tries += 1
                    exhausted = tries >= hook.allowed_tries
                if exhausted:
                    raise
                wait = max(error.requested_wait, random.uniform(0, hook.base_wait * 2 ** min(failures - 1, 16)))
                wait = min(wait, MAX_RETRY_WAIT)
                log.warning("%s Trying again in %.1f s.", error, wait)
            await asyncio.sleep(wait)

    async def _try_to_poll(self) -> Observation:
        poller, hook = self._poller, self._hook

        def poll() -> Observation:
            try:
                return poller.poll()
            finally:
                hook.close()  # a thousand waiting triggers must not hold a thousand sockets

        future = TRIGGER_THREADS.submit(poll)
        result = asyncio.wrap_future(future)
        progress, since = -1, time.monotonic()
        try:
            while not (await asyncio.wait({result}, timeout=min(1.0, STALL_SECONDS / 4)))[0]:
                now = time.monotonic()
                if not future.running() or hook.requests_sent != progress:
                    progress, since = hook.requests_sent, now
                elif now - since >= STALL_SECONDS:
                    hook.cancel()
                    self._start_poller()
                    raise EdgeImpulseUnavailableError(
                        f"The service did not answer within {STALL_SECONDS:g} s. Check that it is up.", ambiguous=False
                    )
            return result.result()
        finally:
            result.cancel()  # removes a call that still waits for a thread from the queue

    def _start_poller(self) -> None:
        self._hook = self._create_hook()
        self._poller = Poller(self.criteria, self._hook)

    def _interval(self, polls: int) -> float:
        """Return the seconds until the next poll, as sensors in poke mode choose them."""
        if not self.exponential_backoff:
            return self.poke_interval
        shortest = max(self.poke_interval * 2.0 ** min(polls - 2, 64), 1.0)
        interval = random.uniform(shortest, 2 * shortest)
        return interval if self.max_wait is None else min(interval, self.max_wait)
