"""A process that is killed while it syncs with many threads, before and after each of its requests.

Whatever the other threads were at: nothing is called complete that is not, the next run makes it right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.sync.item import plan as plan_module
from tests.support.studio import ADD, CREATE, DELETE, GET, LIST, ORGANIZATION, UPDATE, changes

from . import trees
from .lab import DATASET, FaultLab, State
from .stepping import Stepping, stepping, wait_until
from .syncing import WORKERS, sync_folder
from .trees import FOREIGN, SMALL_ITEM_BYTES, SYNC_ID, TREES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

#: The requests of a sync of B, when A is there.
REQUESTS = {LIST: 4, GET: 4, CREATE: 1, ADD: 2, UPDATE: 4, DELETE: 1}

each_request = pytest.mark.parametrize("at", range(sum(REQUESTS.values())))
each_change = pytest.mark.parametrize(
    ("operation", "at"),
    [(operation, at) for operation, count in REQUESTS.items() if operation not in (LIST, GET) for at in range(count)],
)
each_end = pytest.mark.parametrize("letter", ["B", "A"], ids=["to the new", "back to the old"])


@pytest.fixture(autouse=True)
def small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of this process take the same items for small as those of the other one."""
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", SMALL_ITEM_BYTES)


class Scene:
    """An emulator, and the folder that is synced to it."""

    def __init__(self, lab: FaultLab, folder: Path) -> None:
        self.lab = lab
        self._folder = folder
        self._arguments = {"dataset": DATASET, "source": str(folder), "sync_id": SYNC_ID}
        self._before: State = ()
        self.tally = Counter(runs=0, kills=0)
        lab.put(FOREIGN)
        self.quiet_run("A")

    def syncing(self, steps: str = "none", settle_seconds: float = 0.0) -> AbstractContextManager[Stepping]:
        """The process that goes from A to B."""
        trees.write(TREES["B"], self._folder)
        self._before = self.lab.state()
        self.lab.server.clear_requests()
        self.tally["runs"] += 1
        given = {
            "organization": ORGANIZATION,
            "settle_seconds": settle_seconds,
            "small_item_bytes": SMALL_ITEM_BYTES,
            "arguments": self._arguments,
        }
        return stepping(self.lab, "syncing", steps, given)

    def kill(self, process: Stepping) -> None:
        process.kill()
        self.tally["kills"] += 1
        self.tally["requests"] += len(self.lab.server.requests())
        self.assert_undamaged()

    def quiet_run(self, letter: str, sleep: Callable[[float], None] | None = None) -> None:
        trees.write(TREES[letter], self._folder)
        self.tally["runs"] += 1
        with self.lab.api(sleep=sleep, connections=WORKERS, batch_files=2) as api:
            sync_folder(api, **self._arguments)

    def assert_undamaged(self) -> None:
        assert trees.damage(self.lab, TREES["B"], self._before, None) is None

    def assert_made_right(self, letter: str) -> None:
        """A quiet run makes it right, and one more has nothing to do."""
        self.quiet_run(letter)
        assert trees.problem(self.lab, TREES[letter]) is None
        self.lab.server.clear_requests()
        self.quiet_run(letter)
        assert changes(self.lab.server) == []
        assert trees.problem(self.lab, TREES[letter]) is None


@pytest.fixture
def scene(lab: FaultLab, tmp_path: Path, record_property: Callable[[str, object], None]) -> Iterator[Scene]:
    scene = Scene(lab, tmp_path / "source")
    yield scene
    record_property("faults", dict(scene.tally))


def test_these_are_the_requests(scene: Scene) -> None:
    """Those that the tests below stop at."""
    with scene.syncing("requests") as process:
        process.pass_by(sum(REQUESTS.values()) - 1)
        process.go_on()
        assert process.asks() == "done"
    assert Counter(request.operation for request in scene.lab.server.requests()) == REQUESTS
    assert trees.problem(scene.lab, TREES["B"]) is None


@each_request
@each_end
def test_before_a_request(scene: Scene, at: int, letter: str) -> None:
    with scene.syncing("requests") as process:
        process.pass_by(at)
        scene.kill(process)
    assert len(scene.lab.server.requests()) <= at
    scene.assert_made_right(letter)


@each_change
@each_end
def test_after_it_is_stored_and_before_the_answer(scene: Scene, operation: str, at: int, letter: str) -> None:
    scene.lab.inject("slow", at, operation, delay_seconds=3600.0)
    with scene.syncing() as process:
        wait_until(scene.lab, lambda log: any(request.fault and request.changed for request in log))
        scene.kill(process)
    scene.assert_made_right(letter)


@each_change
@pytest.mark.parametrize("kind", ["drop_before", "store_late"])
def test_while_it_waits_after_a_lost_answer(scene: Scene, operation: str, at: int, kind: str) -> None:
    """What is late arrives when the process is gone, and before the next run."""
    scene.lab.inject(kind, at, operation)
    with scene.syncing(settle_seconds=3600.0) as process:
        wait_until(scene.lab, lambda log: any(request.fault for request in log))
        scene.kill(process)
    scene.lab.land()
    scene.assert_undamaged()
    scene.assert_made_right("B")


@each_change
def test_what_is_late_arrives_in_the_next_run(scene: Scene, operation: str, at: int) -> None:
    """Nobody has waited for it. It arrives between two listings of the next run, unless that waits by itself."""
    lab = scene.lab
    lab.inject("store_late", at, operation)
    with scene.syncing(settle_seconds=3600.0) as process:
        wait_until(lab, lambda log: any(request.fault for request in log) and lab.is_late)
        scene.kill(process)
    lab.inject("status", 1, LIST)
    try:
        scene.quiet_run("A", sleep=lambda seconds: lab.land())
    except EdgeImpulseError as error:
        assert error.retryable
    lab.forget_faults()
    lab.land()
    scene.assert_undamaged()
    scene.assert_made_right("A")
