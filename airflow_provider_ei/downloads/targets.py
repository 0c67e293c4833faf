"""Where downloaded files go: a folder on this machine, or a bucket. A file is there whole, or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.locations import local_path
from airflow_provider_ei.sources.object_store import ObjectStore, OpenStore, open_object_store
from airflow_provider_ei.studio.models import DataFile

#: Fields of fsspec's information in which stores give the time of an object.
_TIMES = ("LastModified", "mtime", "last_modified", "created")

#: Beginning of the names of files that are being written.
TEMPORARY = ".edge-impulse-download-"


class Target(Protocol):
    """A folder or a bucket.

    :ivar place: its path or URI.
    """

    place: str

    def is_there(self, path: str, file: DataFile) -> bool:
        """Return whether a file is there whole, in the version that the service lists."""

    def write(self, path: str, file: DataFile, fill: Callable[[IO[bytes]], object]) -> None:
        """Write a file under a temporary name, and give it its own name when ``fill`` has returned."""


class LocalFolder:
    """A folder on this machine. A file has the time at which the service has changed it, as ``rsync -t`` does."""

    def __init__(self, folder: str) -> None:
        self.place = folder
        self._folder = Path(folder)

    def is_there(self, path: str, file: DataFile) -> bool:
        """Return whether a regular file of this size and time is there. Without a time it is downloaded again."""
        try:
            found = os.lstat(self._folder / path)
        except OSError:
            return False
        if file.last_modified is None or not os.path.isfile(self._folder / path):
            return False
        return found.st_size == file.size and found.st_mtime_ns == _nanoseconds(file.last_modified)

    def write(self, path: str, file: DataFile, fill: Callable[[IO[bytes]], object]) -> None:
        """Write a file, and move it to its place."""
        target = self._folder / path
        with disk_errors(str(target)):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
            with temporary.open("xb") as stream:
                try:
                    fill(stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                    if file.last_modified is not None:
                        os.utime(stream.fileno(), ns=(_nanoseconds(file.last_modified),) * 2)
                    os.replace(temporary, target)
                except BaseException:
                    with suppress(OSError):
                        temporary.unlink()
                    raise


class Bucket:
    """A folder in an object store. A file is collected on this machine's disk, and stored when it is complete."""

    def __init__(self, uri: str, open_store: OpenStore) -> None:
        self.place = uri.rstrip("/")
        self._open_store = open_store

    def is_there(self, path: str, file: DataFile) -> bool:
        """Return whether an object of this size is there that is newer than the service's file."""
        if file.last_modified is None:
            return False
        with self._opened() as (store, root):
            try:
                info = store.fs.info(f"{root}/{path}")
            except FileNotFoundError:
                return False
        stored = next((info[name] for name in _TIMES if name in info), None)
        is_newer = isinstance(stored, datetime) and _with_zone(stored) >= file.last_modified
        return bool(info["type"] == "file" and info.get("size") == file.size and is_newer)

    def write(self, path: str, file: DataFile, fill: Callable[[IO[bytes]], object]) -> None:
        """Collect a file, and store it."""
        with tempfile.NamedTemporaryFile(prefix=TEMPORARY) as stream:
            with disk_errors(stream.name):
                fill(stream)
                stream.flush()
            with self._opened() as (store, root):
                store.fs.put_file(stream.name, f"{root}/{path}")

    @contextmanager
    def _opened(self) -> Iterator[tuple[ObjectStore, str]]:
        with open_object_store("destination", self.place, self._open_store) as (store, key):
            yield store, key.rstrip("/")


def open_target(destination: str, open_store: OpenStore) -> Target:
    """Return the target of a path or a URI.

    :raises EdgeImpulseInputError: when it cannot be one.
    """
    path = local_path("destination", destination)
    if path is None:
        return Bucket(destination, open_store)
    if not os.path.isabs(path):
        raise EdgeImpulseInputError(
            f"destination: write the absolute path: {path!r} is {os.path.abspath(path)!r} on the machine that runs "
            "this task."
        )
    return LocalFolder(path)


@contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Raise what a disk raises as :class:`EdgeImpulseFileError`: the HTTP client takes an ``OSError`` for its own."""
    try:
        yield
    except OSError as error:
        raise EdgeImpulseFileError(
            f"Check the disk and the permissions of the destination: {path!r} cannot be written: "
            f"{error.strerror or error}."
        ) from error


def _nanoseconds(time: datetime) -> int:
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _with_zone(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
