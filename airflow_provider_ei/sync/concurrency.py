"""Worker threads that can be stopped even if the source hangs.

Python cannot end a thread that hangs in a system call or in an object store. So the waiting thread checks every
:data:`CHECK_SECONDS` whether to continue, and abandons threads that do not end. They are daemon threads: the threads of
``concurrent.futures`` are joined when the interpreter exits, and would keep the process alive for as long as they
hang.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import TypeVar

_T = TypeVar("_T")

#: Seconds between two checks of the waiting thread.
CHECK_SECONDS = 0.1

#: Seconds that threads get to end after they were stopped.
GRACE_SECONDS = 0.5


def run_in_threads(
    pieces: Iterable[_T],
    work: Callable[[_T], object],
    *,
    workers: int,
    check: Callable[[], None],
    interrupt: Callable[[], None],
) -> None:
    """Do the work on each piece in threads, starting the pieces in order.

    When the work on a piece raises an error, no further piece is started. The pieces in progress are finished, and the
    first error is raised. When the wait itself is ended by ``check``, a timeout or a kill, threads that hang are
    abandoned.

    :param workers: the maximum number of threads.
    :param check: called while waiting; raises to stop.
    :param interrupt: stops the running work as far as possible.
    """
    pool = _Pool(pieces, work)
    check()
    try:
        pool.start(workers)
        while not pool.ended.wait(CHECK_SECONDS):
            check()
    except BaseException:
        pool.stopped = True
        interrupt()
        pool.ended.wait(GRACE_SECONDS)
        raise
    pool.join()


def run_interruptibly(call: Callable[[], _T], *, check: Callable[[], None], interrupt: Callable[[], None]) -> _T:
    """Run a call in a thread and return its result. The thread is abandoned if the wait ends first.

    :param check: called while waiting; raises to stop.
    :param interrupt: stops the running work as far as possible.
    """
    results: list[_T] = []
    run_in_threads([call], lambda call: results.append(call()), workers=1, check=check, interrupt=interrupt)
    return results[0]


class _Pool:
    """Threads that take one piece after another.

    :ivar stopped: set it to start no further piece.
    :ivar ended: set when no thread is working anymore.
    """

    def __init__(self, pieces: Iterable[_T], work: Callable[[_T], object]) -> None:
        self.stopped = False
        self.ended = threading.Event()
        self._pieces = list(pieces)
        self._todo = iter(self._pieces)
        self._work = work
        self._lock = threading.Lock()
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._at_work = 0

    def start(self, workers: int) -> None:
        """Start the threads: at most one per piece."""
        count = self._at_work = min(workers, len(self._pieces))
        if not count:
            self.ended.set()
        for number in range(count):
            # In the caller's context, so that log lines go to the task's log.
            target = copy_context().run
            thread = threading.Thread(
                target=target, args=(self._run,), name=f"edge-impulse-worker-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait for the threads to exit after they have finished their work, and raise the first error."""
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _run(self) -> None:
        try:
            while not self.stopped:
                with self._lock:
                    try:
                        piece = next(self._todo)
                    except StopIteration:
                        return
                self._work(piece)
        except BaseException as error:
            self.stopped = True
            self._errors.append(error)
        finally:
            with self._lock:
                self._at_work -= 1
                if not self._at_work:
                    self.ended.set()
