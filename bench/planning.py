"""How long a plan takes as a dataset grows: two listings that are made up, without a disk and without a network.

    python -m bench.planning ITEMS      plans once, and prints the seconds

Of a hundred items one is new, one looks other than it did, and all others are as they were.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from airflow_provider_ei.sources.local import LocalFile
from airflow_provider_ei.studio.models import DataFile, DataItem
from airflow_provider_ei.sync.dataset.comparison import Comparison
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.dataset.tree import Tree
from airflow_provider_ei.sync.digest import files_digest, item_digest
from airflow_provider_ei.sync.item_state import ItemState, complete_metadata
from bench.clients.job import CONTENT_TYPE, DATASET, METADATA
from bench.material import FILES
from bench.results import Row, Table

_OPTIONS = SyncOptions(dataset=DATASET, sync_id="bench")
_SIZE = 20_000
_CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def run(most: int, rounds: int, tell: Callable[[str], None]) -> Table:
    """Measure three sizes, each ten times the one before, each time in a new process."""
    rows: list[Row] = []
    for items in (most // 100, most // 10, most):
        seconds = []
        for number in range(rounds):
            tell(f"Planning {items:,} items, round {number + 1} of {rounds}")
            command = [sys.executable, "-m", "bench.planning", str(items)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds.append(json.loads(done.stdout)["seconds"])
        each = f"{statistics.median(seconds) / items * 1e6:.0f} µs an item"
        rows.append(Row(f"{items:,} items", seconds, note=each, counts={"items": items}))
    return Table(f"Planning, {FILES} files an item", "", 0, rows, kind="planning")


def _plan(count: int) -> float:
    gc.disable()  # what is made here all stays
    source = [_source_item(number) for number in range(count)]
    listed = [_listed_item(number, source[number]) for number in range(count) if number % 100 != 1]
    gc.enable()
    gc.collect()
    begun = time.perf_counter()
    comparison = Comparison(SourceIndex.of(Tree(source)), _OPTIONS)
    comparison.add(listed)
    plan = comparison.plan()
    seconds = time.perf_counter() - begun
    asked = -(-count // 100) + (count + 98) // 100
    if plan.counts != {"unchanged": count - asked, "look": asked}:
        raise SystemExit(f"planned {plan}")
    return seconds


def _source_item(number: int) -> SourceItem:
    name = f"item-{number:06}"
    files = [
        LocalFile(f"{n:02}.bin", f"/data/{name}/{n:02}.bin", CONTENT_TYPE, _SIZE, 10**18 + number * FILES + n, 100 + n)
        for n in range(FILES)
    ]
    return SourceItem(name, files, METADATA)


def _listed_item(number: int, source: SourceItem) -> DataItem:
    files = files_digest({file.name: (_SIZE, f"{number:064x}") for file in source.files})
    state = ItemState(
        source.name,
        DATASET,
        "complete",
        run="an earlier run",
        digest=item_digest(files, METADATA),
        files=files,
        sync=_OPTIONS.sync_id,
        fingerprint="another" if number % 100 == 0 else source.fingerprint(),
    )
    metadata = complete_metadata(None, METADATA, state)
    return DataItem(
        id=number + 1,
        name=source.name,
        dataset=DATASET,
        total_file_count=FILES,
        total_file_size=FILES * _SIZE,
        created=_CREATED,
        metadata=metadata,
        files=tuple(DataFile(name=file.name, size=file.size) for file in source.files),
    )


if __name__ == "__main__":
    print(json.dumps({"seconds": _plan(int(sys.argv[1]))}))
