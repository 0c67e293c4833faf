"""The cases of keeping a dataset in step: a first sync, one with nothing to do, and one with one changed item."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bench import material
from bench.clients.catalogue import LOOK, SNIPPET, SYNC, Client, rclone
from bench.measure import Load, Meter, Sample, UploadFailed
from bench.results import Row, Table, ratio
from bench.uploads import LATENCY_MS, SCHEMES, THREADS

#: Items of a page of the listing.
PAGE = 1000

#: Rows beside ours.
LOOP = "the snippet in a loop"
IDEAL = "ideal"

#: Those who send one thing after the other are given a tenth of the items, and their times are multiplied.
_PART = 10


def first(folder: Path, items: int, meter: Meter, rounds: int, link: float, tell: Callable[[str], None]) -> list[Table]:
    """Sync into an empty dataset, beside those who send one item after the other, or one file after the other.

    :param link: bytes a second that the server takes at most.
    """
    title = (
        f"First sync of {items:,} items of {material.FILES} files of 20 KB, {THREADS} at once, "
        f"{LATENCY_MS} ms for each answer"
    )
    tell(f"{title}: making the files")
    made = material.tree(folder / "new", material.SMALL_BYTES, items)
    some = material.tree(folder / "some", material.SMALL_BYTES, max(items // _PART, 1))
    share = len(made) / len(some)
    ours = Load("first", made, THREADS, LATENCY_MS, str(folder / "new"))
    loop = Load("loop", some, 1, LATENCY_MS)
    copy = replace(ours, key="copy", items=some, source=str(folder / "some"))
    scaled = f"x {share:g}"
    tables = []
    for scheme, words in SCHEMES.items():
        bouts = [_Bout(SYNC, ours), _Bout(SNIPPET, loop, share, scaled), _Bout(rclone(), copy, share, scaled)]
        for number in range(rounds):
            for bout in bouts:
                tell(f"{title}, {words}, round {number + 1} of {rounds}: {bout.client.name}")
                bout.go(number, meter, scheme)
        rows = [bout.row(bouts[0], len(made)) for bout in bouts]
        rows[1] = replace(rows[1], client=LOOP)
        content = sum(size for _, size in ours.listing) * len(made)
        rows.append(_ideal(bouts[0], len(made), content, link))
        remarks = [
            "The ideal is a request an item at so many at once, and a listing before and after; "
            f"the bytes alone take {content / link:.2f} s. The loop sends one item after the other, each by a new "
            "connection; rclone sends a request a file. Neither looks what is there.",
            f"The loop and rclone were given {len(some):,} items; their times, times {share:g}, are those of all.",
        ]
        tables.append(Table(title, words, 0, rows, remarks, kind="sync"))
    return tables


def again(folder: Path, items: int, meter: Meter, rounds: int, tell: Callable[[str], None]) -> list[Table]:
    """Sync a dataset that is in step, and one of which one item has changed, in turn."""
    title = f"{items:,} items of {material.FILES} files, nothing has changed"
    tell(f"{title}: making the files")
    made = material.tree(folder / "kept", material.TINY_BYTES, items)
    load = Load("kept", made, THREADS, 0, str(folder / "kept"))
    tell(f"{title}: the first sync")
    filled = meter.measure(SYNC, load, "http")
    kept = replace(load, keeps=True)
    still, look, changed = _Bout(SYNC, kept), _Bout(LOOK, kept), _Bout(SYNC, kept)
    pages = math.ceil(items / PAGE)
    for number in range(rounds):
        for bout in (still, look):
            tell(f"{title}, round {number + 1} of {rounds}: {bout.client.name}")
            bout.go(number, meter, "http")
        content = material.change(made[number])
        changed.go(number, meter, "http")
        still.check(number, {"of them changing": 0, "requests in all": pages, "files opened": 0, "unchanged": items})
        changed.check(number, {"uploads": 1, "updated": 1, "unchanged": items - 1, "bytes sent": content})
    start = [f"Each comes after a first sync, which took {filled.seconds:.0f} s at no latency."]
    return [
        Table(title, "plain HTTP", 0, [bout.row(still) for bout in (still, look)], start, kind="sync"),
        Table(
            f"{items:,} items of {material.FILES} files, one file of one has changed",
            "plain HTTP",
            0,
            [changed.row(changed)],
            ["The changed item is marked as pending, sent whole, listed, and marked as complete."],
            kind="sync",
        ),
    ]


class _Bout:
    """One client with one load.

    :param share: what its time and memory are multiplied by, when it is given only a part of the items.
    """

    def __init__(self, client: Client, load: Load, share: float = 1, note: str = "") -> None:
        self.client = client
        self.samples: dict[int, Sample] = {}
        self._load = load
        self._share = share
        self._note = client.missing or note
        self._given_up = client.missing is not None

    def go(self, number: int, meter: Meter, scheme: str) -> None:
        """Let it run once."""
        if self._given_up:
            return
        try:
            self.samples[number] = meter.measure(self.client, self._load, scheme)
        except UploadFailed as failure:
            self._fail(str(failure))

    def check(self, number: int, wanted: Mapping[str, int]) -> None:
        """Compare what was counted with what is promised."""
        if number in self.samples:
            found = {**self.samples[number].told["summary"], **_counts(self.samples[number])}
            wrong = [f"{found[what]} {what}, not {count}" for what, count in wanted.items() if found[what] != count]
            if wrong:
                self._fail(", ".join(wrong))

    def row(self, base: _Bout, items: int | None = None) -> Row:
        """Sum up.

        :param items: tell the requests of each of them; None for all requests.
        """
        if not self.samples:
            return Row(self.client.name, note=self._note)
        samples = list(self.samples.values())
        requests = statistics.median(sample.seen.requests for sample in samples) * self._share
        return Row(
            self.client.name,
            list(self.seconds.values()),
            ratio(self.seconds, base.seconds),
            statistics.median(sample.cpu for sample in samples) * self._share,
            int(statistics.median(sample.memory for sample in samples)),
            requests / (items or 1),
            self._note,
            _counts(samples[-1]) if self.client is SYNC else {},
        )

    @property
    def seconds(self) -> dict[int, float]:
        """Seconds by round, for all items."""
        return {number: sample.seconds * self._share for number, sample in self.samples.items()}

    def _fail(self, words: str) -> None:
        self._given_up, self._note = True, f"FAILED: {words}"
        self.samples.clear()


def _counts(sample: Sample) -> dict[str, int]:
    return {
        "requests in all": sample.seen.requests,
        "of them changing": sample.seen.changes,
        "uploads": sample.seen.uploads,
        "bytes sent": sample.told["summary"]["bytes_sent"],
        "files opened": sample.told["opened"],
        "bytes of memory in all": sample.peak,
    }


def _ideal(base: _Bout, items: int, content: int, link: float) -> Row:
    """The time that nobody can do without: of the bytes, or of the answers."""
    pages = 1 + math.ceil(items / PAGE)
    waits = (pages + math.ceil(items / THREADS)) * LATENCY_MS / 1000
    seconds = max(waits, content / link)
    part = ratio(dict.fromkeys(base.seconds, seconds), base.seconds)
    return Row(IDEAL, [seconds], part, requests=(items + pages) / items)
