"""What the store hands out."""

from __future__ import annotations

from dataclasses import dataclass


class StoreError(Exception):
    """What was asked for cannot be done; the message is the ``error`` of the answer."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an item; ``size`` in bytes, ``sha256`` in hex, ``modified`` its arrival (ISO 8601, UTC)."""

    name: str
    size: int
    content_type: str
    sha256: str
    modified: str


@dataclass(frozen=True, slots=True)
class StoredItem:
    """A data item; ``total_size`` in bytes, ``created`` and ``changed`` ISO 8601 in UTC.

    ``revision`` rises with every change of the store: the item changed last has the highest.
    ``files`` may hold fewer than ``file_count`` where only some were asked for.
    """

    id: int
    name: str
    dataset: str
    bucket_id: int
    bucket_name: str
    bucket_path: str
    metadata: dict[str, str]
    created: str
    file_count: int
    total_size: int
    revision: int
    changed: str
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetBucket:
    """Where in which bucket a dataset lies, and how many folders deep its data items are."""

    id: int
    name: str
    path: str
    naming_levels: int


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """A dataset (``clinical`` or ``files``) and what it holds; ``total_size`` in bytes."""

    name: str
    type: str
    category: str | None
    tags: list[str]
    bucket: DatasetBucket | None
    last_file_created: str
    item_count: int
    file_count: int
    total_size: int


@dataclass(frozen=True, slots=True)
class Totals:
    """How many items and files, and their bytes."""

    items: int
    files: int
    size: int
