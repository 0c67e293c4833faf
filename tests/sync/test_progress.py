"""What the task's log says of a long upload."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.progress import ProgressLog, format_bytes, format_seconds
from tests.support.files import MadeUpFile
from tests.support.items import wanted_item


class Clock:
    """Moves on by a second at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def item(sizes: Mapping[str, int]) -> WantedItem:
    return wanted_item([MadeUpFile(name, stated_size=size) for name, size in sizes.items()])


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


class TestProgressLog:
    def test_a_line_every_ten_seconds(self, caplog: pytest.LogCaptureFixture) -> None:
        progress = ProgressLog(item({"a": 30_000_000, "b": 10_000_000, "empty": 0}), clock=Clock())
        with caplog.at_level(logging.INFO):
            for megabyte in range(1, 31):
                progress("a", megabyte * 1_000_000)
        assert lines(caplog) == [
            "Data item 'run 1': 1 of 3 files, 10.0 MB of 40.0 MB, 1.0 MB/s, about 30 s left.",
            "Data item 'run 1': 1 of 3 files, 20.0 MB of 40.0 MB, 1.0 MB/s, about 20 s left.",
            "Data item 'run 1': 2 of 3 files, 30.0 MB of 40.0 MB, 1.0 MB/s, about 10 s left.",
        ]

    def test_none_for_a_short_upload(self, caplog: pytest.LogCaptureFixture) -> None:
        progress = ProgressLog(item({"a": 9}), clock=Clock())
        with caplog.at_level(logging.INFO):
            for position in range(1, 10):
                progress("a", position)
        assert lines(caplog) == []

    def test_what_is_sent_again_counts_once(self, caplog: pytest.LogCaptureFixture) -> None:
        progress = ProgressLog(item({"a": 6, "b": 4}), clock=Clock())
        with caplog.at_level(logging.INFO):
            for name, position in [("a", 3), ("a", 6), ("b", 2), ("a", 1), ("a", 6), ("b", 1), ("b", 2), ("b", 3)]:
                progress(name, position)
            progress("b", 3)
            progress("b", 4)
        assert lines(caplog) == ["Data item 'run 1': 2 of 2 files, 10 bytes of 10 bytes, 1 bytes/s, about 0 s left."]


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_345_678_901, "2.3 GB")]
)
def test_bytes_are_formatted_with_units(count: int, words: str) -> None:
    assert format_bytes(count) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")])
def test_seconds_are_formatted_with_units(seconds: float, words: str) -> None:
    assert format_seconds(seconds) == words
