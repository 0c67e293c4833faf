"""Processes that do not outlive the test, and waiting with a message about what did not happen."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

_TAIL_BYTES = 4000
_GRACE_SECONDS = 15

Found = TypeVar("Found")


class Process:
    """A process in a session of its own, with its output in a file.

    :param user: whom it runs as; None means who runs the tests.
    :param stop_signal: ends it in good order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self._log = log
        self._stop_signal = stop_signal
        with log.open("wb") as file:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=log.parent,
                start_new_session=True,
                **as_user(user),
            )

    @property
    def runs(self) -> bool:
        return self._popen.poll() is None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def tail(self) -> str:
        state = "running" if self.runs else f"ended with {self._popen.returncode}"
        return f"--- {self.name} ({state}):\n{self.log()[-_TAIL_BYTES:]}"

    def kill(self) -> None:
        """Kill it, without warning, with all that it has started: as when a machine is lost."""
        self._kill_all(self._family())

    def stop(self) -> None:
        """End it in good order; what is left of it after that is killed."""
        family = self._family()
        if self.runs:
            self._popen.send_signal(self._stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(_GRACE_SECONDS)
        self._kill_all(family)

    def _family(self) -> list[psutil.Process]:
        """Return it and what it has started: tasks and PostgreSQL's backends have process groups of their own."""
        try:
            this = psutil.Process(self._popen.pid)
            return [this, *this.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _kill_all(self, family: Sequence[psutil.Process]) -> None:
        for process in family:
            with suppress(psutil.NoSuchProcess):  # which is also raised where the number is another process's by now
                process.kill()
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()


def as_user(name: str | None) -> dict[str, Any]:
    """Return the arguments of Popen that make it another user's process."""
    return {} if name is None else {"user": name, "group": name, "extra_groups": []}


def wait_for(
    what: str,
    probe: Callable[[], Found | None],
    processes: Sequence[Process],
    *,
    seconds: float = 60,
    pause: float = 0.1,
) -> Found:
    """Return what ``probe`` finds, as soon as that is true.

    :param processes: have to run meanwhile; their last words are shown when it takes too long.
    """
    until = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        dead = [process.name for process in processes if not process.runs]
        if dead or time.monotonic() > until:
            why = f"{', '.join(dead)} ended" if dead else f"not within {seconds:g} s"
            raise AssertionError("\n".join([f"{what}: {why}", *(process.tail() for process in processes)]))
        time.sleep(pause)
