"""Stops a check in good order on Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(KeyboardInterrupt):
    """The process got a SIGTERM."""


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Raise :class:`Terminated` on SIGTERM, as Python raises KeyboardInterrupt on Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    with _handler(signal.SIGTERM, stop):
        yield


@contextmanager
def finish_first(on_interrupt: Callable[[], object]) -> Iterator[None]:
    """Ignore SIGTERM, and a Ctrl-C once; a second Ctrl-C raises KeyboardInterrupt.

    :param on_interrupt: called on the Ctrl-C that is ignored.
    """
    asked = False

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        on_interrupt()

    with _handler(signal.SIGTERM, signal.SIG_IGN), _handler(signal.SIGINT, interrupted):
        yield


@contextmanager
def _handler(number: signal.Signals, handler: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Python handles signals in the main thread only
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
