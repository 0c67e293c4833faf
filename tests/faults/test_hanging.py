"""A task that is killed, or runs into its time limit, ends although what it waits for never comes.

The sources hang in real system calls, for ever; the process ends all the same, and the next run completes what is left.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from tests.support.items import state_of
from tests.support.studio import CREATE, LIST, contents

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ITEMS = [f"s{number}" for number in range(4)]
WORKERS = 3
FILE = b"timestamp,x\n0,1\n" * 100

#: Seconds that a kill may take on a machine with much else to do. What hangs would hang for ever.
LIMIT = 30


@dataclass(frozen=True)
class End:
    """How a task is ended, and the error that it ends with; None when the process is gone at once."""

    signal: signal.Signals
    error: str | None
    raises: bool = False


#: Airflow 3 calls ``on_kill`` and raises nothing.
KILL = End(signal.SIGTERM, "EdgeImpulseCancelledError")
OTHER_ENDS = {
    "Airflow 2's kill": End(signal.SIGTERM, "Terminated", raises=True),
    "time limit": End(signal.SIGALRM, "AirflowTaskTimeout"),
    "SIGKILL": End(signal.SIGKILL, None),
}
each_other_end = pytest.mark.parametrize("end", OTHER_ENDS.values(), ids=OTHER_ENDS)
each_operator = pytest.mark.parametrize("operator", ["add", "sync"])


class Scene:
    """A folder, the process that uploads it, and Studio."""

    def __init__(self, studio: EmulatorServer, top: Path, report: Callable[[str, object], None]) -> None:
        self.studio = studio
        self._top = top
        self._report = report
        self.write()

    def write(self) -> None:
        """Create all files again, with a new modification time."""
        shutil.rmtree(self._top, ignore_errors=True)
        for name in ITEMS:
            (self._top / name).mkdir(parents=True)
            (self._top / name / "motion.csv").write_bytes(FILE)
            os.utime(self._top / name / "motion.csv", (1_700_000_000, 1_700_000_000 + time.monotonic()))

    def arguments(self, operator: str, scheme: str = "file") -> dict[str, Any]:
        if operator == "add":
            return {"name": "s0", "dataset": "d", "files": f"{scheme}://{self._top}/s0"}
        sync = {"dataset": "d", "source": f"{scheme}://{self._top}", "sync_id": "s", "delete": "extra"}
        return sync | {"workers": WORKERS}

    @contextmanager
    def running(self, operator: str, end: End, hangs: str | None = None) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.hanging"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        given = {"operator": operator, "arguments": self.arguments(operator, "stalls"), "hangs": hangs}
        given["raises"] = end.raises
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(given) + "\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()
            process.wait(30)

    def assert_ends(self, process: subprocess.Popen[str], end: End, *, threads: int | None = None) -> None:
        """End the task, and see that the process is gone before what it waits for has come.

        :param threads: so many were hanging to the last.
        """
        process.send_signal(end.signal)
        output, _ = process.communicate(timeout=LIMIT)
        if end.error is None:
            assert process.returncode == -signal.SIGKILL
            return
        told = json.loads(output.splitlines()[-1])
        self._report("seconds until the task ended", told["seconds"])
        assert told["ending"] == end.error
        assert process.returncode == 0
        if threads is not None:
            assert len(told["threads"]) >= threads

    def assert_next_run_completes(self, operator: str) -> None:
        """Nothing was called complete that is not; a run whose source answers makes it right."""
        self.studio.before_request(None)
        for item in self.studio.items("d"):
            state = state_of(item)
            assert state is not None
            assert not state.complete or contents(self.studio, item.id) == {"motion.csv": FILE}
        self.write()
        getattr(EdgeImpulseHook(), {"add": "add_data", "sync": "sync_dataset"}[operator])(**self.arguments(operator))
        items = self.studio.items("d")
        assert sorted(item.name for item in items) == (["s0"] if operator == "add" else ITEMS)
        assert all(contents(self.studio, item.id) == {"motion.csv": FILE} for item in items)


@pytest.fixture
def scene(
    studio: EmulatorServer,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> Scene:
    return Scene(studio, tmp_path / "source", record_property)


def wait_for_lines(process: subprocess.Popen[str], count: int) -> None:
    """Wait until so many threads hang; Airflow's log goes to the same place."""
    assert process.stdout is not None
    while count:
        line = process.stdout.readline()
        assert line, "the process ended"
        count -= line == "hanging\n"


