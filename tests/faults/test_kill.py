"""A process that is killed while it uploads, before, in and after each of its requests: the next run makes it right."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import RequestRecord
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.sync import plan as plan_module
from tests.sync.support import KEY, ORGANIZATION, changes

from .support import ADD, CREATE, DATASET, DELETE_FILE, LIST, NAME, UPDATE, Content, Lab, lies, upload

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

OLD = Content({"1.csv": b"first, old\n", "2.csv": b"second, old\n", "old.csv": b"third, old\n"}, {"run": "old"})
NEW = Content({"1.csv": b"FIRST, NEW\n", "2.csv": b"SECOND, NEW\n", "new.csv": b"THIRD, NEW\n"}, {"run": "new"})

#: The requests of an upload of NEW, by whether OLD is there.
REQUESTS = {
    "creation": [LIST, CREATE, LIST, ADD, LIST, UPDATE, LIST],
    "update": [LIST, UPDATE, ADD, ADD, LIST, DELETE_FILE, LIST, UPDATE, LIST],
}
#: The blocks in which its files are read: two for each.
BLOCKS = 6

each_request = pytest.mark.parametrize(
    ("work", "at"),
    [
        pytest.param(work, at, id=f"{work} {at} {operation}")
        for work, operations in REQUESTS.items()
        for at, operation in enumerate(operations)
    ],
)
each_change = pytest.mark.parametrize(
    ("work", "at"),
    [
        pytest.param(work, at, id=f"{work} {at} {operation}")
        for work, operations in REQUESTS.items()
        for at, operation in enumerate(operations)
        if operation != LIST
    ],
)


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of this process take items for large as well."""
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", 10)


def quiet_run(lab: Lab, content: Content) -> str:
    with lab.client(batch_files=2) as client:
        return upload(client, content)["outcome"]


def prepare(lab: Lab, work: str) -> None:
    if work == "update":
        quiet_run(lab, OLD)
    lab.server.clear_requests()


class Uploading:
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
def uploading(lab: Lab, content: Content, steps: str = "requests") -> Iterator[Uploading]:
    command = [sys.executable, "-m", "tests.faults.uploading", lab.server.url, KEY, steps]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    given = {
        "name": NAME,
        "dataset": DATASET,
        "organization": ORGANIZATION,
        "files": {name: data.decode() for name, data in content.files.items()},
        "metadata": dict(content.metadata),
    }
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        yield Uploading(process)
    finally:
        process.kill()
        process.wait(30)


def wait_for(lab: Lab, at: int, condition: Callable[[RequestRecord], object]) -> None:
    """Wait until a request is as far as that."""
    deadline = time.monotonic() + 60
    while len(log := lab.server.requests()) <= at or not condition(log[at]):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def assert_made_right(lab: Lab, content: Content) -> None:
    """Nothing is called complete that is not; a quiet run makes it right, and one more has nothing to do."""
    assert lies(lab.server, OLD, NEW) == []
    quiet_run(lab, content)
    assert lab.problem(content) is None
    lab.server.clear_requests()
    assert quiet_run(lab, content) == "unchanged"
    assert changes(lab.server) == []


class TestKilled:
    @pytest.mark.parametrize("work", REQUESTS)
    def test_these_are_the_requests(self, lab: Lab, work: str) -> None:
        """Those that the tests below stop at."""
        prepare(lab, work)
        with uploading(lab, NEW) as process:
            process.pass_by(len(REQUESTS[work]) - 1)
            process.go_on()
            assert process.asks() == "done"
        assert [request.operation for request in lab.server.requests()] == REQUESTS[work]
        assert lab.problem(NEW) is None

    @each_request
    @pytest.mark.parametrize("content", [NEW, OLD], ids=["to the new", "back to the old"])
    def test_before_a_request(self, lab: Lab, work: str, at: int, content: Content) -> None:
        prepare(lab, work)
        with uploading(lab, NEW) as process:
            process.pass_by(at)
            process.kill()
        assert len(lab.server.requests()) == at
        assert_made_right(lab, content)

    @each_change
    @pytest.mark.parametrize("content", [NEW, OLD], ids=["to the new", "back to the old"])
    def test_after_it_is_stored_and_before_the_answer(self, lab: Lab, work: str, at: int, content: Content) -> None:
        prepare(lab, work)
        lab.order("slow", at, delay_seconds=3600.0)
        with uploading(lab, NEW) as process:
            process.pass_by(at)
            process.go_on()
            wait_for(lab, at, lambda request: request.changed)
            process.kill()
        assert lab.server.requests()[at].status is None
        assert_made_right(lab, content)

    @each_change
    @pytest.mark.parametrize("kind", ["drop_before", "store_late"])
    def test_while_it_waits_after_a_lost_answer(self, lab: Lab, work: str, at: int, kind: str) -> None:
        """What is late arrives when the process is gone, and before the next run."""
        prepare(lab, work)
        lab.order(kind, at)
        with uploading(lab, NEW) as process:
            process.pass_by(at + 1)
            process.kill()
        assert lies(lab.server, OLD, NEW) == []
        lab.land()
        assert_made_right(lab, NEW)

    @each_change
    def test_what_is_late_arrives_in_the_next_run(self, lab: Lab, work: str, at: int) -> None:
        """Nobody has waited for it. The next run finds an item that another one has begun, and waits in its place."""
        prepare(lab, work)
        lab.order("store_late", at)
        with uploading(lab, NEW) as process:
            process.pass_by(at + 1)
            process.kill()
        # Without that wait, it would arrive when the next run looks at what it has sent.
        lab.order("status", 1, LIST)
        with lab.client(batch_files=2, sleep=lambda seconds: lab.land()) as client:
            try:
                upload(client, OLD)
            except EdgeImpulseError as error:
                assert not error.permanent
        lab.forget_faults()
        assert lies(lab.server, OLD, NEW) == []
        lab.land()
        assert_made_right(lab, OLD)

    @pytest.mark.parametrize("work", REQUESTS)
    @pytest.mark.parametrize("block", range(BLOCKS))
    def test_in_the_middle_of_a_body(self, lab: Lab, work: str, block: int) -> None:
        prepare(lab, work)
        with uploading(lab, NEW, "blocks") as process:
            asked = [process.asks()]
            while asked.count("block") <= block:
                process.go_on()
                asked.append(process.asks())
            at = asked.count("request") - 1
            wait_for(lab, at, lambda request: request.operation in (CREATE, ADD))
            process.kill()
        assert not lab.server.requests()[at].changed
        assert_made_right(lab, NEW)
