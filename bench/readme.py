"""Writes the figures into the README, between two markers, from what ``docs/bench.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.clients.catalogue import HASH, LIMIT, PRODUCT, RCLONE_NAME
from bench.syncs import IDEAL, LOOP

BEGIN = "<!-- figures: written by make bench -->"
SYNCS_BEGIN = "<!-- figures of syncs: written by make bench -->"
END = "<!-- end of the figures -->"


def write(readme: Path, facts: Mapping[str, Any]) -> None:
    """Put the tables of a run into the README."""
    readme.write_text(with_tables(readme.read_text(), facts))


def with_tables(text: str, facts: Mapping[str, Any]) -> str:
    """Return the README's text with the tables of a run in the place of the earlier ones.

    :param facts: what ``docs/bench.json`` holds.
    """
    for begin, lines in ((BEGIN, table(facts)), (SYNCS_BEGIN, syncs_table(facts))):
        before, found, rest = text.partition(begin)
        _, _, after = rest.partition(END)
        text = f"{before}{begin}\n{lines}\n{END}{after}" if found and lines else text
    return text


def table(facts: Mapping[str, Any]) -> str:
    """Return a row for each case, with each client's time divided by ours, and a row with their memory."""
    cases = [case for case in facts["tables"] if case["scheme"] and case.get("kind", "upload") == "upload"]
    first = cases[0]["rows"]
    clients = [row["client"] for row in first if row["client"] not in (HASH.name, LIMIT.name)]
    lines = ["| time ÷ ours | " + " | ".join(clients) + " |", "|---" * (len(clients) + 1) + "|"]
    for case in cases:
        cells = [_ratio(case["rows"], client) for client in clients]
        lines.append(f"| {case['title']}, {case['scheme']} | " + " | ".join(cells) + " |")
    cells = [_memory(first, client) for client in clients]
    lines.append("| peak memory for the first | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def syncs_table(facts: Mapping[str, Any]) -> str:
    """Return a row for each case of a sync; nothing when the run is from before there were any."""
    cases = [case for case in facts["tables"] if case.get("kind") == "sync"]
    if not cases:
        return ""
    heads = ("", "seconds", "of the ideal", "the snippet in a loop", "rclone, to S3", "requests", "sent", "memory")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for case in cases:
        rows = case["rows"]
        counts = rows[0]["counts"]
        cells = [
            f"{case['title']}, {case['scheme']}",
            f"{rows[0]['median']:.1f}" if rows[0]["median"] is not None else "—",
            _times(rows, IDEAL, "{:.0%}"),
            _times(rows, LOOP, "{:.1f} x"),
            _times(rows, RCLONE_NAME, "{:.1f} x"),
            f"{counts['requests in all']:,}" if counts else "—",
            _bytes(counts["bytes sent"]) if counts else "—",
            _bytes(counts["bytes of memory in all"]) if counts else "—",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _times(rows: Sequence[Mapping[str, Any]], client: str, form: str) -> str:
    ratio = _row(rows, client).get("ratio")
    return "—" if ratio is None else form.format(ratio)


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} KB" if count else "0"


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
