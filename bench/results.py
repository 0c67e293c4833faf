"""What came out: rows of medians and ratios, and the lines that explain them."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One client in one case.

    :ivar seconds: of each round; empty when it could not be measured, and then the note says why.
    :ivar ratio: median over the rounds of its time, divided by the first client's in the same round.
    :ivar cpu: processor seconds, median.
    :ivar memory: peak in bytes beyond the same program doing nothing; the largest process where there are several.
    :ivar requests: for each data item; of a sync, all of them.
    :ivar counts: what else was counted, by what it is.
    """

    client: str
    seconds: Sequence[float] = ()
    ratio: float | None = None
    cpu: float | None = None
    memory: int | None = None
    requests: float | None = None
    note: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        """Seconds, in the middle round."""
        return statistics.median(self.seconds) if self.seconds else None


@dataclass(frozen=True)
class Table:
    """One case, by one scheme where there are two.

    :ivar size: bytes that each client moves, to tell a speed; 0 where that means nothing.
    :ivar rows: the product's first.
    :ivar kind: ``upload``, ``sync``, ``planning``, ``parsing`` or ``page``.
    """

    title: str
    scheme: str
    size: int
    rows: Sequence[Row]
    remarks: Sequence[str] = field(default_factory=list)
    kind: str = "upload"


def ratio(seconds: Mapping[int, float], base: Mapping[int, float]) -> float | None:
    """Return the median of the rounds' ratios, over the rounds in which both were measured."""
    both = [seconds[number] / base[number] for number in seconds.keys() & base.keys()]
    return statistics.median(both) if both else None


def speed(tables: Sequence[Table], client: str) -> float:
    """Return the bytes a second of a client's fastest median; infinite when it was not measured."""
    medians = [(table.size, row.median) for table in tables for row in table.rows if row.client == client]
    return max((size / median for size, median in medians if median), default=math.inf)


def as_text(tables: Sequence[Table]) -> str:
    """Return the table that is printed."""
    head = f"{'':34}{'seconds':>9}{'÷ ours':>8}{'MB/s':>8}{'CPU s':>8}{'memory MB':>11}{'requests':>10}"
    lines = []
    for table in tables:
        lines += ["", f"{table.title}{', ' if table.scheme else ''}{table.scheme}", head]
        for row in table.rows:
            speed = f"{table.size / row.median / 1e6:.0f}" if row.median and table.size else ""
            cells = (
                f"{row.median:9.3f}" if row.median is not None else f"{'—':>9}",
                f"{row.ratio:8.2f}" if row.ratio is not None else f"{'':8}",
                f"{speed:>8}",
                f"{row.cpu:8.2f}" if row.cpu is not None else f"{'':8}",
                f"{row.memory / 1e6:11.1f}" if row.memory is not None else f"{'':11}",
                f"{row.requests:10.0f}" if row.requests is not None else f"{'':10}",
            )
            words = [*filter(None, [row.note]), *(f"{count:,} {what}" for what, count in row.counts.items())]
            lines.append(f"{row.client:34}{''.join(cells)}  {', '.join(words)}".rstrip())
        lines += [f"  {remark}" for remark in table.remarks]
    return "\n".join(lines)


def as_json(tables: Sequence[Table], facts: Mapping[str, object]) -> str:
    """Return the same with every round's seconds."""

    def plain(table: Table) -> dict[str, object]:
        rows = [
            asdict(row) | {"median": row.median, "seconds": [round(second, 4) for second in row.seconds]}
            for row in table.rows
        ]
        return asdict(table) | {"rows": rows}

    return json.dumps({**facts, "tables": [plain(table) for table in tables]}, indent=1, ensure_ascii=False) + "\n"


def machine() -> dict[str, object]:
    """Say what this was measured on."""
    packages = ("airflow-provider-ei", "apache-airflow", "requests", "requests-toolbelt", "urllib3", "httpx", "aiohttp")
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    for program in ("curl", "node"):
        try:
            words = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.split()
        except FileNotFoundError:
            continue
        versions[program] = words[1] if program == "curl" else words[0].lstrip("v")
    return {"cpu": _cpu(), "cores": os.cpu_count(), "system": platform.system(), "versions": versions}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
