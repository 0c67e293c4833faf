"""The tables of a run, as Markdown; also a Sphinx extension that makes them from ``docs/bench.json``.

Its directives are ``bench-aims`` (every aim with its figure), ``bench-table KEY …`` (tables with their remarks) and
``bench-run`` (the machine and the programs).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Facts = Mapping[str, Any]

#: Columns of a table: heading, and the cell of a row. A column without a cell is left out.
_COLUMNS: Sequence[tuple[str, Callable[[Facts, Facts], str]]] = (
    ("", lambda table, row: str(row["client"])),
    ("seconds", lambda table, row: _number(row["median"])),
    ("÷ ours", lambda table, row: _number(row["ratio"]) if len(table["rows"]) > 1 else ""),
    ("MB/s", lambda table, row: _number(_speed(table["size"], row["median"]))),
    ("CPU s", lambda table, row: _number(row["cpu"])),
    ("memory", lambda table, row: "" if row["memory"] is None else f"{row['memory'] / 1e6:,.0f} MB"),
    ("requests", lambda table, row: _number(row["requests"])),
)


def aims(facts: Facts) -> list[str]:
    """Return every aim with its figure, and what bounds it where it is missed."""
    lines = ["| | aim | measured | |", "|---|---|---|---|"]
    for table in facts["tables"]:
        for aim in table["aims"]:
            verdict = {True: "met", False: "**missed**", None: "not measured"}[aim["met"]]
            if aim["floor"] and not aim["met"]:
                verdict += f"; {aim['floor']}"
            wanted = f"{aim['what']} {aim['bound']} {_number(aim['limit'])} {aim['unit']}"
            lines.append(_line([table["title"], wanted.strip(), _number(aim["value"]), verdict]))
    return lines


def tables(facts: Facts, keys: Sequence[str]) -> list[str]:
    """Return the tables of these keys, each below its title; a key ending in ``*`` stands for any number of tables.

    :raises KeyError: when the run has no table of a key without ``*``.
    """
    lines: list[str] = []
    for key in keys:
        found = [table for table in facts["tables"] if _matches(table["key"], key)]
        if not found and not key.endswith("*"):
            raise KeyError(key)
        for table in found:
            lines += [f"**{table['title']}**", "", *_table(table), ""]
            lines += [line for remark in table["remarks"] for line in (remark, "")]
    return lines


def run(facts: Facts) -> list[str]:
    """Return what was measured on, in one paragraph."""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    seconds = f" The run took {facts['seconds']:,} s." if facts.get("seconds") else ""
    note = f" {facts['note']}" if facts.get("note") else ""
    return [
        f"`{facts['command']}` on {facts['cpu']}, {facts['cores']} cores, {facts['system']}; medians of "
        f"{facts['rounds']} rounds.{seconds}{note} {versions}."
    ]


def _matches(key: str, pattern: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


def _table(table: Facts) -> list[str]:
    columns = [(head, [cell(table, row) for row in table["rows"]]) for head, cell in _COLUMNS]
    names = dict.fromkeys(name for row in table["rows"] for name in row["counts"])
    columns += [(name, [_number(row["counts"].get(name)) for row in table["rows"]]) for name in names]
    columns.append(("note", [row["note"] for row in table["rows"]]))
    columns = [column for column in columns if any(column[1])]
    widths = [max(map(len, (head, *cells, "---"))) for head, cells in columns]
    heads = [[head for head, _ in columns], ["-" * width for width in widths]]
    lines = [*heads, *zip(*(cells for _, cells in columns), strict=True)]
    return [_line([cell.ljust(width) for cell, width in zip(line, widths, strict=True)]) for line in lines]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _speed(size: int, seconds: float | None) -> float | None:
    return size / seconds / 1e6 if size and seconds else None


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def setup(app: Any) -> dict[str, bool]:
    """Add the directives."""
    from sphinx.util.docutils import SphinxDirective

    source = Path(app.srcdir) / "bench.json"

    class BenchDirective(SphinxDirective):
        optional_arguments = 1
        final_argument_whitespace = True

        def run(self) -> list[Any]:
            self.env.note_dependency(str(source))
            facts = json.loads(source.read_text())
            lines = {
                "bench-aims": lambda: aims(facts),
                "bench-table": lambda: tables(facts, self.arguments[0].split()),
                "bench-run": lambda: run(facts),
            }[self.name]()
            return self.parse_text_to_nodes("\n".join(lines))

    for name in ("bench-aims", "bench-table", "bench-run"):
        app.add_directive(name, BenchDirective)
    return {"parallel_read_safe": True}
