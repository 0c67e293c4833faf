"""The keys of results, and reading results back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import airflow_provider_ei
from airflow_provider_ei.results import (
    CHANGED_ITEMS,
    COUNTS,
    ITEM_COUNTS,
    SHARD_COUNTS,
    WORK_COUNTS,
    Counts,
    SyncSummary,
    add_shards,
    count_changes,
    read_result,
    shard_counts,
)
from tests.sync.lab import SyncLab

PACKAGE = Path(airflow_provider_ei.__file__).resolve().parent


def test_a_sync_returns_exactly_the_listed_keys(lab: SyncLab) -> None:
    lab.write({"a/x.csv": "1"})
    summary = lab.sync()
    assert {*summary, "plan"} == set(lab.sync(dry_run=True)) == set(SyncSummary.__annotations__)


def test_no_other_module_lists_keys_of_a_result() -> None:
    """Three keys side by side, as strings, are a list; the page chooses which numbers are always visible."""
    key = "|".join(f'"{one}"' for one in (*ITEM_COUNTS, *WORK_COUNTS, "skipped"))
    listing = re.compile(rf"(?:(?:{key}),\s*){{2}}(?:{key})")
    lists = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if listing.search(path.read_text())}
    assert lists == {"results.py", "plugins/app.py"}


def test_the_counts_of_a_summary_and_of_uploads_have_one_order() -> None:
    assert COUNTS[: len(ITEM_COUNTS)] == ITEM_COUNTS
    assert set(CHANGED_ITEMS) < set(ITEM_COUNTS) and set(SHARD_COUNTS) < {*ITEM_COUNTS, *WORK_COUNTS}


def test_shards_are_added_to_the_summary_of_the_last_task(lab: SyncLab) -> None:
    lab.write({f"{name}/x.csv": name for name in "abc"})
    first, last = lab.sync(), lab.sync()
    total = add_shards(last, [shard_counts(first), shard_counts(None)])
    assert (total["created"], total["unchanged"], count_changes(total)) == (3, 0, 3)
    assert total["bytes_sent"] == 3 and total["requests"] == first["requests"] + last["requests"]


def test_an_item_that_changed_again_after_its_shard_leaves_no_negative_count(lab: SyncLab) -> None:
    lab.write({"a/x.csv": "1"})
    summary = lab.sync()
    assert add_shards(summary, [shard_counts(summary)])["unchanged"] == 0


@pytest.mark.parametrize(
    ("outcome", "sent"), [("created", 1), ("updated", 1), ("unchanged", 0), ("skipped", 0), ("odd", 0)]
)
def test_an_upload_counts_its_files_only_when_they_were_sent(outcome: str, sent: int) -> None:
    result = read_result({"dataset": "d", "name": "n", "outcome": outcome, "file_count": 2, "total_bytes": 9})
    assert result is not None and not result.is_sync
    assert result.counts["files_sent"] == 2 * sent and result.counts["bytes_sent"] == 9 * sent
    assert result.counts.sent_items == sent
    assert result.counts.confirmed_items == (outcome != "odd")


def test_several_uploads_are_read_as_one_result() -> None:
    one = {"dataset": "d", "outcome": "created", "file_count": 2, "total_bytes": 5}
    result = read_result([one, "x", {**one, "outcome": "unchanged"}])
    assert result is not None
    assert result.counts == Counts({"created": 1, "unchanged": 1, "files_sent": 2, "bytes_sent": 5})
    assert result.counts.to_json() == dict(result.counts.numbers)


def test_numbers_that_are_not_counts_are_refused() -> None:
    with pytest.raises(KeyError, match="requests"):
        Counts()["requests"]
