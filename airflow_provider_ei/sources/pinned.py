"""The files of a data item: pinned when they are found, checked again when they are sent."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.studio.files import UploadFile

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class SourceFile(UploadFile, Protocol):
    """A file whose content can be told to have changed without reading it."""

    @property
    def version(self) -> str | None:
        """A time, or a store's checksum; None when the store tells neither."""


@dataclass(frozen=True)
class LocalFile:
    """A regular file on this machine, with the size, time and inode that it had when it was found."""

    name: str
    path: str
    content_type: str
    size: int
    mtime_ns: int
    inode: int

    @property
    def source(self) -> str:
        """The path."""
        return self.path

    @property
    def version(self) -> str:
        """Its time, in nanoseconds."""
        return str(self.mtime_ns)

    @classmethod
    def pin(cls, path: str, name: str, content_type: str) -> LocalFile:
        """Look at a file, and try whether it opens.

        :raises EdgeImpulseInputError: when it is missing, unreadable, or not a regular file.
        """
        try:
            found = os.stat(path)
            if stat.S_ISREG(found.st_mode):
                with open(path, "rb", buffering=0, opener=_open_without_waiting) as handle:
                    found = os.fstat(handle.fileno())
        except FileNotFoundError:
            raise EdgeImpulseInputError(f"files: {missing(path)}") from None
        except OSError as error:
            raise EdgeImpulseInputError(f"files: {path!r} cannot be read: {error.strerror}.") from None
        if not stat.S_ISREG(found.st_mode):
            raise EdgeImpulseInputError(
                f"files: exclude or remove {path!r}: it is {kind(found.st_mode)}, not a regular file."
            )
        return cls.of(found, path, name, content_type)

    @classmethod
    def of(cls, found: os.stat_result, path: str, name: str, content_type: str) -> LocalFile:
        """Pin a file that was looked at, without trying whether it opens."""
        return cls(name, path, content_type, found.st_size, found.st_mtime_ns, found.st_ino)

    def open(self) -> BinaryIO:
        """Open unbuffered, since blocks are large; see ``UploadFile.open``. A pipe in its place is not waited for."""
        try:
            handle = open(self.path, "rb", buffering=0, opener=_open_without_waiting)  # noqa: SIM115  # the caller closes it
        except OSError as error:
            raise EdgeImpulseFileError(
                f"{self.path} was there when the task began and cannot be read now: {error.strerror}."
            ) from error
        try:
            self.check_unchanged(handle)
        except EdgeImpulseFileError:
            handle.close()
            raise
        return handle

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Compare the open file with what was pinned; see ``UploadFile.check_unchanged``."""
        now = os.fstat(handle.fileno())
        if not stat.S_ISREG(now.st_mode):
            raise EdgeImpulseFileError(
                f"{self.path} was a regular file when the task began and is {kind(now.st_mode)} now. Let the task that "
                "writes it finish first."
            )
        if (now.st_size, now.st_mtime_ns, now.st_ino) != (self.size, self.mtime_ns, self.inode):
            raise EdgeImpulseFileError(
                f"{self.path} was changed after the task had begun with it: {self.size} bytes then, {now.st_size} "
                "now. Let the task that writes it finish first."
            )


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe, which could have taken its place, would be waited for until somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def missing(path: str) -> str:
    """Say what to do about a path that does not exist."""
    if os.path.islink(path):
        return f"check the symbolic link {path!r}: {os.readlink(path)!r}, to which it leads, does not exist."
    if path.startswith("~") or "$" in path:
        return f"write the whole path, since '~' and '$' are not expanded: {path!r} does not exist."
    if not os.path.isabs(path):
        return f"write the absolute path: {path!r} is {os.path.abspath(path)!r} here, which does not exist."
    return f"check the path, which does not exist on the machine that runs this task: {path!r}."


def kind(mode: int) -> str:
    """Say what something is that is not a regular file."""
    for test, kind in (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return kind
    return "something else"


@dataclass(frozen=True)
class StoredFile:
    """An object in a store, read through fsspec, with the size and version that the store's listing gave.

    :ivar fs: the file system, for instance s3fs.
    :ivar key: what that file system calls the object.
    :ivar fact: a fact of the listing that changes with the content, such as ``("ETag", …)``.
    """

    name: str
    uri: str
    content_type: str
    size: int
    fact: tuple[str, Any] | None
    fs: AbstractFileSystem
    key: str

    @property
    def source(self) -> str:
        """The URI."""
        return self.uri

    @property
    def version(self) -> str | None:
        """The store's own checksum or version, else its time."""
        return None if self.fact is None else "{}={}".format(*self.fact)

    @classmethod
    def pin(
        cls,
        fs: AbstractFileSystem,
        key: str,
        info: Mapping[str, Any],
        *,
        uri: str,
        name: str,
        content_type: str,
    ) -> StoredFile:
        """Pin what a listing says of an object.

        :param info: fsspec's ``info``.
        :raises EdgeImpulseInputError: when the store does not say how large the object is.
        """
        size = info.get("size")
        if not isinstance(size, int):
            raise EdgeImpulseInputError(
                f"files: the store does not say how many bytes {uri!r} has, so it cannot be streamed. Copy it to a "
                "file or a bucket first."
            )
        fact = next(((fact, info[fact]) for fact in _VERSION_FACTS if info.get(fact) is not None), None)
        return cls(name, uri, content_type, size, fact, fs, key)

    def open(self) -> BinaryIO:
        """Open the object; see ``UploadFile.open``."""
        handle: BinaryIO = self.fs.open(self.key, "rb", block_size=_BLOCK_BYTES)
        return handle

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Ask the store, not its cached listing, again; see ``UploadFile.check_unchanged``.

        If the version is the same after the last byte as it was in the listing, it was the same in between.
        """
        self.fs.invalidate_cache(self.fs._parent(self.key))
        info = self.fs.info(self.key)
        fact, value = self.fact or ("size", self.size)
        # Some stores tell more in a listing than for one object; what they do not tell says nothing.
        if info.get("size") != self.size or _comparable(info.get(fact, value)) != _comparable(value):
            raise EdgeImpulseFileError(
                f"{self.uri} was changed after the task had begun with it: {self.size} bytes then, "
                f"{info.get('size')} now. Let what writes it finish first."
            )


def _comparable(value: Any) -> Any:
    """Return a fact so that a time is equal to itself: fsspec's memory tells seconds in a listing, a date otherwise."""
    return value.timestamp() if isinstance(value, datetime) else value


#: Bytes that are asked for at once. Some stores' own default is 50 MiB, for each file that is open.
_BLOCK_BYTES = 8 * 1024 * 1024

#: In the order in which they are trusted: S3 and Azure have an etag, GCS a generation, others only a time.
_VERSION_FACTS = ("ETag", "etag", "generation", "mtime", "LastModified", "last_modified", "created")
