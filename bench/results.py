"""The results: rows of medians and ratios, and aims with what was measured."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One client in one case.

    :ivar seconds: of each round; empty when it could not be measured, and then the note says why.
    :ivar ratio: median over the rounds of its time, divided by the first client's in the same round.
    :ivar cpu: processor seconds, median.
    :ivar memory: peak in bytes beyond the same program doing nothing; the largest process where there are several.
    :ivar requests: for each data item; of a sync, all of them.
    :ivar counts: other figures, by their names.
    """

    client: str
    seconds: Sequence[float] = ()
    ratio: float | None = None
    cpu: float | None = None
    memory: int | None = None
    requests: float | None = None
    note: str = ""
    counts: Mapping[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        """Seconds, in the middle round."""
        return statistics.median(self.seconds) if self.seconds else None


@dataclass(frozen=True)
class Aim:
    """What the package is to reach.

    :ivar bound: ``≤`` or ``≥``.
    :ivar value: what was measured; None when it could not be.
    :ivar floor: what bounds the value, for the case that it misses the aim.
    """

    what: str
    bound: str
    limit: float
    value: float | None
    unit: str = ""
    floor: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the value, as it is shown, is within the limit."""
        if self.value is None:
            return None
        value = float(f"{self.value:.3g}")
        return value <= self.limit if self.bound == "≤" else value >= self.limit


@dataclass(frozen=True)
class Table:
    """One case, by one scheme where there are two.

    :ivar key: by which pages and pictures find it.
    :ivar size: bytes that each client moves, to tell a speed; 0 where that means nothing.
    :ivar rows: this package's first.
    """

    key: str
    title: str
    rows: Sequence[Row]
    aims: Sequence[Aim] = ()
    size: int = 0
    remarks: Sequence[str] = ()


def ratio(seconds: Mapping[int, float], base: Mapping[int, float]) -> float | None:
    """Return the median of the rounds' ratios, over the rounds in which both were measured."""
    both = [seconds[number] / base[number] for number in seconds.keys() & base.keys()]
    return statistics.median(both) if both else None


def as_text(tables: Sequence[Table]) -> str:
    """Return what is printed."""
    head = f"{'':34}{'seconds':>9}{'÷ ours':>8}{'MB/s':>8}{'CPU s':>8}{'memory MB':>11}{'requests':>10}"
    lines = []
    for table in tables:
        lines += ["", table.title, head]
        for row in table.rows:
            cells = (
                (row.median, "9.3f"),
                (row.ratio, "8.2f"),
                (table.size / row.median / 1e6 if row.median and table.size else None, "8.0f"),
                (row.cpu, "8.2f"),
                (None if row.memory is None else row.memory / 1e6, "11.1f"),
                (row.requests, "10.1f"),
            )
            text = "".join((f"{value:{form}}" if value is not None else "").rjust(int(form.partition(".")[0])) for value, form in cells)
            words = [*filter(None, [row.note]), *(f"{count:,.4g} {what}" for what, count in row.counts.items())]
            lines.append(f"{row.client:34}{text}  {', '.join(words)}".rstrip())
        lines += [f"  {remark}" for remark in table.remarks]
        for aim in table.aims:
            met = {True: "met", False: "MISSED", None: "not measured"}[aim.met]
            value = "—" if aim.value is None else f"{aim.value:,.3g}"
            floor = f" ({aim.floor})" if aim.floor and not aim.met else ""
            lines.append(f"  aim: {aim.what} {aim.bound} {aim.limit:g} {aim.unit}: {value}, {met}{floor}")
    return "\n".join(lines)


def as_json(tables: Sequence[Table], facts: Mapping[str, object]) -> str:
    """Return the same with every round's seconds."""

    def plain(table: Table) -> dict[str, Any]:
        rows = [
            asdict(row) | {"median": row.median, "seconds": [round(second, 4) for second in row.seconds]}
            for row in table.rows
        ]
        return asdict(table) | {"rows": rows, "aims": [asdict(aim) | {"met": aim.met} for aim in table.aims]}

    return json.dumps({**facts, "tables": [plain(table) for table in tables]}, indent=1, ensure_ascii=False) + "\n"


def machine() -> dict[str, object]:
    """Return what this was measured on."""
    versions = {"python": platform.python_version()}
    for package in ("airflow-provider-ei", "apache-airflow", "requests", "requests-toolbelt", "urllib3"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    for program in (["curl", "--version"], ["rclone", "version"], ["openssl", "version"]):
        try:
            words = subprocess.run(program, capture_output=True, text=True).stdout.split()
        except FileNotFoundError:
            continue
        versions[program[0]] = words[1].lstrip("v")
    return {"cpu": _cpu(), "cores": os.cpu_count(), "system": platform.system(), "versions": versions}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
