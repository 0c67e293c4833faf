"""Queries over the data of the organization."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, BinaryIO, Literal

import msgspec

from airflow_provider_ei.emulator.database import Database
from airflow_provider_ei.emulator.emulator_settings import ListingOrder
from airflow_provider_ei.emulator.filter_sql import EVERYTHING, SqlCondition
from airflow_provider_ei.emulator.listing_cache import ListingCache
from airflow_provider_ei.emulator.stored_data import (
    DataTotals,
    StoredBucket,
    StoredDataset,
    StoredItem,
    StoredItemFile,
    StoreError,
)

ItemOrder = ListingOrder | Literal["changed"]
"""The order of a listing, or the items changed last first."""

# The order by, what follows an item in that order, and the values of the item for that.
_ORDERS: dict[ItemOrder, tuple[str, str, tuple[str, ...]]] = {
    "oldest": ("items.id", "items.id > ?", ("id",)),
    "newest": ("items.id DESC", "items.id < ?", ("id",)),
    "name": ("items.name, items.id", "(items.name, items.id) > (?, ?)", ("name", "id")),
    "changed": ("items.revision DESC, items.id DESC", "(items.revision, items.id) < (?, ?)", ("revision", "id")),
}
# SQLite keeps the tables of a CROSS JOIN in this order, so that an index of items gives the order of the items.
_ITEMS = "items CROSS JOIN buckets ON buckets.id = items.bucket_id"
_ITEM_FILES = f"{_ITEMS} JOIN files ON files.item_id = items.id"
_FILE_COLUMNS = "files.item_id, files.name, files.size, files.content_type, files.sha256, files.modified"
_DATASETS = """
    SELECT datasets.*, buckets.name AS bucket_name,
        max(datasets.created, coalesce(max(last_file), '')) AS last_file,
        count(items.id) AS item_count,
        coalesce(sum(file_count), 0) AS file_count,
        coalesce(sum(total_size), 0) AS total_size
    FROM datasets
        LEFT JOIN items ON items.dataset = datasets.name
        LEFT JOIN buckets ON buckets.id = datasets.bucket_id
    WHERE ? IS NULL OR datasets.name = ?
    GROUP BY datasets.id ORDER BY datasets.name
