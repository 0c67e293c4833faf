"""Syncs of a dataset: the first one, one without a change at several sizes, and one with few changes."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from bench import material
from bench.clients.catalog import LOOK, RCLONE, SNIPPET, SYNC_FOLDER
from bench.measure import Bout, Load, Meter, Tell, in_turn
from bench.results import Aim, Row, Table, ratio
from bench.uploads import LATENCY_MS, SCHEMES, THREADS

#: Items of a page of the listing.
PAGE = 1000

#: Of a dataset with few changes, so many items have changed; each may cost so many requests.
CHANGED = 100
REQUESTS_A_CHANGE = 6

#: Clients that send one thing after the other get a tenth of the items, and their times are multiplied.
_PART = 10


def first(folder: Path, items: int, meter: Meter, rounds: int, tell: Tell) -> list[Table]:
    """Sync into an empty dataset, compared with clients that send one item, or one file, after the other."""
    what = f"First sync of {items:,} items of {material.FILES} files of 20 KB"
    tell(f"{what}: making the files")
    made = material.tree(folder / "new", items, material.SMALL_BYTES)
    some = material.tree(folder / "some", max(items // _PART, 1), material.SMALL_BYTES)
    share = len(made) / len(some)
    ours = Load("first", made, THREADS, LATENCY_MS, str(folder / "new"))
    loop = Load("loop", some, 1, LATENCY_MS)
    copy = Load("copy", some, THREADS, LATENCY_MS, str(folder / "some"))
    tables = []
    for scheme, words in SCHEMES.items():
        title = f"{what}, {THREADS} at once, {LATENCY_MS} ms for each response, {words}"
        bouts = [Bout(SYNC_FOLDER, ours), *(Bout(c, ld, share) for c, ld in ((SNIPPET, loop), (RCLONE, copy)))]
        in_turn(bouts, rounds, meter, scheme, tell, title)
        rows = [bout.row(bouts[0], items) for bout in bouts]
        waits = (1 + math.ceil(items / PAGE) + math.ceil(items / THREADS)) * LATENCY_MS / 1000
        part = ratio(dict.fromkeys(bouts[0].seconds, waits), bouts[0].seconds)
        rows.append(Row("ideal, one request an item", [waits], part))
        remarks = [
            f"The ideal is one request an item, {THREADS} at once, and two listings. The snippet sends one item after "
            "the other, over new connections; rclone sends a request for each file. Neither looks at what is there.",
            f"The snippet and rclone get {len(some):,} items; their times are multiplied by {share:g}.",
        ]
        tables.append(Table(f"first-{scheme}", title, rows, remarks=remarks))
    return tables


def idle(folder: Path, sizes: tuple[int, ...], meter: Meter, rounds: int, tell: Tell) -> list[Table]:
    """Sync datasets without a change, and then the second largest with few changes."""
    rows, each = [], {}
    changes: list[Table] = []
    largest = Bout(SYNC_FOLDER, Load("none", []))
    for items in sizes:
        title = f"{items:,} items of {material.FILES} files, nothing has changed"
        load = _fill(folder / f"idle-{items}", items, meter, tell, title)
        largest, look = Bout(SYNC_FOLDER, load), Bout(LOOK, load)
        turns = rounds if items < sizes[-1] else 1  # it takes minutes
        in_turn([largest, look], turns, meter, "http", tell, title)
        for sample in largest.samples.values():
            if (sample.told["summary"]["unchanged"], sample.seen.changes) != (items, 0):
                largest.fail(f"{sample.told}, {sample.seen.changes} changes")
                break
        each[items] = largest.median(lambda sample: sample.cpu / items * 1e6)  # noqa: B023
        for name, bout in ((f"{items:,} items", largest), (f"{items:,} items: {LOOK.name}", look)):
            row = bout.row(largest)
            counts = {"µs of CPU an item": (row.cpu or 0) / items * 1e6}
            counts["MB in all"] = (bout.median(lambda sample: sample.peak) or 0) / 1e6
            rows.append(Row(name, row.seconds, row.ratio, row.cpu, row.memory, row.requests, row.note, counts))
        if items == sizes[-2]:
            changes.append(_few_changes(load, items, meter, tell))
        shutil.rmtree(load.source)
    small, large = each[sizes[0]], each[sizes[-1]]
    floor = rows[-1].counts["µs of CPU an item"]
    aims = [
        Aim(f"memory at {sizes[-1]:,} items, Python included", "≤", 400, largest.median(lambda s: s.peak / 1e6), "MB"),
        Aim(f"CPU at {sizes[-1]:,} items", "≤", 120, large, "µs an item", f"{LOOK.name}: {floor:.0f}"),
        Aim(
            f"CPU an item at {sizes[-1]:,} ÷ at {sizes[0]:,}, linear growth",
            "≤",
            1.2,
            large / small if large and small else None,
        ),
    ]
    remarks = ["The server makes the pages of the listing as they are asked for. The items are links to one folder."]
    title = f"Sync of items of {material.FILES} files, nothing has changed"
    return [Table("idle", title, rows, aims, remarks=remarks), *changes]


def _fill(source: Path, items: int, meter: Meter, tell: Tell, title: str) -> Load:
    """Make the source, and a dataset that is in step with it: one item is synced, and the server repeats it."""
    tell(f"{title}: making the files")
    first_item = material.tree(source, 1, material.TINY_BYTES)
    load = Load(source.name, first_item, THREADS, source=str(source), keeps=True)
    meter.sink.reset(load.listing, 0)
    filling = meter.measure(SYNC_FOLDER, load, "http")
    assert filling.told["summary"]["created"] == 1, filling.told
    material.link_items(source, items)
    meter.sink.repeat(items)
    return load


def _few_changes(load: Load, items: int, meter: Meter, tell: Tell) -> Table:
    changed = min(CHANGED, items // 10)
    title = f"{items:,} items of {material.FILES} files, {changed} have changed"
    for number in range(1, items, items // changed):
        material.replace_link(Path(load.source), number)
    bout = Bout(SYNC_FOLDER, load)
    in_turn([bout], 1, meter, "http", tell, title)
    for sample in bout.samples.values():
        if (sample.told["summary"]["updated"], sample.told["summary"]["unchanged"]) != (changed, items - changed):
            bout.fail(f"{sample.told}")
            break
    pages = math.ceil(items / PAGE)
    requests = bout.median(lambda sample: (sample.seen.requests - pages) / changed)
    what = f"requests beyond the {pages} pages of one listing"
    return Table("changes", title, [bout.row(bout)], [Aim(what, "≤", REQUESTS_A_CHANGE, requests, "a changed item")])
