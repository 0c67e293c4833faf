"""Where downloaded files go, a folder on this machine or a bucket, and whether a file is there already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from airflow_provider_ei.destinations import IncomingFile, check_absolute, incoming_file
from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sources.locations import local_path
from airflow_provider_ei.sources.object_store import OpenStore, open_object_store
from airflow_provider_ei.studio.models import DataFile

#: Fields of fsspec's information in which stores give the time of an object.
_TIMES = ("LastModified", "mtime", "last_modified", "created")


class LocalFolder:
    """A folder on this machine. A file has the time at which the service has changed it, as ``rsync -t`` does."""

    def __init__(self, folder: str, open_store: OpenStore) -> None:
        self.place = folder
        self._folder = Path(folder)
        self._open_store = open_store

    def is_there(self, path: str, file: DataFile) -> bool:
        """Return whether a regular file of this size and time is there. Without a time it is downloaded again."""
        target = self._folder / path
        if target.is_dir():
            raise EdgeImpulseInputError(
                f"destination: remove or rename {str(target)!r}: it is a directory, and a downloaded file has that "
                "name."
            )
        if file.last_modified is None or target.is_symlink() or not target.is_file():
            return False
        found = target.stat()
        return found.st_size == file.size and found.st_mtime_ns == _nanoseconds(file.last_modified)

    @contextmanager
    def receive(self, path: str, file: DataFile) -> Iterator[IncomingFile]:
        """Write a file under a temporary name, and move it to its place at the end."""
        target = self._folder / path
        with incoming_file("destination", str(target), self._open_store) as (incoming, save):
            yield incoming
            save(target.name)
        if file.last_modified is not None:
            os.utime(target, ns=(_nanoseconds(file.last_modified),) * 2)


class Bucket:
    """A folder in an object store. A file is collected on this machine's disk, and stored when it is complete."""

    def __init__(self, uri: str, open_store: OpenStore) -> None:
        self.place = uri.rstrip("/")
        self._open_store = open_store

    def is_there(self, path: str, file: DataFile) -> bool:
        """Return whether an object of this size is there that is newer than the service's file."""
        if file.last_modified is None:
            return False
        with open_object_store("destination", self.place, self._open_store) as (store, key):
            try:
                info = store.fs.info(f"{key.rstrip('/')}/{path}")
            except FileNotFoundError:
                return False
        stored = next((info[name] for name in _TIMES if name in info), None)
        is_newer = isinstance(stored, datetime) and _with_zone(stored) >= file.last_modified
        return bool(info["type"] == "file" and info.get("size") == file.size and is_newer)

    @contextmanager
    def receive(self, path: str, file: DataFile) -> Iterator[IncomingFile]:
        """Collect a file, and store it at the end."""
        with incoming_file("destination", f"{self.place}/{path}", self._open_store) as (incoming, save):
            yield incoming
            save("")


def open_target(destination: str, open_store: OpenStore) -> LocalFolder | Bucket:
    """Return the target of a path or a URI.

    :raises EdgeImpulseInputError: when it cannot be one.
    """
    path = local_path("destination", destination)
    if path is None:
        return Bucket(destination, open_store)
    check_absolute("destination", path)
    return LocalFolder(path, open_store)


def _nanoseconds(time: datetime) -> int:
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _with_zone(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
