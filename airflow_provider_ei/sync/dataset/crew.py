"""Several threads that take one piece of work after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

_T = TypeVar("_T")


def share(pieces: Iterable[_T], work: Callable[[_T], object], *, workers: int, interrupt: Callable[[], None]) -> None:
    """Do the work on each piece, begun in their order.

    When it raises, no further piece is begun; what is under way is waited for, and the first error is raised.

    :param workers: how many threads at most.
    :param interrupt: ends what is under way, when the waiting itself is ended: by a timeout, a kill.
    """
    todo = iter(pieces)
    lock = threading.Lock()
    stopped = False

    def go_on() -> None:
        nonlocal stopped
        while not stopped:
            with lock:
                try:
                    piece = next(todo)
                except StopIteration:
                    return
            try:
                work(piece)
            except BaseException:
                stopped = True
                raise

    with ThreadPoolExecutor(workers, thread_name_prefix="edge-impulse-sync") as pool:
        threads = [pool.submit(go_on) for _ in range(workers)]
        try:
            wait(threads)
        except BaseException:
            stopped = True
            interrupt()
            raise
        for thread in threads:
            thread.result()
