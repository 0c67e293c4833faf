"""Writes downloaded files to a path or an object store: whole, or not at all.

Bytes go to a temporary file first. At the end, it replaces the file at the path at once, or is uploaded in one piece.
A download that fails leaves at the destination what was there before.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.locations import local_path
from airflow_provider_ei.sources.object_store import OpenStore

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: Stores in which an upload becomes visible only when it is complete.
_ATOMIC_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az"})

#: Longest file name, in bytes; the limit of common file systems is 255.
MAX_FILE_NAME = 200


class IncomingFile:
    """A file while it is downloaded. :meth:`begin` starts it again.

    :ivar size: number of bytes so far.
    """

    def __init__(self, stream: IO[bytes], field: str) -> None:
        self.stream = stream
        self._field = field
        self.size = 0
        self._sha256 = hashlib.sha256()

    def begin(self) -> Callable[[bytes], object]:
        """Forget what has arrived, and return what takes the next blocks."""
        with _disk_errors(self._field):
            self.stream.seek(0)
            self.stream.truncate()
        self.size = 0
        self._sha256 = hashlib.sha256()
        return self._take

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return self._sha256.hexdigest()

    def read_beginning(self, size: int) -> bytes:
        """Return the first bytes."""
        self.stream.seek(0)
        return self.stream.read(size)

    def _take(self, block: bytes) -> None:
        with _disk_errors(self._field):
            self.stream.write(block)
        self._sha256.update(block)
        self.size += len(block)


@contextmanager
def incoming_file(
    field: str, location: str, open_store: OpenStore
) -> Iterator[tuple[IncomingFile, Callable[[str], str]]]:
    """Yield a file to fill, and a function that saves it under a name and returns its path or URI.

    The name matters only for a location that ends with a slash, or is a directory: the file is saved in it.

    :param field: the parameter that the location comes from, for messages.
    :param open_store: opens the store of a URI.
    :raises EdgeImpulseInputError: when nothing can be written there.
    :raises EdgeImpulseFileError: when writing fails in a way that a retry may change.
    """
    if not location:
        raise EdgeImpulseInputError(f"{field} must be a path or a URI, not an empty string.")
    path = local_path(field, location)
    writer = _local(field, path) if path is not None else _stored(field, location, open_store)
    with writer as (file, save):
        yield file, save


def check_absolute(field: str, path: str) -> None:
    """Check that a path means the same on every machine.

    :raises EdgeImpulseInputError: when it is relative.
    """
    if not os.path.isabs(path):
        raise EdgeImpulseInputError(
            f"{field}: write the absolute path: {path!r} is {os.path.abspath(path)!r} on the machine that runs this "
            "task."
        )


@contextmanager
def _local(field: str, path: str) -> Iterator[tuple[IncomingFile, Callable[[str], str]]]:
    check_absolute(field, path)
    is_folder = path.endswith("/") or os.path.isdir(path)
    folder = path if is_folder else os.path.dirname(path)
    part = os.path.join(folder, f".{secrets.token_hex(8)}.part")
    try:
        os.makedirs(folder, exist_ok=True)
        stream = open(part, "xb+")  # noqa: SIM115 - closed before it is renamed
    except OSError as error:
        raise EdgeImpulseInputError(
            f"Check the permissions of {field}: {folder!r} cannot be written to: {error.strerror or error}."
        ) from error
    file = IncomingFile(stream, field)

    def save(name: str) -> str:
        target = os.path.join(folder, safe_file_name(name)) if is_folder else path
        with _disk_errors(field):
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            os.replace(part, target)
        return target

    try:
        yield file, save
    finally:
        stream.close()
        with suppress(FileNotFoundError):
            os.unlink(part)


@contextmanager
def _stored(field: str, uri: str, open_store: OpenStore) -> Iterator[tuple[IncomingFile, Callable[[str], str]]]:
    try:
        fs, key = open_store(uri)
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"{field}: {error}") from error
    with tempfile.NamedTemporaryFile(prefix="edge-impulse-") as stream:
        file = IncomingFile(stream, field)

        def save(name: str) -> str:
            own = safe_file_name(name) if uri.endswith("/") else ""
            target = f"{key.rstrip('/')}/{own}" if own else key
            with _disk_errors(field):
                stream.flush()
            try:
                _put(fs, stream.name, target, file.size)
            except (PermissionError, ValueError) as error:
                raise EdgeImpulseInputError(
                    f"Check the permissions of {field}: {uri + own!r} cannot be written: {error}"
                ) from error
            except Exception as error:  # each store raises its own errors, most of them transient
                raise EdgeImpulseFileError(
                    f"Check the store that {field} leads to: {uri + own!r} cannot be written: {error}"
                ) from error
            return uri + own

        yield file, save


@contextmanager
def _disk_errors(field: str) -> Iterator[None]:
    """Raise what a disk raises as :class:`EdgeImpulseFileError`: the HTTP client takes an ``OSError`` for its own."""
    try:
        yield
    except OSError as error:
        raise EdgeImpulseFileError(
            f"Check the disk that {field} leads to: the file cannot be written: {error.strerror or error}."
        ) from error


def _put(fs: AbstractFileSystem, path: str, key: str, size: int) -> None:
    """Upload a file, and check its length."""
    protocols = (fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol
    is_atomic = not _ATOMIC_STORES.isdisjoint(protocols)
    part = key if is_atomic else f"{key}.{secrets.token_hex(8)}.part"
    fs.put_file(path, part)
    fs.invalidate_cache()
    stored = fs.info(part)["size"]
    if stored != size:
        raise OSError(f"{stored} bytes were stored instead of {size}")
    if part != key:
        fs.mv(part, key)


def safe_file_name(name: str) -> str:
    """Return a name that a service has sent as a name in one directory, however hostile it is."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if character.isprintable()).strip().lstrip(".")
    stem, dot, suffix = kept.rpartition(".")
    suffix = dot + suffix if stem and len(suffix) <= 16 else ""
    stem = kept.removesuffix(suffix) if suffix else kept
    room = MAX_FILE_NAME - len(suffix.encode())
    return (stem.encode()[:room].decode(errors="ignore") + suffix) or "file"
