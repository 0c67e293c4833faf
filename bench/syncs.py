"""Syncs of a dataset: the first one, one without a change at several sizes, and one with few changes."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

from bench import material
from bench.clients.catalog import LOOK, RCLONE, SNIPPET, SYNC_FOLDER
from bench.measure import Bout, Load, Meter
from bench.results import Aim, Table
from bench.uploads import LATENCY_MS, SCHEMES, THREADS

#: Items of a page of the listing.
PAGE = 1000

#: Of a dataset with few changes, so many items have changed; each may cost so many requests.
CHANGED = 100
REQUESTS_A_CHANGE = 6

#: Clients that send one thing after the other get a tenth of the items, and their times are multiplied.
_PART = 10


def first(folder: Path, items: int, meter: Meter) -> list[Table]:
    """Sync into an empty dataset, compared with clients that send one item, or one file, after the other."""
    what = f"First sync of {items:,} items of {material.FILES} files of 20 KB"
    meter.tell(f"{what}: making the files")
    made = material.tree(folder / "new", items, material.SMALL_BYTES)
    some = material.tree(folder / "some", max(items // _PART, 1), material.SMALL_BYTES)
    share = len(made) / len(some)
    ours = Load("first", made, THREADS, LATENCY_MS, str(folder / "new"))
    loop = Load("loop", some, 1, LATENCY_MS)
    copy = Load("copy", some, THREADS, LATENCY_MS, str(folder / "some"))
    waits = (1 + math.ceil(items / PAGE) + math.ceil(items / THREADS)) * LATENCY_MS / 1000
    remarks = [
        f"The ideal is one request an item, {THREADS} at once, and two listings. The snippet sends one item after "
        "the other, over new connections; rclone sends a request for each file. Neither looks at what is there.",
        f"The snippet and rclone get {len(some):,} items; their times are multiplied by {share:g}.",
    ]
    tables = []
    for scheme, words in SCHEMES.items():
        title = f"{what}, {THREADS} at once, {LATENCY_MS} ms for each response, {words}"
        bouts = [Bout(SYNC_FOLDER, ours), *(Bout(c, ld, share) for c, ld in ((SNIPPET, loop), (RCLONE, copy)))]
        meter.in_turn(bouts, title, scheme)
        rows = [bout.row(bouts[0], items) for bout in bouts]
        rows.append(bouts[0].bound("ideal, one request an item", waits))
        tables.append(Table(f"first-{scheme}", title, rows, remarks=remarks))
    return tables


def idle(folder: Path, sizes: tuple[int, ...], meter: Meter) -> list[Table]:
    """Sync datasets without a change, and then the second largest with few changes."""
    rows, each, changes = [], {}, []
    for items in sizes:
        title = f"{items:,} items of {material.FILES} files, nothing has changed"
        load = begin_dataset(folder / f"idle-{items}", meter, title)
        material.link_items(Path(load.source), items)
        meter.sink.repeat(items)
        largest = Bout(SYNC_FOLDER, load)
        bouts, rounds = {f"{items:,} items": largest}, 1
        if items < sizes[-1]:  # the largest takes minutes, and the floor of an item is known by then
            bouts[f"{items:,} items: {LOOK.name}"] = Bout(LOOK, load)
            rounds = meter.rounds
        meter.in_turn(list(bouts.values()), title, rounds=rounds)
        largest.expect(lambda run: (run.told["summary"]["unchanged"], run.seen.changes) == (items, 0))  # noqa: B023
        each[items] = largest.median(lambda run: run.cpu / items * 1e6)  # noqa: B023
        for name, bout in bouts.items():
            row = bout.row(largest)
            counts = {"µs of CPU an item": (row.cpu or 0) / items * 1e6}
            counts["MB in all"] = (bout.median(lambda run: run.peak) or 0) / 1e6
            rows.append(replace(row, client=name, counts=counts))
        if items == sizes[-2]:
            changes.append(_few_changes(load, items, meter))
        shutil.rmtree(load.source)
    small, large = each[sizes[0]], each[sizes[-1]]
    floor = f"{LOOK.name}: {rows[-2].counts['µs of CPU an item']:.0f}"
    growth = f"CPU an item at {sizes[-1]:,} ÷ at {sizes[0]:,}, linear growth"
    aims = [
        Aim(
            f"memory at {sizes[-1]:,} items, Python included",
            "≤",
            400,
            largest.median(lambda run: run.peak / 1e6),
            "MB",
        ),
        Aim(f"CPU at {sizes[-1]:,} items", "≤", 120, large, "µs an item", floor),
        Aim(growth, "≤", 1.2, large / small if large and small else None),
    ]
    remarks = ["The server makes the pages of the listing as they are asked for. The items are links to one folder."]
    title = f"Sync of items of {material.FILES} files, nothing has changed"
    return [Table("idle", title, rows, aims, remarks=remarks), *changes]


def begin_dataset(source: Path, meter: Meter, title: str, url: str = "") -> Load:
    """Make a folder with one item, and sync it, so that copies of the item and of its state are in step."""
    meter.tell(f"{title}: making the files")
    first_item = material.tree(source, 1, material.TINY_BYTES)
    load = Load(source.name, first_item, THREADS, source=str(source), keeps=True, url=url)
    if not url:
        meter.sink.reset(load.listing, 0)
    filling = meter.measure(SYNC_FOLDER, load, "http")
    assert filling.told["summary"]["created"] == 1, filling.told
    return load


def _few_changes(load: Load, items: int, meter: Meter) -> Table:
    changed = min(CHANGED, items // 10)
    title = f"{items:,} items of {material.FILES} files, {changed} have changed"
    for number in range(1, items, items // changed):
        material.replace_link(Path(load.source), number)
    bout = Bout(SYNC_FOLDER, load)
    meter.in_turn([bout], title, rounds=1)
    counts = {"updated": changed, "unchanged": items - changed}
    bout.expect(lambda run: counts.items() <= run.told["summary"].items())
    pages = math.ceil((items - 1) / (PAGE - 1))  # of a listing in which each page has the last item of the one before
    requests = bout.median(lambda run: (run.seen.requests - pages) / changed)
    what = f"requests beyond the {pages} pages of one listing"
    return Table("changes", title, [bout.row(bout)], [Aim(what, "≤", REQUESTS_A_CHANGE, requests, "a changed item")])
