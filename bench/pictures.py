"""Draws the pictures of the documentation from ``docs/bench.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.uploads import SCHEMES

_OURS, _OTHER, _FLOOR = "#1f6feb", "#afb8c1", "#e6eaef"
#: Bars end at so many times ours; otherwise the slowest one would leave nothing of the others.
_LONGEST = 4.0
_CASES = ("large", "many", "items", "first")


def draw(facts: Mapping[str, Any], folder: Path) -> None:
    """Write the pictures of a run into a folder."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})
    by_key = {table["key"]: table for table in facts["tables"]}
    _bars(by_key, folder / "bench.svg")
    _growth(by_key["idle"]["rows"], folder / "idle-sync.svg")


def _bars(by_key: Mapping[str, Any], path: Path) -> None:
    from matplotlib import pyplot

    cases = [[by_key[f"{case}-{scheme}"] for scheme in SCHEMES] for case in _CASES]
    heights = [len(first["rows"]) + 3 for first, _ in cases]
    figure = pyplot.figure(figsize=(13, 0.27 * sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(len(cases), 1, height_ratios=heights)
    for part, pair in zip(parts, cases, strict=True):
        title = pair[0]["title"].removesuffix(f", {SCHEMES['http']}")
        part.suptitle(title, x=0.01, horizontalalignment="left", size=10, weight="bold")
        for axis, table, scheme in zip(part.subplots(1, 2), pair, SCHEMES.values(), strict=True):
            axis.set_title(scheme, loc="left", size=9)
            _panel(axis, table)
    words = "Seconds; less is better. »: longer than the picture shows. Pale: does only a part of the work."
    part.supxlabel(words, size=9)
    figure.savefig(path, metadata={"Date": None})


def _panel(axis: Any, table: Mapping[str, Any]) -> None:
    rows = table["rows"]
    ours = rows[0]["median"] or 1.0
    longest = min(max(row["median"] or 0 for row in rows), ours * _LONGEST)
    for place, row in enumerate(rows):
        seconds = row["median"]
        floor = "alone" in row["client"] or "ideal" in row["client"] or "limit" in row["client"]
        axis.barh(place, min(seconds or 0, longest), color=_OURS if place == 0 else _FLOOR if floor else _OTHER)
        words = row["note"] if seconds is None else f"{'» ' if seconds > longest else ''}{seconds:.2f} s"
        if seconds is not None and row["memory"] is not None and not floor:
            words += f", {row['memory'] / 1e6:,.0f} MB"
        axis.text(min(seconds or 0, longest), place, f" {words}", va="center")
    axis.set(xlim=(0, longest * 1.35), yticks=range(len(rows)), yticklabels=[row["client"] for row in rows])
    axis.invert_yaxis()
    axis.xaxis.set_visible(False)
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def _growth(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    from matplotlib import pyplot

    measured = [row for row in rows if row["client"].endswith("items") and row["median"]]
    points = [(int(row["client"].split()[0].replace(",", "")), row["median"]) for row in measured]
    figure, axis = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    if points:
        items, seconds = zip(*points, strict=True)
        proportional = [seconds[0] * count / items[0] for count in items]
        axis.plot(items, proportional, "--", color=_OTHER, label="in proportion to the items")
        axis.plot(items, seconds, "o-", color=_OURS, label="measured")
        for place in points:
            axis.annotate(f"{place[1]:.2g} s", place, textcoords="offset points", xytext=(6, -12))
        axis.set(xscale="log", yscale="log", xticks=items, xticklabels=[f"{count:,}" for count in items])
        axis.minorticks_off()
        axis.legend(frameon=False)
    axis.set(xlabel="data items of 10 files", ylabel="seconds", title="A sync without a change")
    figure.savefig(path, metadata={"Date": None})
