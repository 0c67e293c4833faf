"""Work in several threads, whose end nobody has to wait for when the task is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError
from airflow_provider_ei.hooks import edge_impulse
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.sources.local import Disk
from airflow_provider_ei.sync.concurrency import run_in_threads, run_interruptibly

name: ContextVar[str] = ContextVar("name", default="nobody")


class Stopped(BaseException):
    """As Airflow's own, which are no ``Exception``."""


class Stop:
    """Ends the waiting once it is told to, and takes note of what is called."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.interrupted = 0

    def check(self) -> None:
        if self.stopped.is_set():
            raise Stopped

    def interrupt(self) -> None:
        self.interrupted += 1


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Ends what hangs, at the end of the test if not before."""
    event = threading.Event()
    yield event
    event.set()
    for thread in ours():
        thread.join(60)


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("edge-impulse-worker-")]


def share(pieces: Any, work: Callable[[Any], object], stop: Stop, workers: int = 3) -> None:
    run_in_threads(pieces, work, workers=workers, check=stop.check, interrupt=stop.interrupt)


@pytest.mark.parametrize("workers", [1, 3, 64])
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_each_piece_is_done_once_and_no_thread_is_left(stop: Stop, workers: int, count: int) -> None:
    done: list[int] = []
    share(range(count), done.append, stop, workers)
    assert sorted(done) == list(range(count))
    assert ours() == []
    assert stop.interrupted == 0


def test_the_first_error_is_raised_and_no_further_piece_begun(stop: Stop) -> None:
    begun: list[int] = []

    def work(piece: int) -> None:
        begun.append(piece)
        raise Stopped(piece)

    with pytest.raises(Stopped, match="0"):
        share(range(9), work, stop, workers=1)
    assert begun == [0]


def test_what_is_under_way_is_waited_for_when_another_piece_fails(stop: Stop) -> None:
    failed = threading.Event()
    ended: list[int] = []

    def work(piece: int) -> None:
        if piece:
            failed.set()
            raise ValueError(piece)
        failed.wait(60)
        ended.append(piece)

    with pytest.raises(ValueError, match="1"):
        share(range(9), work, stop, workers=2)
    assert ended == [0]


def test_threads_that_hang_are_abandoned_and_begin_nothing_more(stop: Stop, released: threading.Event) -> None:
    begun: list[int] = []

    def work(piece: int) -> None:
        begun.append(piece)
        if len(begun) == 3:
            stop.stopped.set()
        released.wait()

    with pytest.raises(Stopped):
        share(range(9), work, stop)
    assert not released.is_set()
    assert stop.interrupted == 1
    hanging = ours()
    assert len(hanging) == 3
    assert all(thread.daemon for thread in hanging)  # or the process would not end
    released.set()
    for thread in hanging:
        thread.join(60)
    assert sorted(begun) == [0, 1, 2]


def test_nothing_begins_when_it_was_stopped_before(stop: Stop) -> None:
    stop.stopped.set()
    begun: list[int] = []
    with pytest.raises(Stopped):
        share(range(9), begun.append, stop)
    assert begun == []


def test_a_call_returns_raises_and_sees_the_callers_context(stop: Stop) -> None:
    name.set("somebody")
    assert run_interruptibly(name.get, check=stop.check, interrupt=stop.interrupt) == "somebody"
    with pytest.raises(ZeroDivisionError):
        run_interruptibly(lambda: 1 // 0, check=stop.check, interrupt=stop.interrupt)


@pytest.mark.parametrize("method", ["add_data", "sync_dataset", "plan_shards"])
def test_what_a_hook_has_abandoned_sends_nothing_when_its_source_answers_after_all(
    studio: EmulatorServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, released: threading.Event, method: str
) -> None:
    (tmp_path / "item").mkdir()
    (tmp_path / "item" / "x.csv").write_text("1")
    hook = EdgeImpulseHook()
    scan = Disk.scan

    def hang(disk: Disk, folder: str) -> Any:
        hook.cancel()
        released.wait()
        return scan(disk, folder)

    monkeypatch.setattr(Disk, "scan", hang)
    arguments: dict[str, Any] = {
        "add_data": {"name": "n", "files": str(tmp_path)},
        "sync_dataset": {"source": str(tmp_path)},
        "plan_shards": {"source": str(tmp_path), "shards": 2},
    }
    with pytest.raises(EdgeImpulseCancelledError):
        getattr(hook, method)(dataset="d", **arguments[method])
    hook.close()
    (hanging,) = ours()
    released.set()
    hanging.join(60)
    assert not hanging.is_alive()
    assert studio.requests() == []


def test_a_hook_that_is_interrupted_by_an_exception_is_cancelled(
    studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    hook = EdgeImpulseHook()
    monkeypatch.setattr(edge_impulse, "open_store", lambda uri: released.wait())
    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        if len(checks) == 3:
            raise Stopped  # as a signal's handler does, while the main thread waits

    monkeypatch.setattr(hook, "check_cancelled", check)
    with pytest.raises(Stopped):
        hook.add_data(name="n", dataset="d", files="s3://bucket/key")
    monkeypatch.undo()
    with pytest.raises(EdgeImpulseCancelledError):
        hook.check_cancelled()
