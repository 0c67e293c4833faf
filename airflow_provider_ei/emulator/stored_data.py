"""The data that the store returns: items, files, datasets."""

from __future__ import annotations

import msgspec


class StoreError(Exception):
    """The request cannot be carried out. The message is the ``error`` of the answer, ``status`` its HTTP status."""

    def __init__(self, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.status = status


class StoredItemFile(msgspec.Struct, frozen=True):
    """A file of a data item.

    :ivar size: in bytes.
    :ivar sha256: in hexadecimal.
    :ivar modified: when it arrived (ISO 8601, UTC).
    """

    name: str
    size: int
    content_type: str
    sha256: str
    modified: str


class StoredItem(msgspec.Struct, frozen=True, kw_only=True):
    """A data item.

    :ivar created: ISO 8601 in UTC, like ``changed``.
    :ivar file_count: may be more than ``files`` holds, where only some files were requested.
    :ivar total_size: in bytes.
    :ivar revision: increases with every change of the store: the item changed last has the highest.
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
    files: tuple[StoredItemFile, ...] = ()


class StoredBucket(msgspec.Struct, frozen=True):
    """The place of a dataset in a bucket, and how many folders deep its data items are."""

    id: int
    name: str
    path: str
    naming_levels: int


class StoredDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset (``clinical`` or ``files``) and its totals; ``total_size`` is in bytes."""

    name: str
    type: str
    category: str | None
    tags: list[str]
    bucket: StoredBucket | None
    last_file_created: str
    item_count: int
    file_count: int
    total_size: int


class DataTotals(msgspec.Struct, frozen=True):
    """The numbers of items and files, and the files' size in bytes."""

    items: int
    files: int
    size: int
