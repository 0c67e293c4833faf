"""What a task of ours has returned, as numbers that can be added up.

A return value is read as what it is: anything that a task of anyone may have pushed. Numbers are clamped to what can be
added up and shown; texts lose what is not Unicode.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

#: No count, no number of bytes and no time of a task is larger than this.
MAX_NUMBER = 10**15

#: Characters of a text that are kept.
MAX_TEXT = 500

_SYNC_COUNTS = ("created", "updated", "unchanged", "repaired", "deduplicated", "deleted", "failed")


@dataclass(frozen=True)
class Counts:
    """What was done: data items, files and bytes.

    :ivar seconds: as the tasks themselves have it; uploads tell none.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    repaired: int = 0
    deduplicated: int = 0
    deleted: int = 0
    failed: int = 0
    files: int = 0
    bytes: int = 0
    seconds: float = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(Counts)})

    @property
    def sent(self) -> int:
        """Data items that something was sent for."""
        return self.created + self.updated + self.repaired

    @property
    def items(self) -> int:
        """Data items that were written, or found as they should be."""
        return self.sent + self.unchanged + self.skipped + self.deduplicated + self.deleted


@dataclass(frozen=True)
class Result:
    """What a task has returned.

    :ivar item: name of the data item, when it is one.
    :ivar outcome: what became of it.
    """

    dataset: str
    organization_id: int | None
    url: str | None
    is_sync: bool
    dry_run: bool
    numbers: Counts
    item: str | None = None
    outcome: str | None = None


def read_result(value: object) -> Result | None:
    """Read a return value: of a sync, of an upload, or of several uploads.

    :return: None for what is none of these, such as the address of a value that an XCom backend keeps elsewhere.
    """
    if isinstance(value, list):
        results = [result for one in value if isinstance(one, Mapping) and (result := read_result(one))]
        return _sum(results)
    if not isinstance(value, Mapping) or not (dataset := read_text(value.get("dataset"))):
        return None
    return Result(
        dataset=dataset,
        organization_id=read_id(value.get("organization_id")),
        url=read_text(value.get("url")),
        is_sync=value.get("outcome") is None,
        dry_run=value.get("dry_run") is True,
        numbers=_counts(value),
        item=read_text(value.get("name")),
        outcome=read_text(value.get("outcome")),
    )


def _counts(value: Mapping[str, Any]) -> Counts:
    if value.get("outcome") is None:
        return Counts(
            **{name: int(read_number(value.get(name))) for name in _SYNC_COUNTS},
            files=int(read_number(value.get("files_sent"))),
            bytes=int(read_number(value.get("bytes_sent"))),
            seconds=read_number(value.get("seconds")),
        )
    outcome = value["outcome"]
    sent = outcome in ("created", "updated")
    return Counts(
        created=int(outcome == "created"),
        updated=int(outcome == "updated"),
        unchanged=int(outcome == "unchanged"),
        skipped=int(outcome == "skipped"),
        files=int(read_number(value.get("file_count"))) * sent,
        bytes=int(read_number(value.get("total_bytes"))) * sent,
    )


def _sum(results: list[Result]) -> Result | None:
    if len(results) < 2:
        return results[0] if results else None
    first = results[0]
    return Result(
        dataset=first.dataset,
        organization_id=first.organization_id,
        url=first.url,
        is_sync=first.is_sync,
        dry_run=first.dry_run,
        numbers=add(result.numbers for result in results),
    )


def add(counts: Iterable[Counts]) -> Counts:
    """Return the sum."""
    return sum(counts, Counts())


def is_number(value: object) -> bool:
    """Whether a value is a number that a task of ours may have written: finite, from 0 to ``MAX_NUMBER``."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER


def read_number(value: object) -> float:
    """Return a number within 0 and ``MAX_NUMBER``; 0 for what is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    if isinstance(value, float) and math.isnan(value):
        return 0
    return min(max(value, 0), MAX_NUMBER)


def read_id(value: object) -> int | None:
    """Return the id of an organization, which is a positive whole number."""
    return value if isinstance(value, int) and is_number(value) and value > 0 else None


def read_text(value: object, longest: int = MAX_TEXT) -> str | None:
    """Return a text that can be shown and stored: Unicode, without NUL, and not longer than that."""
    if not isinstance(value, str):
        return None
    text = value if len(value) <= longest else f"{value[: longest - 1]}…"
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
