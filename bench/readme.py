"""Writes the figures into the README, between two markers, from what ``docs/bench.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.clients.catalogue import HASH, LIMIT, PRODUCT

BEGIN = "<!-- figures: written by make bench -->"
END = "<!-- end of the figures -->"


def write(readme: Path, facts: Mapping[str, Any]) -> None:
    """Put the table of a run into the README."""
    readme.write_text(with_table(readme.read_text(), facts))


def with_table(text: str, facts: Mapping[str, Any]) -> str:
    """Return the README's text with the table of a run in the place of the earlier one.

    :param facts: what ``docs/bench.json`` holds.
    """
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(facts)}\n{END}{after}"


def table(facts: Mapping[str, Any]) -> str:
    """Return a row for each case, with each client's time divided by ours, and a row with their memory."""
    cases = [case for case in facts["tables"] if case["scheme"]]
    first = cases[0]["rows"]
    clients = [row["client"] for row in first if row["client"] not in (HASH.name, LIMIT.name)]
    lines = ["| time ÷ ours | " + " | ".join(clients) + " |", "|---" * (len(clients) + 1) + "|"]
    for case in cases:
        cells = [_ratio(case["rows"], client) for client in clients]
        lines.append(f"| {case['title']}, {case['scheme']} | " + " | ".join(cells) + " |")
    cells = [_memory(first, client) for client in clients]
    lines.append("| peak memory for the first | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _row(rows: Sequence[Mapping[str, Any]], client: str) -> Mapping[str, Any]:
    return next((row for row in rows if row["client"] == client), {})


def _ratio(rows: Sequence[Mapping[str, Any]], client: str) -> str:
    row = _row(rows, client)
    if row.get("ratio") is None:
        return "—"
    if client == PRODUCT.name:
        return "1"
    return f"{row['ratio']:.2f}" + (" (1)" if row["note"].startswith("FAIL") else "")


def _memory(rows: Sequence[Mapping[str, Any]], client: str) -> str:
    memory = _row(rows, client).get("memory")
    return "—" if memory is None else f"{memory / 1e6:,.0f} MB"
