"""Calls of a hook in a thread, with a limit of their time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseUnavailableError
from airflow_provider_ei.hooks.connected import ConnectedHook
from airflow_provider_ei.triggers.threads import TRIGGER_THREADS

_H = TypeVar("_H", bound=ConnectedHook)
_T = TypeVar("_T")

#: Seconds after which a call that does not end is abandoned.
STALL_SECONDS = 60.0


async def call_hook(hook: _H, call: Callable[[_H], _T], what: str) -> _T:
    """Run a call in a thread and return its result. The hook's connections are closed after it.

    The hook is cancelled, and must not be used again, when the call does not end in time or the caller is cancelled.

    :param what: subject of the message when the call does not end.
    :raises EdgeImpulseUnavailableError: when it does not end in time.
    :raises EdgeImpulseError: whatever else goes wrong, for instance a connection that does not exist.
    """

    def run() -> _T:
        try:
            return call(hook)
        finally:
            hook.close()  # a thousand waiting triggers must not hold a thousand sockets

    result = asyncio.wrap_future(TRIGGER_THREADS.submit(run))
    try:
        async with asyncio.timeout(STALL_SECONDS):  # in Python 3.11, wait_for() may swallow a cancellation
            return await result
    except TimeoutError:
        hook.cancel()
        raise EdgeImpulseUnavailableError(
            f"Check that the service is up: {what} did not end within {STALL_SECONDS:g} s.", ambiguous=False
        ) from None
    except asyncio.CancelledError:
        hook.cancel()
        raise
    except EdgeImpulseError:
        raise
    except Exception as error:
        raise EdgeImpulseError(f"{error} ({type(error).__name__})") from None
