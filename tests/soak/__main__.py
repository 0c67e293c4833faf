"""Run syncs and uploads against a faulty service for minutes, in one process whose resources must not grow.

usage: python -m tests.soak [SECONDS]. Syncs with deletes in eight threads, and single uploads in eight threads, go
through storms of every kind of fault and through a steady limit, and some are killed. Whenever the weather clears, one
run has to make everything exactly right; memory, descriptors and threads stay as they were after the warm-up.
"""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-soak-"))

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.results import count_changes
from tests.soak.figures import Figures, check_flat, measure
from tests.soak.service import FAULTS, LIMITED, ORGANIZATION
from tests.soak.world import SINGLE, SYNCED, World, in_order

KEY = "ei_the_key_of_the_soak"
WORKERS = 8

#: Share of the runs that are killed in bad weather, and the longest time that they have had by then, in seconds.
KILLED, LIFE_SECONDS = 0.3, 1.0

#: Of the time: what the first checks take until everything that is kept once is there.
WARM_UP = 0.2

CONNECTION = {
    "organization_id": ORGANIZATION,
    "retry_wait": 0.02,
    "settle_seconds": 0.1,
    "read_timeout": 2,
    "throttle_patience": 30,
    "batch_bytes": 1_000_000,
}


class Service:
    """The process of the emulated Studio."""

    def __init__(self, seed: int) -> None:
        command = [sys.executable, "-m", "tests.soak.service", KEY, str(seed)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self.counts: Counter[str] = Counter()

    def tell(self, weather: str, *, items: bool = False) -> list[dict[str, Any]]:
        """Set the kind of faults, and return all data items if requested."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"weather": weather, "items": items}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        self.counts = Counter(answer["counts"])
        return answer["items"] or []

    @property
    def faults(self) -> int:
        return self.counts.total() - self.counts["requests"]

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Soak:
    """The runs and their outcomes."""

    def __init__(self, service: Service, world: World, seed: int) -> None:
        self._service = service
        self._world = world
        self._random = random.Random(seed)
        self._begun = time.monotonic()
        self.rounds = self.kills = 0
        self.endings: Counter[str] = Counter()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def bad_round(self) -> None:
        """Change the files and run under faults; a run may fail, but must report it."""
        self.rounds += 1
        self._world.change()
        self._service.tell("limit" if self.rounds % 3 == 0 else "storm")
        self._run(self._sync, may_fail=True)
        self._upload_singles(may_fail=True)

    def good_round(self) -> Figures:
        """Run without faults: the first run repairs everything, the second finds nothing to do.

        :raises AssertionError: when an item is not exactly as it should be.
        """
        self._service.tell("clear")
        self._run(self._sync)
        self._upload_singles()
        there, wanted = in_order(self._service.tell("clear", items=True)), self._world.expected()
        assert there == wanted, difference(there, wanted)
        with EdgeImpulseHook() as hook:
            summary = self._sync(hook)
        assert not count_changes(summary), summary
        counts = self._service.counts
        return measure(
            seconds=self.seconds,
            rounds=self.rounds,
            requests=counts["requests"],
            faults=self._service.faults,
            kills=self.kills,
        )

    def _upload_singles(self, *, may_fail: bool = False) -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            for folder in self._world.single_folders():
                pool.submit(self._run, self._single(folder), may_fail=may_fail).add_done_callback(_raise)

    def _sync(self, hook: EdgeImpulseHook) -> Any:
        return hook.sync_dataset(
            dataset=SYNCED,
            source=str(self._world.folder),
            metadata={"source": SYNCED},
            delete="extra",
            max_delete="100%",
            sync_id="soak",
            workers=WORKERS,
        )

    def _single(self, folder: Path) -> Callable[[EdgeImpulseHook], Any]:
        return lambda hook: hook.add_data(
            name=folder.name, dataset=SINGLE, files=str(folder), metadata={"source": SINGLE}
        )

    def _run(self, call: Callable[[EdgeImpulseHook], Any], *, may_fail: bool = False) -> None:
        """Do what a task does: create a hook, use it, close it; under faults, some runs are killed."""
        with EdgeImpulseHook() as hook:
            timer = threading.Timer(self._random.uniform(0, LIFE_SECONDS), hook.cancel)
            killed = may_fail and self._random.random() < KILLED
            if killed:
                self.kills += 1
                timer.start()
            try:
                call(hook)
                self.endings["success"] += 1
            except EdgeImpulseError as error:
                if not may_fail:
                    raise
                self.endings[type(error).__name__] += 1
            finally:
                timer.cancel()
                if killed:
                    timer.join()


_failed: list[BaseException] = []


def _raise(future: Any) -> None:
    if future.exception() is not None:
        _failed.append(future.exception())


def difference(there: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> str:
    """Return the names of items that differ from the files."""
    lost = [item for item in wanted if item not in there]
    more = [item for item in there if item not in wanted]
    doubled = [item for item in there if there.count(item) > 1]
    return f"lost or wrong: {lost[:3]}; not wanted: {more[:3]}; twice: {doubled[:3]}"


def soak(seconds: float, seed: int) -> None:
    """Run for this long, print the figures and check them.

    :raises AssertionError: when the end state is not exact, or something has grown.
    """
    logging.disable()  # thousands of warnings about injected faults
    service = Service(seed)
    try:
        connection = {"conn_type": "edge_impulse", "host": service.url, "password": KEY, "extra": CONNECTION}
        os.environ["AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT"] = json.dumps(connection)
        with tempfile.TemporaryDirectory(prefix="soak-") as top:
            world = World(Path(top), seed)
            with EdgeImpulseHook() as hook:
                world.add_items_of_others(hook.data_api)
            run = Soak(service, world, seed)
            print(f"{seconds:.0f} s, seed {seed}\n{Figures.HEAD}", flush=True)
            warm: Figures | None = None
            shown = 0.0
            while run.seconds < seconds or warm is None:
                for _ in range(3):
                    run.bad_round()
                figures = run.good_round()
                assert not _failed, _failed[0]
                if warm is not None:
                    check_flat(warm, figures)
                elif run.seconds > WARM_UP * seconds:
                    warm = figures
                    shown = run.seconds
                    print(f"{figures}  from here on", flush=True)
                if run.seconds - shown > seconds / 10 or run.seconds >= seconds:
                    shown = run.seconds
                    print(figures, flush=True)
        print(", ".join(f"{name} {count:,}" for name, count in sorted(service.counts.items())))
        print(", ".join(f"{name} {count:,}" for name, count in sorted(run.endings.items())))
        missing = {*FAULTS, LIMITED} - set(service.counts)
        assert not missing, f"these faults have hit nothing: {missing}"
        assert run.kills, "nothing was killed"
    finally:
        service.stop()


if __name__ == "__main__":
    soak(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0, seed=random.randrange(10**6))
