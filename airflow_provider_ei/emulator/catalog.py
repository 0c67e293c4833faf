"""Reading what the organization holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO, Literal

from airflow_provider_ei.emulator.database import Database
from airflow_provider_ei.emulator.filter_sql import EVERYTHING, Condition
from airflow_provider_ei.emulator.records import (
    DatasetBucket,
    StoredDataset,
    StoredFile,
    StoredItem,
    StoreError,
    Totals,
)
from airflow_provider_ei.emulator.switches import ListingOrder

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
        """What the items that meet a condition come to, and their files that it selects."""
        if condition.file_sql is not None:
            row = self._query(
                "SELECT count(DISTINCT items.id), count(files.id), coalesce(sum(size), 0)"
                f" FROM {_ITEMS} LEFT JOIN files ON files.item_id = items.id WHERE {condition.file_sql}",
                condition.values,
            )[0]
            return Totals(*row)
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
        """The items that meet a condition, with their files that it selects.

        :param files_limit: how many files of each item to read; none means all.
        """
        with self._database.lock:
            rows = self._query(
                f"SELECT items.*, buckets.name AS bucket_name FROM {_ITEMS} WHERE {condition.sql}"
                f" ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?",
                (*condition.values, _sql_limit(limit), offset),
            )
            return [self._selected(row, condition, files_limit) for row in rows]

    def item(self, item_id: int, condition: Condition = EVERYTHING) -> StoredItem:
        """One item, with those of its files that a condition selects.

        :raises StoreError: if there is no such item, or it does not meet the condition.
        """
        for item in self.items(condition.within("items.id = ?", item_id)):
            return item
        raise StoreError(f"Data item {item_id} not found{'' if condition is EVERYTHING else ' with this filter'}")

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

    def open_files(self, item_id: int, condition: Condition = EVERYTHING) -> Iterator[tuple[StoredFile, BinaryIO]]:
        """The files of an item that a condition selects, and their bytes, one by one.

        Each stream is closed when the next one opens. Nothing can change while this is read to its end.
        """
        with self._database.lock:
            for row in self._files(item_id, condition):
                with self._open(row) as stream:
                    yield _file(row), stream

    def _open(self, row: sqlite3.Row) -> BinaryIO:
        if row["size"] == 0:  # an upload of empty files only has nothing on disk
            return BytesIO()
        try:
            return self._database.uploads.open(row["upload"], row["offset"])
        except OSError:
            raise StoreError(f"The bytes of {row['name']!r} are no longer in the data directory") from None

    def _selected(self, row: sqlite3.Row, condition: Condition, files_limit: int | None) -> StoredItem:
        files = () if files_limit == 0 else tuple(map(_file, self._files(row["id"], condition, files_limit)))
        item = _item(row, files)
        if condition.file_sql is None:
            return item
        totals = self.totals(condition.within("items.id = ?", item.id))
        return replace(item, file_count=totals.files, total_size=totals.size)

    def _files(self, item_id: int, condition: Condition, limit: int | None = None) -> list[sqlite3.Row]:
        if condition.file_sql is None:
            return self._query(
                "SELECT * FROM files WHERE item_id = ? ORDER BY id LIMIT ?", (item_id, _sql_limit(limit))
            )
        return self._query(
            f"SELECT files.* FROM {_ITEMS} JOIN files ON files.item_id = items.id"
            f" WHERE items.id = ? AND {condition.file_sql} ORDER BY files.id LIMIT ?",
            (item_id, *condition.values, _sql_limit(limit)),
        )

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
        changed=row["changed"],
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
