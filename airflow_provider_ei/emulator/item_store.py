"""Changes of the organization's data."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_ei.emulator.database import Database
from airflow_provider_ei.emulator.emulator_settings import DuplicateNames, MetadataUpdate
from airflow_provider_ei.emulator.item_catalog import ItemCatalog, item_not_found
from airflow_provider_ei.emulator.sample_store import SampleStore
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.uploads import Upload


class ItemStore(ItemCatalog):
    """The items, datasets and buckets of the organization. Each change is one transaction.

    :ivar samples: the samples of the projects, in the same directory.
    """

    def __init__(self, data_dir: Path) -> None:
        """Open the data directory: see :class:`Database`."""
        super().__init__(Database(data_dir))
        self.samples = SampleStore(self._database)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def new_upload(self) -> Upload:
        """Return a place for the files of one request: end it by ``add_item``, ``add_files`` or ``discard()``."""
        return self._database.uploads.new()

    def add_item(
        self,
        name: str,
        dataset: str,
        metadata: Mapping[str, str],
        upload: Upload,
        *,
        duplicate_names: DuplicateNames,
        bucket_name: str | None = None,
        bucket_id: int | None = None,
        bucket_path: str | None = None,
    ) -> int:
        """Store an item with its files, all or nothing, and return its id. A missing dataset is created.

        :raises StoreError: if the bucket does not exist, or the name is taken and duplicates are rejected.
        """
        with self._database.change() as revision:
            same_name = self._query(
                "SELECT id, metadata FROM items WHERE dataset = ? AND name = ? ORDER BY id LIMIT 1",
                (dataset, name),
            )
            if same_name and duplicate_names == "reject":
                raise StoreError(f"A data item named {name!r} already exists in dataset {dataset!r}")
            if same_name and duplicate_names == "merge":
                item_id = int(same_name[0]["id"])
                merged = json.loads(same_name[0]["metadata"]) | dict(metadata)
                self._execute("UPDATE items SET metadata = ? WHERE id = ?", (_json(merged), item_id))
            else:
                self._ensure_dataset(dataset)
                path = f"{dataset}/{name}" if bucket_path is None else bucket_path.strip("/")
                bucket = self._bucket(bucket_name, bucket_id)
                item_id = self._execute(
                    "INSERT INTO items"
                    " (name, dataset, bucket_id, bucket_path, metadata, created, last_file, revision)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (name, dataset, bucket, path, _json(metadata), _now(), _now(), revision),
                )
            self._put_files(item_id, upload, revision)
        return item_id

    def add_files(self, item_id: int, upload: Upload) -> None:
        """Add files to an item, all or nothing. A file replaces the file of its name.

        :raises StoreError: if the item does not exist.
        """
        with self._database.change() as revision:
            self._item_row(item_id)
            self._put_files(item_id, upload, revision)

    def update_item(
        self,
        item_id: int,
        *,
        name: str | None,
        dataset: str | None,
        metadata: Mapping[str, str] | None,
        metadata_update: MetadataUpdate,
    ) -> None:
        """Change the given parts of an item.

        :raises StoreError: if the item does not exist.
        """
        with self._database.change() as revision:
            row = self._item_row(item_id)
            new: Mapping[str, str] = json.loads(row["metadata"])
            if metadata is not None:
                new = metadata if metadata_update == "replace" else {**new, **metadata}
            if dataset is not None:
                self._ensure_dataset(dataset)
            self._execute(
                "UPDATE items SET name = ?, dataset = ?, metadata = ?, revision = ? WHERE id = ?",
                (name or row["name"], dataset or row["dataset"], _json(new), revision, item_id),
            )

    def delete_item(self, item_id: int) -> None:
        """Delete an item and its files.

        :raises StoreError: if the item does not exist.
        """
        with self._database.change():
            self._item_row(item_id)
            self._delete_files("item_id = ?", (item_id,))
            self._execute("DELETE FROM items WHERE id = ?", (item_id,))

    def delete_file(self, item_id: int, name: str) -> None:
        """Delete one file of an item.

        :raises StoreError: if the item or the file does not exist.
        """
        with self._database.change() as revision:
            self._item_row(item_id)
            if not self._delete_files("item_id = ? AND name = ?", (item_id, name)):
                raise StoreError(f"Data item {item_id} has no file {name!r}")
            self._count_files(item_id, revision)

    def has_dataset(self, name: str) -> bool:
        """Return whether a dataset exists."""
        return bool(self._dataset_ids(name))

    def check_bucket(self, bucket_id: int) -> None:
        """Check that a bucket exists.

        :raises StoreError: if it does not.
        """
        self._bucket(None, bucket_id)

    def check_new_dataset(self, settings: Mapping[str, Any]) -> None:
        """Check the body of ``addOrganizationDataset``.

        :raises StoreError: if the name is taken, or the bucket does not exist.
        """
        if self.has_dataset(settings["dataset"]):
            raise StoreError(f"Dataset {settings['dataset']!r} already exists")
        self.check_bucket(settings["bucket"]["id"])

    def add_dataset(self, settings: Mapping[str, Any]) -> int:
        """Create a dataset from the body of ``addOrganizationDataset``, and return its id.

        :raises StoreError: if the name is taken, or the bucket does not exist.
        """
        with self._database.change():
            name = settings["dataset"]
            self.check_new_dataset(settings)
            self._ensure_dataset(name)
            self._set_dataset(name, settings)
            return self._dataset_ids(name)[0]

    def add_bucket(self, name: str) -> int:
        """Add a bucket unless one of that name exists, and return its id."""
        with self._database.change():
            self._execute("INSERT OR IGNORE INTO buckets (name) VALUES (?)", (name,))
            return self._bucket(name, None)

    def reset(self) -> None:
        """Delete all samples, items, datasets, and buckets except the default one."""
        self.samples.delete_others(())
        with self._database.change():
            self._delete_files("1", ())
            for rows in ("items", "datasets", "buckets WHERE id != 1"):
                self._execute(f"DELETE FROM {rows}")

    def _put_files(self, item_id: int, upload: Upload, revision: int) -> None:
        now, name = _now(), upload.path.name
        replaced = "SELECT upload FROM files WHERE item_id = ? AND name = ?"
        for file in upload.files:
            for row in self._query(replaced, (item_id, file.name)):
                self._database.release(row["upload"])
        self._database.connection.executemany(
            "INSERT INTO files (item_id, name, size, content_type, sha256, modified, upload, offset)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (item_id, name) DO UPDATE SET size = excluded.size,"
            " content_type = excluded.content_type, sha256 = excluded.sha256, modified = excluded.modified,"
            " upload = excluded.upload, offset = excluded.offset",
            (
                (item_id, each.name, each.size, each.content_type, each.sha256, now, name, each.offset)
                for each in upload.files
            ),
        )
        self._execute("UPDATE items SET last_file = ? WHERE id = ?", (now, item_id))
        self._count_files(item_id, revision)

    def _count_files(self, item_id: int, revision: int) -> None:
        self._execute(
            "UPDATE items SET revision = ?, (file_count, total_size) ="
            " (SELECT count(*), coalesce(sum(size), 0) FROM files WHERE item_id = items.id) WHERE id = ?",
            (revision, item_id),
        )

    def _delete_files(self, condition: str, values: Sequence[Any]) -> int:
        rows = self._query(f"SELECT upload FROM files WHERE {condition}", values)
        for row in rows:
            self._database.release(row["upload"])
        self._execute(f"DELETE FROM files WHERE {condition}", values)
        return len(rows)

    def _ensure_dataset(self, name: str) -> None:
        self._execute(
            "INSERT OR IGNORE INTO datasets (name, type, tags, created) VALUES (?, 'clinical', '[]', ?)",
            (name, _now()),
        )

    def _dataset_ids(self, name: str) -> list[int]:
        return [row["id"] for row in self._query("SELECT id FROM datasets WHERE name = ?", (name,))]

    def _set_dataset(self, name: str, settings: Mapping[str, Any]) -> None:
        bucket = settings["bucket"]
        self._execute(
            "UPDATE datasets SET type = ?, category = ?, tags = ?, bucket_id = ?, bucket_path = ?, naming_levels = ?"
            " WHERE name = ?",
            (
                settings["type"],
                settings["category"],
                _json(settings["tags"]),
                self._bucket(None, bucket["id"]),
                bucket["path"],
                bucket["dataItemNamingLevelsDeep"],
                name,
            ),
        )

    def _bucket(self, name: str | None, bucket_id: int | None) -> int:
        if bucket_id is not None:
            if not self._query("SELECT 1 FROM buckets WHERE id = ?", (bucket_id,)):
                raise StoreError(f"Bucket {bucket_id} not found")
            return bucket_id
        if name is None:
            return 1
        for row in self._query("SELECT id FROM buckets WHERE name = ?", (name,)):
            return int(row["id"])
        known = ", ".join(repr(known) for _, known in self.buckets())
        raise StoreError(f"Bucket {name!r} not found. The organization has: {known}")

    def _item_row(self, item_id: int) -> sqlite3.Row:
        for row in self._query("SELECT * FROM items WHERE id = ?", (item_id,)):
            return row
        raise item_not_found(item_id)

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._database.connection.execute(sql, values).lastrowid or 0


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
