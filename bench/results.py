"""The results: rows of medians and ratios, and aims with what was measured."""

from __future__ import annotations

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


def as_facts(tables: Sequence[Table], about: Mapping[str, object]) -> dict[str, Any]:
    """Return what ``docs/bench.json`` keeps: the tables with every round's seconds, and what they were measured on."""

    def plain(table: Table) -> dict[str, Any]:
        rows = [
            asdict(row) | {"median": row.median, "seconds": [round(second, 4) for second in row.seconds]}
            for row in table.rows
        ]
        return asdict(table) | {"rows": rows, "aims": [asdict(aim) | {"met": aim.met} for aim in table.aims]}

    return {**about, **_machine(), "tables": [plain(table) for table in tables]}


def _machine() -> dict[str, object]:
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
