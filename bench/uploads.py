"""The three cases of uploading, each by all its clients in turn, in every round in another order."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import material
from bench.clients.catalogue import (
    AIOHTTP,
    HASH,
    HTTPX,
    LIMIT,
    PRODUCT,
    PRODUCT_MANY,
    SNIPPET,
    TOOLBELT,
    Client,
    curl,
    edge_impulse_api,
)
from bench.measure import RAISED_OPEN_FILES, USUAL_OPEN_FILES, Load, Meter, Sample, UploadFailed
from bench.results import Row, Table, ratio

SCHEMES = {"http": "plain HTTP", "https": "TLS"}
THREADS = 16
LATENCY_MS = 50

_LISTS = "Ours lists the item before and after, and writes the digest last: its requests are counted in its time."


@dataclass(frozen=True)
class Case:
    """A load, the clients that can do it, and what the reader should know."""

    title: str
    load: Load
    clients: Sequence[Client]
    size: int = 0
    remarks: Sequence[str] = ()


def cases(folder: Path, sizes: material.Sizes, *, with_npm: bool) -> list[Case]:
    """Make the files and return the cases."""
    whole, npm = curl(), edge_impulse_api(folder / "npm", wanted=with_npm)
    everyone = [PRODUCT, whole, SNIPPET, TOOLBELT, HTTPX, AIOHTTP, npm]
    large = Load("large", material.one_large(folder, sizes.size))
    many = Load("many", material.many_in_one(folder, sizes.files))
    items = Load("items", material.many_items(folder, sizes.items), threads=THREADS, latency_ms=LATENCY_MS)
    return [
        Case(f"One file of {_bytes(sizes.size)}", large, [*everyone, HASH, LIMIT], sizes.size, [_LISTS]),
        Case(
            f"One item of {sizes.files:,} files of 4 KB",
            many,
            [*everyone, HASH],
            sizes.files * material.MANY_BYTES,
            [_LISTS],
        ),
        Case(
            f"{sizes.items} items of 20 KB, {THREADS} at once, {LATENCY_MS} ms for each answer",
            items,
            [PRODUCT_MANY, whole, SNIPPET],
            remarks=[
                "Ours lists all items at once, before and after; its requests are counted in its time.",
                "The ideal is requests x latency / 16. The others do not look, and make doubles when repeated.",
            ],
        ),
    ]


def run(case: Case, meter: Meter, rounds: int, tell: Callable[[str], None]) -> list[Table]:
    """Measure one case by both schemes."""
    bouts = {scheme: {client.name: _Bout(client) for client in case.clients} for scheme in SCHEMES}
    for number in range(rounds):
        turn = number % len(case.clients)
        order = [*case.clients[turn:], *case.clients[:turn]]
        for scheme, words in SCHEMES.items():
            for client in order:
                tell(f"{case.title}, {words}, round {number + 1} of {rounds}: {client.name}")
                bouts[scheme][client.name].go(number, meter, case.load, scheme)
    tables = []
    for scheme, words in SCHEMES.items():
        base = bouts[scheme][PRODUCT.name]
        rows = [bout.row(base, len(case.load.items)) for bout in bouts[scheme].values()]
        if case.load.latency_ms:
            rows = _with_ideals(rows, base, case.load)
        tables.append(Table(case.title, words, case.size, rows, case.remarks))
    return tables


class _Bout:
    """One client in one case by one scheme."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.samples: dict[int, Sample] = {}
        self.open_files = USUAL_OPEN_FILES
        self.note = client.missing or ""
        self.given_up = client.missing is not None

    def go(self, number: int, meter: Meter, load: Load, scheme: str) -> None:
        """Upload once. A client that runs out of open files is given more, and that stands beside its figures."""
        while not self.given_up:
            try:
                self.samples[number] = meter.measure(self.client, load, scheme, open_files=self.open_files)
                return
            except UploadFailed as failure:
                if "Too many open files" in str(failure) and self.open_files == USUAL_OPEN_FILES:
                    self.open_files = RAISED_OPEN_FILES
                    self.note = f"FAILS at {USUAL_OPEN_FILES:,} open files; measured with {RAISED_OPEN_FILES:,}"
                else:
                    self.given_up, self.note = True, f"FAILED: {failure}"
                    self.samples.clear()

    def row(self, base: _Bout, items: int) -> Row:
        """Sum up."""
        if not self.samples:
            return Row(self.client.name, note=self.note)
        samples = self.samples.values()
        return Row(
            self.client.name,
            [sample.seconds for sample in samples],
            ratio(self.seconds, base.seconds),
            statistics.median(sample.cpu for sample in samples),
            int(statistics.median(sample.memory for sample in samples)),
            statistics.median(sample.seen.requests for sample in samples) / items if self.client.uploads else None,
            self.note,
        )

    @property
    def seconds(self) -> dict[int, float]:
        """Seconds by round."""
        return {number: sample.seconds for number, sample in self.samples.items()}


def _with_ideals(rows: Sequence[Row], base: _Bout, load: Load) -> list[Row]:
    """Add the time that the latency alone costs: of one request an item, and of as many as ours needs."""
    counts = sorted({round(row.requests) for row in rows if row.requests})
    ideals = []
    for count in counts:
        seconds = count * len(load.items) * load.latency_ms / 1000 / load.threads
        part = ratio(dict.fromkeys(base.seconds, seconds), base.seconds)
        ideals.append(Row(f"ideal, {count} request{'s' * (count > 1)} an item", [seconds], part, requests=count))
    return [*rows, *ideals]


def _bytes(size: int) -> str:
    return f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"
