"""Draws the tables as bars, in an SVG that is readable on light and on dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

from bench.clients.catalogue import HASH, LIMIT, LOOK
from bench.results import Row, Table

_WIDTH = 1060
_COLUMN = 530
_LABEL = 186
_BAR = 110
_LINE = 20
#: Bars end at so many times ours, open at their ends; else the slowest one would leave nothing of the others.
_LONGEST = 4.0

STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 }
.quiet { fill: #59636e }
.ours { font-weight: 600 }
.bad { fill: #d1242f }
rect { fill: #afb8c1 }
rect.ours { fill: #1f6feb }
rect.reference { fill: none; stroke: #afb8c1; stroke-dasharray: 3 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .quiet { fill: #9198a1 }
  .bad { fill: #ff7b72 }
  rect { fill: #656c76 }
  rect.ours { fill: #4493f8 }
  rect.reference { stroke: #656c76 }
}
"""


def draw(tables: Sequence[Table], facts: Mapping[str, object]) -> str:
    """Return the picture: a panel for each case, plain HTTP on the left, TLS on the right."""
    parts: list[str] = []
    top = 24
    shown = [table for table in tables if table.kind not in ("planning", "page")]  # nothing is compared
    for title, group in groupby(shown, key=lambda table: table.title):
        beside = list(group)
        parts.append(text(0, top, title, "title"))
        parts.append(text(_WIDTH, top, "less is better", "quiet", anchor="end"))
        bottoms = [_panel(table, number * _COLUMN, top + 22, parts) for number, table in enumerate(beside)]
        top = max(bottoms) + 26
    machine = f"{facts['cpu']}, {facts['cores']} cores, shared with the server; medians of {facts['rounds']} rounds."
    parts.append(text(0, top, f"{machine} Beside the time: peak memory beyond an idle start.", "quiet"))
    top += _LINE
    parts.append(text(0, top, "Dashed: no upload, but what bounds one.  »: longer than the picture shows.", "quiet"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 12}" width="{_WIDTH}" '
        f'height="{top + 12}" role="img">\n<title>Uploads by several clients</title>\n<style>{STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(table: Table, left: int, top: int, parts: list[str]) -> int:
    """Draw one table's rows; return where they end."""
    if table.scheme:
        parts.append(text(left, top, table.scheme, "quiet"))
        top += _LINE
    ours = table.rows[0].median or 1.0
    longest = max(row.median or 0.0 for row in table.rows)
    scale = _BAR / min(longest, ours * _LONGEST)
    for row in table.rows:
        _bar(row, left, top, scale, parts, first=row is table.rows[0], has_size=table.size > 0)
        top += _LINE
    return top


def _bar(row: Row, left: int, top: int, scale: float, parts: list[str], *, first: bool, has_size: bool) -> None:
    kind = "ours" if first else "reference" if _is_reference(row) else ""
    parts.append(text(left + _LABEL - 8, top, row.client, kind, anchor="end"))
    if row.median is None:
        parts.append(text(left + _LABEL, top, row.note, "bad" if row.note.startswith("FAIL") else "quiet"))
        return
    full = row.median * scale
    width = max(min(full, _BAR), 1.0)
    parts.append(
        f'<rect class="{kind}" x="{left + _LABEL}" y="{top - 11}" width="{width:.1f}" height="13" rx="2"/>'
        + (text(left + _LABEL + width - 16, top, "»", "") if full > _BAR * 1.001 else "")
    )
    words = [f"{row.median:.2f} s" if row.median >= 0.1 else f"{row.median * 1000:.0f} ms"]
    if row.memory is not None and not _is_reference(row):
        words.append(f"{row.memory / 1e6:,.0f} MB")
    if row.requests and not has_size:
        words.append(f"{row.requests:,.0f} request{'s' * (row.requests > 1.5)}")
    if row.note and not row.note.startswith("FAIL"):
        words.append(row.note)
    failed = '<tspan class="bad"> · fails at 1,024 files</tspan>' if row.note.startswith("FAIL") else ""
    parts.append(text(left + _LABEL + int(width) + 6, top, " · ".join(words), kind, more=failed))


def _is_reference(row: Row) -> bool:
    return row.client in (LIMIT.name, HASH.name, LOOK.name) or row.client.startswith("ideal")


def text(x: float, y: float, words: str, kind: str, *, anchor: str = "start", more: str = "") -> str:
    """Return one piece of text."""
    return f'<text class="{kind}" x="{x:g}" y="{y}" text-anchor="{anchor}">{escape(words)}{more}</text>'
