"""What the README says in figures is what the kept run of the bench says."""

from __future__ import annotations

import json
from pathlib import Path

from bench import readme

ROOT = Path(__file__).parent.parent


def test_the_tables_are_those_of_the_kept_run() -> None:
    text = (ROOT / "README.md").read_text()
    facts = json.loads((ROOT / "docs" / "bench.json").read_text())
    assert readme.table(facts) in text
    assert readme.syncs_table(facts) in text
    assert readme.SYNCS_BEGIN in text
    assert readme.with_tables(text, facts) == text
