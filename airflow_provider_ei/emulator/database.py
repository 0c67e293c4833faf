"""The SQLite database of the data directory. The bytes of the files are in the folder of uploads."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_ei.emulator.data_dir import DataDir, not_its_database
from airflow_provider_ei.emulator.filter_sql import install_functions
from airflow_provider_ei.emulator.uploads import UploadFolder

DEFAULT_BUCKET = "Internal datasets"
_APPLICATION_ID = 0x4549656D  # "EIem": says in the file's header whose database it is

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS datasets (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    category TEXT,
    tags TEXT NOT NULL,
    bucket_id INTEGER,
    bucket_path TEXT,
    naming_levels INTEGER,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    dataset TEXT NOT NULL,
    bucket_id INTEGER NOT NULL,
    bucket_path TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created TEXT NOT NULL,
    last_file TEXT NOT NULL,
    file_count INTEGER NOT NULL DEFAULT 0,
    total_size INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL,
    changed TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TRIGGER IF NOT EXISTS items_changed AFTER UPDATE OF revision ON items BEGIN
    UPDATE items SET changed = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = new.id;
END;
CREATE INDEX IF NOT EXISTS items_by_dataset ON items (dataset);
CREATE INDEX IF NOT EXISTS items_by_name ON items (dataset, name);
CREATE INDEX IF NOT EXISTS items_by_revision ON items (revision);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY,
    item_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    modified TEXT NOT NULL,
    upload TEXT NOT NULL,
    offset INTEGER NOT NULL,
    UNIQUE (item_id, name)
);
CREATE INDEX IF NOT EXISTS files_by_item ON files (item_id);
CREATE INDEX IF NOT EXISTS files_by_upload ON files (upload);
CREATE TABLE IF NOT EXISTS samples (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL,
    category TEXT NOT NULL,
    name TEXT NOT NULL,
    file_name TEXT NOT NULL,
    label TEXT NOT NULL,
    metadata TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    device_type TEXT NOT NULL,
    facts TEXT NOT NULL,
    labels TEXT NOT NULL,
    created TEXT NOT NULL,
    modified TEXT NOT NULL,
    upload TEXT NOT NULL,
    offset INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS samples_by_category ON samples (project_id, category, id);
CREATE INDEX IF NOT EXISTS samples_by_label ON samples (project_id, category, label);
CREATE INDEX IF NOT EXISTS samples_by_hash ON samples (project_id, sha256);
CREATE INDEX IF NOT EXISTS samples_by_upload ON samples (upload);
"""
_UPLOADS = "SELECT upload FROM files UNION SELECT upload FROM samples"


class Database:
    """The open data directory. All threads share one connection: hold the lock to use it."""

    def __init__(self, data_dir: Path) -> None:
        """Open it, and remove uploads that no data item or sample needs: a crash leaves some behind.

        :raises OSError: if the directory cannot be used: see :class:`DataDir`.
        :raises sqlite3.OperationalError: if another emulator uses the directory.
        """
        folder = DataDir(data_dir)
        self.lock = threading.RLock()
        # No isolation level: only change() begins and ends transactions.
        self.connection = sqlite3.connect(folder.database, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(folder)
            self.uploads = UploadFolder(folder.uploads)
            kept = {row["upload"] for row in self.connection.execute(_UPLOADS)}
            self.uploads.remove(self.uploads.names() - kept)
        except BaseException:
            self.connection.close()
            raise
        self._run = secrets.token_hex(4)
        row = self.connection.execute("SELECT coalesce(max(revision), 0) FROM items").fetchone()
        self._revision: int = row[0]
        self._released: set[str] = set()

    def _prepare(self, folder: DataDir) -> None:
        self.connection.row_factory = sqlite3.Row
        install_functions(self.connection)
        try:
            self._check_origin(folder)
            # EXCLUSIVE keeps out a second emulator, which would remove the uploads that arrive at this one. The data
            # survive the end of the process, but need not survive a power failure: nothing is synced to disk.
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = OFF"):
                self.connection.execute(f"PRAGMA {pragma}")
            self.connection.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION_ID}; {_SCHEMA} COMMIT;"
            )
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise sqlite3.OperationalError(f"{folder.path} is locked: another emulator uses it") from None
        except sqlite3.DatabaseError:
            raise not_its_database(folder.database) from None
        self.connection.execute("INSERT OR IGNORE INTO buckets (id, name) VALUES (1, ?)", (DEFAULT_BUCKET,))

    def _check_origin(self, folder: DataDir) -> None:
        if not self.connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            return
        if self.connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise not_its_database(folder.database)

    @property
    def version(self) -> str:
        """A string that changes with every change of the data, also after a restart."""
        return f"{self._run}-{self._revision}"

    @property
    def revision(self) -> int:
        """The number of the last change."""
        return self._revision

    @contextmanager
    def change(self) -> Iterator[int]:
        """Run a transaction; yields the revision that its changes belong to."""
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._revision + 1
            except BaseException:
                self.connection.execute("ROLLBACK")
                self._released.clear()
                raise
            self.connection.execute("COMMIT")
            self._revision += 1
            self._remove_released()

    def release(self, upload: str) -> None:
        """Inside a change: remove an upload at the end unless another file needs it."""
        self._released.add(upload)

    def _remove_released(self) -> None:
        needed = "SELECT 1 FROM files WHERE upload = :it UNION ALL SELECT 1 FROM samples WHERE upload = :it LIMIT 1"
        for upload in self._released:
            if self.connection.execute(needed, {"it": upload}).fetchone() is None:
                self.uploads.remove([upload])
        self._released.clear()

    def close(self) -> None:
        """Close the database."""
        with self.lock:
            self.connection.close()
