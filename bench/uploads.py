"""Uploads: one large file, one item of many files, many items, and the first connections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import material
from bench.clients.catalog import (
    ADD_DATA,
    CONNECT,
    CURL,
    ENCODER,
    SHA256,
    SNIPPET,
    SYNC_ITEMS,
    Client,
)
from bench.clients.job import Item
from bench.measure import Bout, Load, Meter, Tell, in_turn
from bench.results import Aim, Row, Table, ratio

SCHEMES = {"http": "plain HTTP", "https": "TLS"}
THREADS = 16
LATENCY_MS = 50

_LISTS = "This package lists the item before and after and writes the digest last: its time includes five requests."
_EVERYONE = (ADD_DATA, CURL, SNIPPET, ENCODER)


def run(folder: Path, sizes: material.Sizes, meter: Meter, rounds: int, tell: Tell) -> list[Table]:
    """Measure all cases by both schemes."""
    tell("Making the files")
    large = Load("large", material.one_large(folder, sizes.large))
    many = Load("many", material.many_in_one(folder, sizes.many))
    items = Load("items", material.tree(folder / "items", sizes.items, material.SMALL_BYTES, 1), THREADS, LATENCY_MS)
    tables = []
    for scheme, words in SCHEMES.items():
        title = f"One file of {format_bytes(sizes.large)}, {words}"
        wanted = 0.8 if scheme == "http" else 1.1
        tables.append(compare(f"large-{scheme}", title, large, (*_EVERYONE, SHA256), wanted, meter, rounds, tell))
        title = f"One item of {sizes.many:,} files of 4 KB, {words}"
        tables.append(compare(f"many-{scheme}", title, many, (*_EVERYONE, SHA256), 0.95, meter, rounds, tell))
        tables.append(_many_items(scheme, items, meter, rounds, tell))
    by_case = sorted(tables, key=lambda table: ("large", "many", "items").index(table.key.partition("-")[0]))
    return [*by_case, _connect(meter, rounds, tell)]


def compare(
    key: str, title: str, load: Load, clients: Sequence[Client], wanted: float, meter: Meter, rounds: int, tell: Tell
) -> Table:
    """Measure one item by several clients.

    :param key: ends with the scheme.
    :param wanted: the speed that is the aim, divided by curl's.
    """
    bouts = {client.name: Bout(client, load) for client in clients}
    in_turn(list(bouts.values()), rounds, meter, key.rpartition("-")[2], tell, title)
    ours, curl, sha = (bouts.get(client.name, Bout(client, load)) for client in (ADD_DATA, CURL, SHA256))
    floor = ratio(curl.seconds, sha.seconds)
    words = f"SHA-256 alone, in one thread: {floor:.2f}" if floor else ""
    aims = [Aim("speed ÷ curl's", "≥", wanted, ratio(curl.seconds, ours.seconds), floor=words)]
    if len(load.items[0].files) == 1:
        memory = ours.median(lambda sample: sample.memory / 1e6)
        aims.append(Aim("memory beyond an idle start", "≤", 8, memory, "MB"))
    size = sum(size for _, size in load.listing)
    return Table(key, title, [bout.row(ours) for bout in bouts.values()], aims, size, [_LISTS])


def _many_items(scheme: str, load: Load, meter: Meter, rounds: int, tell: Tell) -> Table:
    count = len(load.items)
    title = f"{count} items of 20 KB, {THREADS} at once, {LATENCY_MS} ms for each response, {SCHEMES[scheme]}"
    bouts = [Bout(client, load) for client in (SYNC_ITEMS, CURL, SNIPPET)]
    in_turn(bouts, rounds, meter, scheme, tell, title)
    ideal = dict.fromkeys(bouts[0].seconds, count * LATENCY_MS / 1000 / THREADS)
    rows = [bout.row(bouts[0], count) for bout in bouts]
    rows.append(Row("ideal, one request an item", list(ideal.values())[:1], ratio(ideal, bouts[0].seconds), requests=1))
    lists = 2 * LATENCY_MS / 1000
    floor = f"with its two listings {ideal[0] / (ideal[0] + lists):.2f}" if ideal else ""
    aims = [Aim("the ideal time ÷ the time", "≥", 0.9, ratio(ideal, bouts[0].seconds), floor=floor)]
    remark = (
        "This package lists all items before and after. The others do not look, and create duplicates when run again."
    )
    return Table(f"items-{scheme}", title, rows, aims, remarks=[remark])


def _connect(meter: Meter, rounds: int, tell: Tell) -> Table:
    title = f"{THREADS} first connections at once, TLS"
    load = Load("connect", [Item(f"item-{number}", []) for number in range(THREADS)], THREADS, keeps=True)
    bout = Bout(CONNECT, load)
    in_turn([bout], rounds, meter, "https", tell, title)
    seconds = bout.median(lambda sample: sample.seconds)
    return Table("connect", title, [bout.row(bout)], [Aim("time", "≤", 0.15, seconds, "s")])


def format_bytes(size: int) -> str:
    """Return a size as titles show it."""
    return f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"
