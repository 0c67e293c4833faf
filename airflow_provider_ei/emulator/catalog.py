"""Reading what the organization holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, BinaryIO, Literal

from airflow_provider_ei.emulator.database import Database
from airflow_provider_ei.emulator.filters import Condition
from airflow_provider_ei.emulator.records import (
    DatasetBucket,
    StoredDataset,
    StoredFile,
    StoredItem,
    StoreError,
    Totals,
)
from airflow_provider_ei.emulator.settings import ListingOrder

EVERYTHING = Condition("1", ())

ItemOrder = ListingOrder | Literal["changed"]
"""The order of items: a listing's, or those changed last first."""

_ORDERS: dict[ItemOrder, str] = {
    "oldest": "items.id",
    "newest": "items.id DESC",
    "name": "items.name, items.id",
    "changed": "items.revision DESC, items.id DESC",
}
_ITEMS = "items JOIN buckets ON buckets.id = items.bucket_id"
_DATASETS = """
    SELECT datasets.*, buckets.name AS bucket_name,
        max(datasets.created, coalesce(max(last_file), '')) AS last_file,
        count(items.id) AS item_count,
        coalesce(sum(file_count), 0) AS file_count,
        coalesce(sum(total_size), 0) AS total_size
    FROM datasets
        LEFT JOIN items ON items.dataset = datasets.name
        LEFT JOIN buckets ON buckets.id = datasets.bucket_id
    GROUP BY datasets.id ORDER BY datasets.name
"""


class Catalog:
    """Queries over a database. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def version(self) -> str:
        """A text that differs after every change of the store."""
        return self._database.version

    def totals(self, condition: Condition = EVERYTHING) -> Totals:
        """What the items that meet a condition come to."""
        row = self._query(
            f"SELECT count(*), coalesce(sum(file_count), 0), coalesce(sum(total_size), 0) FROM {_ITEMS}"
            f" WHERE {condition.sql}",
            condition.values,
        )[0]
        return Totals(*row)

    def items(
        self,
        condition: Condition = EVERYTHING,
        *,
        limit: int | None = None,
        offset: int = 0,
        files_limit: int | None = None,
        order: ItemOrder = "oldest",
    ) -> list[StoredItem]:
        """The items that meet a condition.

        :param files_limit: how many files of each item to read; none means all.
        """
        with self._database.lock:
            rows = self._query(
                f"SELECT items.*, buckets.name AS bucket_name FROM {_ITEMS} WHERE {condition.sql}"
                f" ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?",
                (*condition.values, _sql_limit(limit), offset),
            )
            return [_item(row, self._files(row["id"], files_limit)) for row in rows]

    def item(self, item_id: int) -> StoredItem:
        """One item with all its files.

        :raises StoreError: if there is no such item.
        """
        for item in self.items(Condition("items.id = ?", (item_id,))):
            return item
        raise StoreError(f"Data item {item_id} not found")

    def datasets(self) -> list[StoredDataset]:
        """All datasets, by name."""
        return [_dataset(row) for row in self._query(_DATASETS)]

    def dataset(self, name: str) -> StoredDataset:
        """One dataset.

        :raises StoreError: if there is no such dataset.
        """
        for dataset in self.datasets():
            if dataset.name == name:
                return dataset
        raise StoreError(f"Dataset {name!r} not found")

    def buckets(self) -> list[tuple[int, str]]:
        """Ids and names of the buckets."""
        return [(row["id"], row["name"]) for row in self._query("SELECT id, name FROM buckets ORDER BY id")]

    def open_file(self, item_id: int, name: str) -> tuple[StoredFile, BinaryIO]:
        """A file and its bytes: ``size`` of them from where the stream stands.

        :raises StoreError: if there is no such file.
        """
        with self._database.lock:
            for row in self._query("SELECT * FROM files WHERE item_id = ? AND name = ?", (item_id, name)):
                return _file(row), self._open(row)
        raise StoreError(f"Data item {item_id} has no file {name!r}")

    def open_files(self, item_id: int) -> Iterator[tuple[StoredFile, BinaryIO]]:
        """The files of an item and their bytes, one by one; each stream is closed when the next one opens.

        Nothing can change while this is read to its end.
        """
        with self._database.lock:
            for row in self._query("SELECT * FROM files WHERE item_id = ? ORDER BY id", (item_id,)):
                with self._open(row) as stream:
                    yield _file(row), stream

    def _open(self, row: sqlite3.Row) -> BinaryIO:
        if row["size"] == 0:  # an upload of empty files only has nothing on disk
            return BytesIO()
        return self._database.uploads.open(row["upload"], row["offset"])

    def _files(self, item_id: int, limit: int | None) -> tuple[StoredFile, ...]:
        if limit == 0:
            return ()
        sql = "SELECT * FROM files WHERE item_id = ? ORDER BY id LIMIT ?"
        rows = self._query(sql, (item_id, _sql_limit(limit)))
        return tuple(map(_file, rows))

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._database.lock:
            return self._database.connection.execute(sql, values).fetchall()


def _sql_limit(limit: int | None) -> int:
    return -1 if limit is None else limit


def _file(row: sqlite3.Row) -> StoredFile:
    return StoredFile(row["name"], row["size"], row["content_type"], row["sha256"], row["modified"])


def _item(row: sqlite3.Row, files: tuple[StoredFile, ...]) -> StoredItem:
    return StoredItem(
        id=row["id"],
        name=row["name"],
        dataset=row["dataset"],
        bucket_id=row["bucket_id"],
        bucket_name=row["bucket_name"],
        bucket_path=row["bucket_path"],
        metadata=json.loads(row["metadata"]),
        created=row["created"],
        file_count=row["file_count"],
        total_size=row["total_size"],
        revision=row["revision"],
        files=files,
    )


def _dataset(row: sqlite3.Row) -> StoredDataset:
    bucket = None
    if row["bucket_id"] is not None:
        bucket = DatasetBucket(row["bucket_id"], row["bucket_name"], row["bucket_path"], row["naming_levels"])
    return StoredDataset(
        name=row["name"],
        type=row["type"],
        category=row["category"],
        tags=json.loads(row["tags"]),
        bucket=bucket,
        last_file_created=row["last_file"],
        item_count=row["item_count"],
        file_count=row["file_count"],
        total_size=row["total_size"],
    )
