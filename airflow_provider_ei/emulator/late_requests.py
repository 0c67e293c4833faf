"""Requests that ``store_late`` faults have delayed: they are carried out although their clients got no response."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class LateRequests:
    """Delayed work. For the server's event loop only."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.TimerHandle, tuple[Callable[[], Awaitable[object]], Callable[[], None]]] = {}
        self._running: set[asyncio.Future[object]] = set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    def add(self, seconds: float, carry_out: Callable[[], Awaitable[object]], drop: Callable[[], None]) -> None:
        """Delay work.

        :param carry_out: called after that time.
        :param drop: called instead if the server stops, or forgets it.
        """

        def now() -> None:
            self._start(handle)

        handle = asyncio.get_running_loop().call_later(seconds, now)
        self._waiting[handle] = (carry_out, drop)

    async def flush(self) -> None:
        """Carry out now what is delayed."""
        for handle in list(self._waiting):
            handle.cancel()
            self._start(handle)
        await asyncio.gather(*self._running, return_exceptions=True)

    def drop(self) -> None:
        """Forget what is delayed."""
        for handle, (_, drop) in self._waiting.items():
            handle.cancel()
            drop()
        self._waiting.clear()

    def _start(self, handle: asyncio.TimerHandle) -> None:
        carry_out, _ = self._waiting.pop(handle)
        task = asyncio.ensure_future(carry_out())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
