"""Decorator for methods that end as soon as the task is killed, even if the source hangs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeVar, cast


class Cancellable(Protocol):
    """An object whose methods can be interrupted."""

    def check_cancelled(self) -> None:
        """Raise an error after :meth:`cancel`."""

    def cancel(self) -> None:
        """Cancel the running call."""


def _pulled(value: Any) -> Any:
    """Return lists instead of the lazy sequences of mapped tasks' results, which Airflow pulls on access."""
    if isinstance(value, list):
        return [_pulled(one) for one in value]
    is_lazy = isinstance(value, Sequence) and type(value).__name__.startswith("Lazy")
    return list(value) if is_lazy else value


_Method = TypeVar("_Method", bound=Callable[..., Any])


def interruptible(method: _Method) -> _Method:
    """Run a method in a separate thread, which is abandoned when the hook is cancelled or the caller is interrupted.

    A source may hang forever, in a system call or in an object store. Airflow 3 calls ``on_kill`` in the main thread
    and then continues, so nothing else would end a call that hangs. An interrupted hook remains cancelled, so an
    abandoned thread sends nothing.
    """

    @wraps(method)
    def run(hook: Cancellable, /, *args: Any, **kwargs: Any) -> Any:
        from airflow_provider_ei.sync.concurrency import run_interruptibly

        # Before the thread starts: lazy values must be pulled in the thread that created them.
        given = {name: _pulled(value) for name, value in kwargs.items()}
        return run_interruptibly(
            lambda: method(hook, *args, **given), check=hook.check_cancelled, interrupt=hook.cancel
        )

    return cast("_Method", run)
