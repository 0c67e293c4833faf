"""Resources of a long-lived process that must not grow: memory, descriptors, threads."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import dataclass

import psutil

#: Bytes of memory that may come after the warm-up, however long the run: what the allocator keeps of its peaks.
SLACK_BYTES = 30 << 20


@dataclass(frozen=True)
class Figures:
    """One measurement of this process."""

    seconds: float
    rounds: int
    requests: int
    faults: int
    kills: int
    memory: int
    descriptors: int
    threads: int

    HEAD = (
        f"{'seconds':>8} {'rounds':>7} {'requests':>9} {'faults':>7} {'kills':>6} {'MB':>7} {'fds':>5} {'threads':>8}"
    )

    def __str__(self) -> str:
        return (
            f"{self.seconds:8.0f} {self.rounds:7,} {self.requests:9,} {self.faults:7,} {self.kills:6,} "
            f"{self.memory / 2**20:7.1f} {self.descriptors:5} {self.threads:8}"
        )


def measure(*, seconds: float, rounds: int, requests: int, faults: int, kills: int) -> Figures:
    """Measure this process after the threads of killed runs have ended."""
    deadline = time.monotonic() + 60
    while any(thread.name.startswith("edge-impulse") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, f"threads are left: {threading.enumerate()}"
        time.sleep(0.01)
    gc.collect()
    process = psutil.Process()
    return Figures(
        seconds, rounds, requests, faults, kills, process.memory_info().rss, process.num_fds(), process.num_threads()
    )


def check_flat(warm: Figures, later: Figures) -> None:
    """Compare with the measurement after the warm-up.

    :raises AssertionError: when something has grown.
    """
    assert later.descriptors == warm.descriptors, f"{warm.descriptors} descriptors became {later.descriptors}"
    assert later.threads == warm.threads, f"{warm.threads} threads became {later.threads}"
    grown = later.memory - warm.memory
    assert grown <= SLACK_BYTES, f"memory grew by {grown / 2**20:.1f} MB"
