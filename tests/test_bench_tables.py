"""The tables of the documentation: every aim is shown, and what is missed can be seen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench import tables

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def kept_run() -> dict[str, Any]:
    return json.loads((ROOT / "docs" / "bench.json").read_text())


def run_of(**aim: Any) -> dict[str, Any]:
    aim = {"what": "memory", "bound": "≤", "limit": 8, "value": 6.25, "unit": "MB", "floor": "", "met": True} | aim
    return {"tables": [{"key": "large-http", "title": "One file", "rows": [], "aims": [aim], "size": 0, "remarks": []}]}


def test_the_page_shows_every_table_of_the_kept_run(kept_run: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    keys = [key for line in re.findall(r"^```\{bench-table\} (.+)$", page, re.M) for key in line.split()]
    shown = "\n".join(tables.tables(kept_run, keys))
    for table in kept_run["tables"]:
        assert f"**{table['title']}**" in shown


def test_every_case_with_an_aim_shows_it_with_its_figure(kept_run: dict[str, Any]) -> None:
    _, _, *lines = tables.aims(kept_run)
    assert len(lines) == sum(len(table["aims"]) for table in kept_run["tables"])
    aimed = {table["key"] for table in kept_run["tables"] if table["aims"]}
    assert aimed >= {f"{case}-{scheme}" for case in ("large", "many", "items") for scheme in ("http", "https")}
    assert aimed >= {"connect", "idle", "changes", "emulator", "objects", "parsing", "page"}


def test_an_aim_that_is_met_is_shown_without_its_floor() -> None:
    assert tables.aims(run_of(floor="the floor"))[2:] == ["| One file | memory ≤ 8 MB | 6.25 | met |"]


def test_a_missed_aim_is_shown_with_its_floor() -> None:
    missed = run_of(value=120.4, met=False, floor="the floor: 100")
    assert tables.aims(missed)[2:] == ["| One file | memory ≤ 8 MB | 120 | **missed**; the floor: 100 |"]


def test_an_aim_without_a_figure_is_not_called_met() -> None:
    assert tables.aims(run_of(value=None, met=None))[2:] == ["| One file | memory ≤ 8 MB |  | not measured |"]


def test_a_table_that_the_run_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError, match="large-https"):
        tables.tables(run_of(), ["large-http", "large-https"])
