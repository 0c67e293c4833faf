"""Threads for blocking calls of triggers, separate from the event loop's default executor.

The default executor also resolves host names for all other triggers, so a slow service must never occupy it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Self, TypeVar

_T = TypeVar("_T")

#: Maximum number of concurrent calls of all triggers of this process; further calls wait for a thread.
MAX_THREADS = 32


class SharedThreads:
    """A thread pool that all triggers of a process share. It exists while one of them is inside the context."""

    def __init__(self, size: int = MAX_THREADS) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._users = 0
        self._executor: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        with self._lock:
            self._users += 1
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._size, thread_name_prefix="edge-impulse-trigger")
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._executor is not None:
                self._executor.shutdown(wait=False, cancel_futures=True)
                self._executor = None

    def submit(self, call: Callable[[], _T]) -> Future[_T]:
        """Run a call in a thread with the caller's context variables, so that its log lines go to the trigger's log."""
        assert self._executor is not None, "Enter the context before calling submit()."
        return self._executor.submit(copy_context().run, call)


TRIGGER_THREADS = SharedThreads()
