"""Methods that end as soon as the task is told to stop, whatever they are waiting for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeVar, cast


class Cancellable(Protocol):
    """What the methods belong to."""

    def check_cancelled(self) -> None:
        """Raise once it was cancelled."""

    def cancel(self) -> None:
        """End what is under way."""


def _pulled(value: Any) -> Any:
    """Return a list in the place of a sequence of mapped tasks' results, which is pulled when it is read."""
    if isinstance(value, list):
        return [_pulled(one) for one in value]
    is_lazy = isinstance(value, Sequence) and type(value).__name__.startswith("Lazy")
    return list(value) if is_lazy else value


_Method = TypeVar("_Method", bound=Callable[..., Any])


def interruptible(method: _Method) -> _Method:
    """Run a method in a thread of its own, which is abandoned when the hook is cancelled or the caller interrupted.

    A source may hang for ever, in a system call or in an object store. Airflow 3 calls ``on_kill`` in the main thread
    and lets it go on, so nothing else would end a call that hangs there. An interrupted hook stays cancelled: what was
    abandoned sends nothing more.
    """

    @wraps(method)
    def run(hook: Cancellable, /, *args: Any, **kwargs: Any) -> Any:
        from airflow_provider_ei.sync.concurrency import run_interruptibly

        # Before the thread begins: what pulls its values from Airflow's database does so in the thread that made it.
        given = {name: _pulled(value) for name, value in kwargs.items()}
        return run_interruptibly(
            lambda: method(hook, *args, **given), check=hook.check_cancelled, interrupt=hook.cancel
        )

    return cast("_Method", run)
