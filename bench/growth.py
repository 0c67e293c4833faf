"""Draws how planning grows with the dataset, on two logarithmic axes, beside a line that grows as the items do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.picture import STYLE, text
from bench.results import Table

_WIDTH, _HEIGHT = 570, 345
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 530, 50, 290

_OWN_STYLE = """
path { fill: none; stroke-width: 2; stroke: #1f6feb }
path.guide { stroke: #afb8c1; stroke-dasharray: 4 3 }
path.grid { stroke: #d1d9e0; stroke-width: 1 }
circle { fill: #1f6feb }
@media (prefers-color-scheme: dark) {
  path { stroke: #4493f8 }
  path.guide { stroke: #656c76 }
  path.grid { stroke: #3d444d }
  circle { fill: #4493f8 }
}
"""


def draw(tables: Sequence[Table]) -> str:
    """Return the picture of the planning table."""
    table = next(table for table in tables if table.kind == "planning")
    points = [(float(row.counts["items"]), row.median or math.nan) for row in table.rows]
    across = _Axis([items for items, _ in points], _LEFT, _RIGHT)
    up = _Axis([seconds for _, seconds in points], _BOTTOM, _TOP)
    parts = [text(0, 20, f"{table.title}: seconds over items", "title")]
    for items in across.marks:
        x = across.place(items)
        parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{_BOTTOM}"/>')
        parts.append(text(x, _BOTTOM + 20, f"{items:,.0f}", "quiet", anchor="middle"))
    for seconds in up.marks:
        y = up.place(seconds)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>')
        parts.append(text(_LEFT - 8, y + 4, f"{seconds:g} s", "quiet", anchor="end"))
    (first_items, first_seconds), (last_items, _) = points[0], points[-1]
    guide = [points[0], (last_items, first_seconds * last_items / first_items)]
    for kind, line in (("guide", guide), ("", points)):
        way = "L".join(f"{across.place(items):.1f} {up.place(seconds):.1f}" for items, seconds in line)
        parts.append(f'<path class="{kind}" d="M{way}"/>')
    for items, seconds in points:
        x, y = across.place(items), up.place(seconds)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        first = items == first_items  # beside the axis, so below its line
        words = (x + 10, y + 12) if first else (x - 8, y - 8)
        parts.append(text(*words, f"{seconds:.2g} s", "ours", anchor="start" if first else "end"))
    parts.append(text(0, _HEIGHT - 10, "Dashed: in proportion to the items, from the smallest size on.", "quiet"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img">\n<title>Planning as the dataset grows</title>\n'
        f"<style>{STYLE}{_OWN_STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


class _Axis:
    """One axis, from the power of ten below all values to the one above them."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self._low, self._high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self._high = max(self._high, self._low + 1)
        self._begin, self._end = begin, end

    @property
    def marks(self) -> list[float]:
        """Powers of ten."""
        return [10.0**power for power in range(self._low, self._high + 1)]

    def place(self, value: float) -> float:
        """Where a value lies in the picture."""
        part = (math.log10(value) - self._low) / (self._high - self._low)
        return self._begin + part * (self._end - self._begin)
