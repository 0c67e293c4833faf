"""Small charts as SVG, with text for screen readers: a dataset's last runs, and the accuracy of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from airflow_provider_ei.plugins.formatting import count, percent, size

_STEP, _BAR, _HEIGHT, _GAP, _LABEL = 15, 11, 30, 12, 64
#: Number of bars, the same in all charts, so that they can be compared.
_PLACES = 20


@dataclass(frozen=True)
class Bar:
    """A run.

    :ivar title: tooltip of the bar.
    """

    title: str
    items: int
    bytes: int


def draw(bars: Sequence[Bar]) -> Markup:
    """Return the chart.

    :param bars: oldest first.
    """
    bars = bars[-_PLACES:]
    width, height = _LABEL + _PLACES * _STEP, 2 * _HEIGHT + _GAP + 1
    most_items, most_bytes = (max((value for value in values), default=0) for values in _values(bars))
    name = (
        f"The last {count(len(bars), 'run')}, oldest first: up to {count(most_items, 'data item')} and "
        f"{size(most_bytes)} sent in one"
    )
    drawn = [
        Markup('<svg class="chart" role="img" viewBox="0 0 {} {}" width="{}" height="{}" aria-label="{}">').format(
            width, height, width, height, name
        )
    ]
    for row, (values, label) in enumerate(zip(_values(bars), (f"{most_items:,}", size(most_bytes)), strict=True)):
        bottom = _HEIGHT + row * (_HEIGHT + _GAP)
        drawn.append(_row(values, bottom, label, "items" if row == 0 else "bytes"))
    for place, bar in enumerate(bars):
        # Over the whole height, so that a run that sent nothing has a tooltip, too.
        drawn.append(
            Markup('<rect class="touch" x="{}" width="{}" height="{}"><title>{}</title></rect>').format(
                _x(place, len(bars)), _STEP, height, bar.title
            )
        )
    return Markup("").join([*drawn, Markup("</svg>")])


@dataclass(frozen=True)
class Point:
    """A test of a model.

    :ivar title: tooltip of the point.
    :ivar accuracy: from 0 to 1.
    :ivar rejected: whether a gate has rejected the model.
    """

    title: str
    accuracy: float
    rejected: bool


def draw_accuracy(points: Sequence[Point]) -> Markup:
    """Return the chart of a model's accuracy, from 0 % at the bottom to 100 % at the top.

    :param points: oldest first.
    """
    points = points[-_PLACES:]
    height, bottom = 2 * _HEIGHT + _GAP, 2 * _HEIGHT
    width = _LABEL + _PLACES * _STEP
    name = f"Accuracy of the last {count(len(points), 'test')}, oldest first"
    if points:
        name += (
            f": {percent(points[-1].accuracy)} in the newest, {percent(max(one.accuracy for one in points))} at most"
        )
    places = [
        (_x(place, len(points)) + _STEP / 2, round(bottom - (bottom - 4) * one.accuracy, 1))
        for place, one in enumerate(points)
    ]
    drawn = [
        Markup('<svg class="chart" role="img" viewBox="0 0 {} {}" width="{}" height="{}" aria-label="{}">').format(
            width, height, width, height, name
        ),
        Markup('<text x="{}" y="10" text-anchor="end">100 %</text>').format(_LABEL - 10),
        Markup('<text class="of" x="{}" y="{}" text-anchor="end">accuracy</text>').format(_LABEL - 10, bottom - 4),
        Markup('<line x1="{}" y1="{}" x2="{}" y2="{}"/>').format(_LABEL, bottom + 0.5, width, bottom + 0.5),
        Markup('<polyline class="accuracy" points="{}"/>').format(" ".join(f"{x:g},{y:g}" for x, y in places)),
    ]
    for place, (one, (x, y)) in enumerate(zip(points, places, strict=True)):
        drawn.append(
            Markup('<circle class="{}" cx="{}" cy="{}" r="3"/>').format("rejected" if one.rejected else "items", x, y)
        )
        drawn.append(
            Markup('<rect class="touch" x="{}" width="{}" height="{}"><title>{}</title></rect>').format(
                _x(place, len(points)), _STEP, height, one.title
            )
        )
    return Markup("").join([*drawn, Markup("</svg>")])


def _values(bars: Sequence[Bar]) -> tuple[list[int], list[int]]:
    return [bar.items for bar in bars], [bar.bytes for bar in bars]


def _x(place: int, bars: int) -> int:
    """Return where a bar starts; the newest is always at the right end."""
    return _LABEL + (_PLACES - bars + place) * _STEP


def _row(values: Sequence[int], bottom: int, label: str, kind: str) -> Markup:
    most = max(values, default=0)
    drawn = [
        Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(_LABEL - 10, bottom - _HEIGHT + 10, label),
        Markup('<text class="of" x="{}" y="{}" text-anchor="end">{}</text>').format(_LABEL - 10, bottom - 4, kind),
        Markup('<line x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            _LABEL, bottom + 0.5, _LABEL + _PLACES * _STEP, bottom + 0.5
        ),
    ]
    steps = []
    for place, value in enumerate(values):
        # Every value above 0 is visible, however small compared with the largest.
        if value:
            x, height = _x(place, len(values)) + (_STEP - _BAR) // 2, max(2, round(_HEIGHT * value / most))
            steps.append(f"M{x} {bottom}v-{height}h{_BAR}v{height}z")
    drawn.append(Markup('<path class="{}" d="{}"/>').format(kind, " ".join(steps)))
    return Markup("").join(drawn)
