"""Sync with two Celery workers, one of which may be killed: the dataset equals the folder, byte for byte."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault, StoredItem

from .runs import Run
from .stack import HEARTBEAT_TIMEOUT, Stack, Worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ITEMS = 60
SHARDS = 6
SHARD = "edge_impulse_sync.sync_shard"
FINISH = "edge_impulse_sync.finish"
CREATE = "addOrganizationDataItem"
#: Seconds, far more than the test takes.
NEVER = 1000.0

Contents = dict[str, dict[str, bytes]]


def make_source(folder: Path) -> Contents:
    """Create items of three small files; return their bytes by item and file."""
    chance = random.Random(folder.name)
    made: Contents = {}
    for number in range(ITEMS):
        item = folder / f"recording-{number:02d}"
        (item / "audio").mkdir(parents=True)
        files = made[item.name] = {
            "motion.csv": f"timestamp,x\n0,{chance.random()}\n".encode() * chance.randrange(1, 50),
            "notes.json": b'{"number": %d}' % number,
            "audio/left.wav": chance.randbytes(chance.randrange(1, 5000)),
        }
        for name, content in files.items():
            (item / name).write_bytes(content)
    return made


def check_dataset(studio: EmulatorServer, dataset: str, expected: Contents) -> None:
    items = studio.items(dataset)
    assert sorted(item.name for item in items) == sorted(expected)  # no item is missing or duplicated
    stored = {item.name: {file.name: studio.read_file(item.id, file.name) for file in item.files} for item in items}
    assert stored == expected
    assert [item.name for item in items if state(item) != "complete"] == []


def state(item: StoredItem) -> str:
    """The state of an item's upload."""
    said: str = json.loads(item.metadata["airflow_ei"])["state"]
    return said


def changing_requests(studio: EmulatorServer) -> list[str | None]:
    return [request.operation for request in studio.requests() if request.changed]


def shards_begun(worker: Worker, run: Run) -> set[int]:
    return {index for (task_id, index), _ in worker.attempts(run) if task_id == SHARD}


def running_shards(stack: Stack, run: Run) -> set[int]:
    states = stack.api.states(run)
    return {index for (task_id, index), state in states.items() if task_id == SHARD and state == "running"}


def test_both_workers_take_shards(stack: Stack, studio: EmulatorServer, sources: Path) -> None:
    expected = make_source(sources / "sync_on_two_workers")
    run = stack.api.trigger("sync_on_two_workers")
    stack.finish(run)
    begun = [shards_begun(worker, run) for worker in stack.workers]
    assert all(begun), begun
    assert begun[0] | begun[1] == set(range(SHARDS))
    check_dataset(studio, "sync_on_two_workers", expected)
    assert stack.api.returned(run, FINISH)["created"] == ITEMS


def test_the_other_worker_finishes_for_a_killed_one(stack: Stack, studio: EmulatorServer, sources: Path) -> None:
    dataset = "sync_with_a_killed_worker"
    expected = make_source(sources / dataset)
    # The service stores this item but does not respond, so its shard waits with a pending item.
    studio.inject(Fault(operation=CREATE, kind="slow", delay_seconds=NEVER, skip=12))
    run = stack.api.trigger(dataset)

    def held() -> str | None:
        return next((r.fields["name"] for r in studio.requests() if r.fault == "slow" and r.changed), None)

    held_item = stack.wait_for("a creation is held", held, run=run)
    # Each worker is busy with one shard; the blocked shard is still running when the other has ended.
    candidates = running_shards(stack, run)
    stack.wait_for("only the held shard is left", lambda: len(candidates & running_shards(stack, run)) == 1, run=run)
    (held_shard,) = candidates & running_shards(stack, run)
    (victim,) = [worker for worker in stack.workers if held_shard in shards_begun(worker, run)]
    (item,) = [item for item in studio.items(dataset) if item.name == held_item]
    assert state(item) == "pending"
    stack.kill(victim)

    (survivor,) = stack.workers
    stack.finish(run, seconds=HEARTBEAT_TIMEOUT + 90)
    assert ((SHARD, held_shard), 2) in survivor.attempts(run)
    check_dataset(studio, dataset, expected)
    assert changing_requests(studio).count(CREATE) == ITEMS
    assert stack.api.returned(run, FINISH)["repaired"] == 1

    studio.clear_requests()
    again = stack.api.trigger(dataset)
    stack.finish(again)
    assert stack.api.returned(again, FINISH)["unchanged"] == ITEMS
    assert changing_requests(studio) == []
    check_dataset(studio, dataset, expected)