def wait_for_fault(studio: EmulatorServer, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 100
    while not any(request.fault for request in studio.requests()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestSourceThatHangs:
    def check(self, scene: Scene, operator: str, hangs: str, end: End) -> None:
        at_once = WORKERS if operator == "sync" and hangs != "list" else 1  # all threads of the sync, a full pool
        with scene.running(operator, end, hangs) as process:
            wait_for_lines(process, at_once)
            scene.assert_ends(process, end, threads=at_once)
        scene.assert_next_run_completes(operator)

    @each_operator
    @pytest.mark.parametrize("hangs", ["list", "open", "read"])
    def test_a_kill_ends_the_task(self, scene: Scene, operator: str, hangs: str) -> None:
        self.check(scene, operator, hangs, KILL)

    @each_other_end
    @pytest.mark.parametrize(("operator", "hangs"), [("add", "list"), ("sync", "open")])
    def test_however_it_is_ended(self, scene: Scene, operator: str, hangs: str, end: End) -> None:
        self.check(scene, operator, hangs, end)

    @each_operator
    def test_while_it_is_read_to_compare(self, scene: Scene, operator: str) -> None:
        scene.assert_next_run_completes(operator)
        scene.write()  # the sizes are the same, so the files must be read
        self.check(scene, operator, "read", KILL)


class TestServiceThatHangs:
    @each_operator
    @pytest.mark.parametrize("operation", [LIST, CREATE])
    def test_a_kill_ends_the_wait_for_an_answer(self, scene: Scene, operator: str, operation: str) -> None:
        scene.studio.inject(Fault(operation=operation, kind="slow", delay_seconds=600, count=100))
        self.check(scene, operator, KILL)

    @each_operator
    @pytest.mark.parametrize("status", [429, 503])
    def test_a_kill_ends_the_wait_for_throttling(self, scene: Scene, operator: str, status: int) -> None:
        headers = {"Retry-After": "60"}
        scene.studio.inject(Fault(operation=CREATE, kind="status", status=status, headers=headers, count=100))
        self.check(scene, operator, KILL)

    @each_operator
    def test_a_kill_ends_the_wait_between_two_tries(
        self, scene: Scene, operator: str, connect: Callable[..., None]
    ) -> None:
        connect(scene.studio.url, organization_id=7, retry_wait=600, settle_seconds=600)
        scene.studio.inject(Fault(operation=CREATE, kind="status", status=502, count=100))
        with scene.running(operator, KILL) as process:
            wait_for_fault(scene.studio, process)
            scene.assert_ends(process, KILL)

    @each_other_end
    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param({"kind": "slow", "delay_seconds": 600}, id="answer"),
            pytest.param({"kind": "status", "status": 429, "headers": {"Retry-After": "60"}}, id="throttling"),
        ],
    )
    def test_however_it_is_ended(self, scene: Scene, fault: dict[str, Any], end: End) -> None:
        scene.studio.inject(Fault(operation=CREATE, count=100, **fault))
        self.check(scene, "sync", end)

    def check(self, scene: Scene, operator: str, end: End) -> None:
        with scene.running(operator, end) as process:
            wait_for_fault(scene.studio, process)
            scene.assert_ends(process, end)

    @each_operator
    def test_a_kill_ends_the_wait_for_a_connection(
        self, scene: Scene, operator: str, connect: Callable[..., None]
    ) -> None:
        with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            for filler in (first, second):  # the queue is full then, and nobody accepts
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            connect(f"http://127.0.0.1:{deaf.getsockname()[1]}", organization_id=7, connect_timeout=600)
            with scene.running(operator, KILL) as process:
                deadline = time.monotonic() + 100
                while not is_connecting(process.pid, deaf.getsockname()[1]):
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                scene.assert_ends(process, KILL)


def is_connecting(pid: int, port: int) -> bool:
    """Whether a process waits for the other side of a connection to that port."""
    connections = psutil.Process(pid).net_connections("tcp4")
    return any(one.status == psutil.CONN_SYN_SENT and one.raddr.port == port for one in connections)
