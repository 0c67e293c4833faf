"""What a task of ours has returned, as numbers that can be added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

#: What is read of a return value. Names of changed items are left out: there may be a thousand of them.
FIELDS = (
    "dataset",
    "organization_id",
    "url",
    "name",
    "outcome",
    "file_count",
    "total_bytes",
    "created",
    "updated",
    "unchanged",
    "repaired",
    "deduplicated",
    "deleted",
    "failed",
    "files_sent",
    "bytes_sent",
    "seconds",
    "dry_run",
)


@dataclass(frozen=True)
class Numbers:
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

    def __add__(self, other: Numbers) -> Numbers:
        return Numbers(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(Numbers)})

    @property
    def sent(self) -> int:
        """Data items that something was sent for."""
        return self.created + self.updated + self.repaired


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
    numbers: Numbers
    item: str | None = None
    outcome: str | None = None


def read_result(value: object) -> Result | None:
    """Read a return value: of a sync, of an upload, or of several uploads.

    :return: None for what is none of these, such as the address of a value that an XCom backend keeps elsewhere.
    """
    if isinstance(value, list):
        results = [result for one in value if isinstance(one, Mapping) and (result := read_result(one))]
        return _sum(results)
    if not isinstance(value, Mapping) or not isinstance(value.get("dataset"), str):
        return None
    organization_id = _number(value.get("organization_id"))
    return Result(
        dataset=value["dataset"],
        organization_id=int(organization_id) or None,
        url=_text(value.get("url")),
        is_sync=value.get("outcome") is None,
        dry_run=bool(value.get("dry_run")),
        numbers=_numbers(value),
        item=_text(value.get("name")),
        outcome=_text(value.get("outcome")),
    )


def _numbers(value: Mapping[str, Any]) -> Numbers:
    if value.get("outcome") is None:
        names = ("created", "updated", "unchanged", "repaired", "deduplicated", "deleted", "failed")
        return Numbers(
            **{name: int(_number(value.get(name))) for name in names},
            files=int(_number(value.get("files_sent"))),
            bytes=int(_number(value.get("bytes_sent"))),
            seconds=_number(value.get("seconds")),
        )
    outcome = value["outcome"]
    sent = outcome in ("created", "updated")
    return Numbers(
        created=outcome == "created",
        updated=outcome == "updated",
        unchanged=outcome == "unchanged",
        skipped=outcome == "skipped",
        files=int(_number(value.get("file_count"))) * sent,
        bytes=int(_number(value.get("total_bytes"))) * sent,
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


def add(numbers: Iterable[Numbers]) -> Numbers:
    """Return the sum."""
    return sum(numbers, Numbers())


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
