"""Uploads: one large file, one item of many files, many items, and the first connections."""

from __future__ import annotations

from pathlib import Path

from bench import material
from bench.clients.catalog import (
    ADD_DATA,
    BARE_ITEMS,
    CONNECT,
    CURL,
    CURL_AND_SHA256,
    ENCODER,
    SHA256,
    SNIPPET,
    SYNC_ITEMS,
)
from bench.clients.job import Item
from bench.measure import Bout, Load, Meter
from bench.results import Aim, Table, ratio

SCHEMES = {"http": "plain HTTP", "https": "TLS"}
THREADS = 16
LATENCY_MS = 50

_LISTS = "This package lists the item before and after and writes the digest last: its time includes five requests."


def run(folder: Path, sizes: material.Sizes, meter: Meter) -> list[Table]:
    """Measure all cases by both schemes."""
    meter.tell("Making the files")
    large = Load("large", material.one_large(folder, sizes.large))
    many = Load("many", material.many_in_one(folder, sizes.many))
    items = Load("items", material.tree(folder / "items", sizes.items, material.SMALL_BYTES, 1), THREADS, LATENCY_MS)
    tables: dict[str, list[Table]] = {"large": [], "many": [], "items": []}
    for scheme, words in SCHEMES.items():
        title = f"One file of {format_bytes(sizes.large)}, {words}"
        tables["large"].append(_one_item(scheme, title, large, 0.8 if scheme == "http" else 1.1, meter))
        title = f"One item of {sizes.many:,} files of 4 KB, {words}"
        tables["many"].append(_one_item(scheme, title, many, 0.95, meter))
        tables["items"].append(_many_items(scheme, items, meter))
    return [*tables["large"], *tables["many"], *tables["items"], _connect(meter)]


def _one_item(scheme: str, title: str, load: Load, wanted: float, meter: Meter) -> Table:
    """Measure one item by several clients.

    :param wanted: the speed that is the aim, divided by curl's.
    """
    clients = (ADD_DATA, CURL, SNIPPET, ENCODER, CURL_AND_SHA256, SHA256)
    bouts = ours, curl, *_, floor, _ = [Bout(client, load) for client in clients]
    meter.in_turn(bouts, title, scheme)
    bound = ratio(curl.seconds, floor.seconds)
    words = f"{floor.client.name}: {bound:.2f}" if bound else ""
    aims = [Aim("speed ÷ curl's", "≥", wanted, ratio(curl.seconds, ours.seconds), floor=words)]
    if len(load.listing) == 1:
        memory = ours.median(lambda sample: sample.memory / 1e6)
        aims.append(Aim("memory beyond an idle start", "≤", 8, memory, "MB"))
    rows = [bout.row(ours) for bout in bouts]
    return Table(f"{load.key}-{scheme}", title, rows, aims, sum(size for _, size in load.listing), [_LISTS])


def _many_items(scheme: str, load: Load, meter: Meter) -> Table:
    count = len(load.items)
    title = f"{count} items of 20 KB, {THREADS} at once, {LATENCY_MS} ms for each response, {SCHEMES[scheme]}"
    bouts = ours, *_, bare = [Bout(client, load) for client in (SYNC_ITEMS, CURL, SNIPPET, BARE_ITEMS)]
    meter.in_turn(bouts, title, scheme)
    waits = count * LATENCY_MS / 1000 / THREADS
    ideal = ours.bound("ideal, one request an item", waits, 1)
    least = bare.bound("", waits).ratio
    words = f"{bare.client.name}: {least:.2f}" if least else ""
    aims = [Aim("the ideal time ÷ the time", "≥", 0.9, ideal.ratio, floor=words)]
    remark = (
        "This package lists all items before and after. The others do not look, and create duplicates when run again."
    )
    return Table(f"items-{scheme}", title, [*(bout.row(ours, count) for bout in bouts), ideal], aims, remarks=[remark])


def _connect(meter: Meter) -> Table:
    title = f"{THREADS} first connections at once, TLS"
    load = Load("connect", [Item(f"item-{number}", []) for number in range(THREADS)], THREADS, keeps=True)
    bout = Bout(CONNECT, load)
    meter.in_turn([bout], title, "https")
    seconds = bout.median(lambda sample: sample.seconds)
    return Table("connect", title, [bout.row(bout)], [Aim("time", "≤", 0.15, seconds, "s")])


def format_bytes(size: int) -> str:
    """Return a size as titles show it."""
    return f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"