"""
_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode


class ItemCatalog:
    """Queries over a database. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache = ListingCache()

    @property
    def version(self) -> str:
        """A string that changes with every change of the data."""
        return self._database.version

    @property
    def revision(self) -> int:
        """The number of the last change of the data."""
        return self._database.revision

    def totals(self, condition: SqlCondition = EVERYTHING) -> DataTotals:
        """Count the items that meet a condition, and those of their files that it selects."""
        with self._database.lock:
            totals = self._cache.totals(self._database.revision, condition)
            if totals is None:
                totals = self._count(condition)
                self._cache.keep_totals(condition, totals)
            return totals

    def _count(self, condition: SqlCondition) -> DataTotals:
        if condition.file_sql is None:
            counts = "count(*), coalesce(sum(file_count), 0), coalesce(sum(total_size), 0)"
            sql = f"SELECT {counts} FROM {_ITEMS} WHERE {condition.sql}"
        else:
            counts = "count(DISTINCT items.id), count(files.id), coalesce(sum(size), 0)"
            sql = (
                f"SELECT {counts} FROM {_ITEMS} LEFT JOIN files ON files.item_id = items.id WHERE {condition.file_sql}"
            )
        return DataTotals(*self._query(sql, condition.values)[0])

    def items(
        self,
        condition: SqlCondition = EVERYTHING,
        *,
        limit: int | None = None,
        offset: int = 0,
        files_limit: int | None = None,
        order: ItemOrder = "oldest",
    ) -> list[StoredItem]:
        """Return the items that meet a condition, with those of their files that it selects.

        :param files_limit: how many files of each item to read; None means all.
        """
        with self._database.lock:
            rows = self._item_rows(condition, limit, offset, order)
            if files_limit == 0:
                files: dict[int, list[StoredItemFile]] = {}
            elif files_limit is None:
                files = self._files_of([row["id"] for row in rows], condition)
            else:
                files = {row["id"]: self._first_files(row["id"], condition, files_limit) for row in rows}
            totals = self._selected_totals(rows, condition)
        return [_item(row, tuple(files.get(row["id"], ())), totals.get(row["id"])) for row in rows]

    def items_with_file_entries(
        self,
        condition: SqlCondition,
        *,
        limit: int | None = None,
        offset: int = 0,
        order: ItemOrder = "oldest",
    ) -> list[tuple[StoredItem, str]]:
        """Return items without their files, each with the JSON of its files as the API lists them.

        SQLite writes that JSON several times faster than objects of Python are made.
        """
        with self._database.lock:
            items = self.items(condition, limit=limit, offset=offset, files_limit=0, order=order)
            entries = self._file_entries([item.id for item in items], condition)
        return [(item, entries.get(item.id, "[]")) for item in items]

    def item(self, item_id: int, condition: SqlCondition = EVERYTHING) -> StoredItem:
        """Return one item, with those of its files that a condition selects.

        :raises StoreError: if the item does not exist or does not meet the condition.
        """
        for item in self.items(condition.within("items.id = ?", item_id)):
            return item
        raise item_not_found(item_id, condition)

    def items_of(self, dataset: str) -> list[StoredItem]:
        """Return the items of a dataset, by id."""
        return self.items(EVERYTHING.within("items.dataset = ?", dataset))

    def count_items(self, dataset: str) -> int:
        """Return the number of items of a dataset."""
        return self.totals(EVERYTHING.within("items.dataset = ?", dataset)).items

    def datasets(self) -> list[StoredDataset]:
        """Return all datasets, by name."""
        return [_dataset(row) for row in self._query(_DATASETS, (None, None))]

    def dataset(self, name: str) -> StoredDataset:
        """Return one dataset.

        :raises StoreError: if it does not exist.
        """
        for row in self._query(_DATASETS, (name, name)):
            return _dataset(row)
        raise StoreError(f"Dataset {name!r} not found")

    def buckets(self) -> list[tuple[int, str]]:
        """Return the ids and names of the buckets."""
        return [(row["id"], row["name"]) for row in self._query("SELECT id, name FROM buckets ORDER BY id")]

    def open_file(self, item_id: int, name: str) -> tuple[StoredItemFile, BinaryIO]:
        """Return a file and a stream of its bytes: ``size`` of them, from the stream's position.

        :raises StoreError: if the file does not exist.
        """
        with self._database.lock:
            for row in self._query("SELECT * FROM files WHERE item_id = ? AND name = ?", (item_id, name)):
                return _file(row), self._open(row)
        raise StoreError(f"Data item {item_id} has no file {name!r}")

    def open_files(
        self, item_id: int, condition: SqlCondition = EVERYTHING
    ) -> Iterator[tuple[StoredItemFile, BinaryIO]]:
        """Yield the files of an item that a condition selects, each with a stream of its bytes.

        Each stream is closed when the next one opens. The data cannot change until the iteration ends.
        """
        with self._database.lock:
            for row in self._file_rows(item_id, condition):
                with self._open(row) as stream:
                    yield _file(row), stream

    def _open(self, row: sqlite3.Row) -> BinaryIO:
        if row["size"] == 0:  # an upload whose files are all empty is not on disk
            return BytesIO()
        try:
            return self._database.uploads.open(row["upload"], row["offset"])
        except OSError:
            raise StoreError(f"The bytes of {row['name']!r} are no longer in the data directory") from None

    def _item_rows(
        self, condition: SqlCondition, limit: int | None, offset: int, order: ItemOrder
    ) -> list[sqlite3.Row]:
        order_by, after, columns = _ORDERS[order]
        sql, values, skip = condition.sql, condition.values, offset
        known = self._cache.position(self._database.revision, condition, order, offset) if offset else None
        if known is not None:
            sql, values, skip = f"{after} AND {sql}", (*known, *values), 0
        rows = self._query(
            f"SELECT items.*, buckets.name AS bucket_name FROM {_ITEMS} WHERE {sql}"
            f" ORDER BY {order_by} LIMIT ? OFFSET ?",
            (*values, -1 if limit is None else limit, skip),
        )
        if rows and limit is not None:
            key = tuple(rows[-1][column] for column in columns)
            self._cache.keep_position(condition, order, offset + len(rows), key)
        return rows

    def _files_of(self, item_ids: list[int], condition: SqlCondition) -> dict[int, list[StoredItemFile]]:
        wanted = "(SELECT value FROM json_each(?))"
        if condition.file_sql is None:
            sql = f"SELECT {_FILE_COLUMNS} FROM files WHERE files.item_id IN {wanted} ORDER BY files.item_id, files.id"
        else:
            sql = (
                f"SELECT {_FILE_COLUMNS} FROM {_ITEM_FILES} WHERE items.id IN {wanted} AND {condition.file_sql}"
                " ORDER BY files.item_id, files.id"
            )
        values = () if condition.file_sql is None else condition.values
        files: dict[int, list[StoredItemFile]] = {item_id: [] for item_id in item_ids}
        for item_id, *columns in self._tuples(sql, (json.dumps(item_ids), *values)):
            files[item_id].append(StoredItemFile(*columns))
        return files

    def _file_entries(self, item_ids: list[int], condition: SqlCondition) -> dict[int, str]:
        # Entries of that index are in order of the files' ids, which is the order of the array.
        entries = (
            "SELECT json_group_array(json_object('name', files.name,"
            " 'bucketPath', items.bucket_path || '/' || files.name, 'size', files.size,"
            " 'lastModified', files.modified)) FROM files INDEXED BY files_by_item"
            f" WHERE files.item_id = items.id AND {condition.file_sql or '1'}"
        )
        values = () if condition.file_sql is None else condition.values
        sql = f"SELECT items.id, ({entries}) FROM {_ITEMS} WHERE items.id IN (SELECT value FROM json_each(?))"
        return dict(self._tuples(sql, (*values, json.dumps(item_ids))))

    def _first_files(self, item_id: int, condition: SqlCondition, limit: int) -> list[StoredItemFile]:
        return [_file(row) for row in self._file_rows(item_id, condition, limit)]

    def _file_rows(self, item_id: int, condition: SqlCondition, limit: int = -1) -> list[sqlite3.Row]:
        if condition.file_sql is None:
            return self._query("SELECT * FROM files WHERE item_id = ? ORDER BY id LIMIT ?", (item_id, limit))
        return self._query(
            f"SELECT files.* FROM {_ITEM_FILES} WHERE items.id = ? AND {condition.file_sql} ORDER BY files.id LIMIT ?",
            (item_id, *condition.values, limit),
        )

    def _selected_totals(self, rows: list[sqlite3.Row], condition: SqlCondition) -> dict[int, tuple[int, int]]:
        """Count the files of each item that a condition selects; empty where it selects all files."""
        if condition.file_sql is None:
            return {}
        sql = (
            f"SELECT items.id, count(files.id), coalesce(sum(size), 0) FROM {_ITEMS} LEFT JOIN files ON"
            f" files.item_id = items.id WHERE items.id IN (SELECT value FROM json_each(?)) AND {condition.file_sql}"
            " GROUP BY items.id"
        )
        counted = self._tuples(sql, (json.dumps([row["id"] for row in rows]), *condition.values))
        return {item_id: (count, size) for item_id, count, size in counted}

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._database.lock:
            return self._database.connection.execute(sql, values).fetchall()

    def _tuples(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return rows without the names of their columns: cheaper for the many rows of a page's files."""
        cursor = self._database.connection.cursor()
        cursor.row_factory = None
        return cursor.execute(sql, values).fetchall()


def created_before(seconds: float) -> str:
    """Return the creation time of an item that is as old as that, in the form in which items have it."""
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def item_not_found(item_id: int, condition: SqlCondition = EVERYTHING) -> StoreError:
    """Return the error for an item that does not exist or does not meet a condition."""
    return StoreError(f"Data item {item_id} not found{'' if condition is EVERYTHING else ' with this filter'}")


def _file(row: sqlite3.Row) -> StoredItemFile:
    return StoredItemFile(row["name"], row["size"], row["content_type"], row["sha256"], row["modified"])


def _item(row: sqlite3.Row, files: tuple[StoredItemFile, ...], selected: tuple[int, int] | None) -> StoredItem:
    file_count, total_size = (row["file_count"], row["total_size"]) if selected is None else selected
    return StoredItem(
        id=row["id"],
        name=row["name"],
        dataset=row["dataset"],
        bucket_id=row["bucket_id"],
        bucket_name=row["bucket_name"],
        bucket_path=row["bucket_path"],
        metadata=_decode_metadata(row["metadata"]),
        created=row["created"],
        file_count=file_count,
        total_size=total_size,
        revision=row["revision"],
        changed=row["changed"],
        files=files,
    )


def _dataset(row: sqlite3.Row) -> StoredDataset:
    bucket = None
    if row["bucket_id"] is not None:
        bucket = StoredBucket(row["bucket_id"], row["bucket_name"], row["bucket_path"], row["naming_levels"])
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
