"""A process that asks before each step whether it may take it, so that a test can kill it there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_ei.emulator import RequestRecord
from tests.support.studio import KEY

from .lab import FaultLab


class Stepping:
    """The process, which waits for leave before each step."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def asks(self) -> str:
        """Wait for its next question: ``request``, ``block``, or ``done``."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def pass_by(self, steps: int) -> None:
        """Let it take so many steps, and wait until it asks for the next one."""
        for _ in range(steps):
            assert self.asks() in ("request", "block")
            self.go_on()
        assert self.asks() in ("request", "block")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)


@contextmanager
def stepping(lab: FaultLab, module: str, steps: str, given: Mapping[str, Any]) -> Iterator[Stepping]:
    """Start ``python -m tests.faults.<module>``.

    :param steps: before what it asks.
    :param given: its first line of input, as JSON.
    """
    command = [sys.executable, "-m", f"tests.faults.{module}", lab.server.url, KEY, steps]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        yield Stepping(process)
    finally:
        process.kill()
        process.wait(30)


def wait_for(lab: FaultLab, at: int, condition: Callable[[RequestRecord], object]) -> None:
    """Wait until a request is as far as that."""
    wait_until(lab, lambda log: len(log) > at and condition(log[at]))


def wait_until(lab: FaultLab, condition: Callable[[Sequence[RequestRecord]], object]) -> None:
    """Wait until the requests so far are as they should be."""
    deadline = time.monotonic() + 60
    while not condition(lab.server.requests()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.002)
