"""Folders and files on this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.folders import BROKEN_LINK, DIRECTORY, FILE, Entry
from airflow_provider_ei.sources.problems import kind_of, missing, unreadable
from airflow_provider_ei.sources.source_file import SourceFile

#: Flags to open a file without blocking: opening a pipe would otherwise wait until somebody writes to it.
_WITHOUT_WAITING = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Disk:
    """The folders of this machine; see :class:`~.folders.Storage`."""

    def scan(self, folder: str) -> Sequence[Entry]:
        """List a folder."""
        try:
            with os.scandir(folder) as entries:
                found = [_entry(entry) for entry in entries]
        except OSError as error:
            raise unreadable(os.fspath(error.filename or folder), error) from error
        found.sort(key=_name)
        return _Entries(folder, found)

    def folder_entry(self, folder: str, name: str) -> Entry | None:
        """Return the entry of a subfolder, or of a link to one; None if it does not exist."""
        path = os.path.join(folder, name)
        if not os.path.isdir(path):
            return None
        return Entry(name, path, DIRECTORY, path, None, os.path.islink(path))

    def real_path(self, folder: str) -> str:
        """Return the folder's path without symbolic links."""
        return os.path.realpath(folder)

    def pin(self, entry: Entry, name: str, content_type: str) -> SourceFile:
        """Pin a file without opening it."""
        if entry.kind != FILE:
            raise entry.refuse()
        try:
            found = entry.found.stat()
        except OSError as error:
            raise unreadable(entry.path, error) from error
        return LocalFile.of(found, entry.path, name, content_type)


class _Entries(Sequence[Entry]):
    """The entries of a folder, sorted by name. Those of subfolders are created on access: there may be a million.

    :param found: entries in order; for a folder only its name, for a link to a folder its name and a slash.
    """

    def __init__(self, folder: str, found: list[Entry | str]) -> None:
        self._folder = folder
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, place: Any) -> Any:
        found = self._found[place]
        return _Entries(self._folder, found) if isinstance(found, list) else self._made(found)

    def __iter__(self) -> Iterator[Entry]:
        return map(self._made, self._found)

    def _made(self, found: Entry | str) -> Entry:
        if not isinstance(found, str):
            return found
        is_link = found.endswith("/")
        name = found.rstrip("/")
        path = os.path.join(self._folder, name)
        return Entry(name, path, DIRECTORY, path, None, is_link)


def _name(found: Entry | str) -> str:
    return found.name if isinstance(found, Entry) else found.rstrip("/")


def _entry(entry: os.DirEntry[str]) -> Entry | str:
    """Return an entry; for a folder, the string that represents it in :class:`_Entries`."""
    error: EdgeImpulseError | None = None
    try:
        if entry.is_file():
            kind = FILE
        elif entry.is_dir():
            return f"{entry.name}/" if entry.is_symlink() else entry.name
        else:
            kind = kind_of(entry.stat().st_mode)
    except OSError as reason:
        kind, error = _unknown_kind(entry.path, reason)
    return Entry(entry.name, entry.path, kind, entry.path, entry, entry.is_symlink(), error)


def _unknown_kind(path: str, reason: OSError) -> tuple[str, EdgeImpulseError]:
    """Return the name of an entry's unknown type for messages, and the error that gives the reason."""
    try:
        target = os.readlink(path)
    except OSError:
        return "something that cannot be inspected", unreadable(path, reason)
    if not isinstance(reason, FileNotFoundError):
        return BROKEN_LINK, unreadable(path, reason)
    return BROKEN_LINK, EdgeImpulseInputError(
        f"Exclude or remove {path!r}: it is a symbolic link to {target!r}, which does not exist."
    )


@dataclass(slots=True)  # not frozen: that would triple the creation time, and a sync pins up to ten million files
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
        """The file's path."""
        return self.path

    @property
    def version(self) -> str:
        """The file's modification time, in nanoseconds."""
        return str(self.mtime_ns)

    @classmethod
    def pin(cls, path: str, name: str, content_type: str) -> LocalFile:
        """Pin a file, and check that it is readable.

        :raises EdgeImpulseInputError: when it is missing, unreadable, or not a regular file.
        """
        try:
            found = os.stat(path)
            if stat.S_ISREG(found.st_mode) and not _may_read(path):  # otherwise it need not be opened
                with open(path, "rb", buffering=0, opener=_open_without_waiting) as handle:
                    found = os.fstat(handle.fileno())
        except FileNotFoundError:
            raise EdgeImpulseInputError(f"files: {missing(path)}") from None
        except OSError as error:
            raise EdgeImpulseInputError(f"files: {path!r} cannot be read: {error.strerror}.") from None
        if not stat.S_ISREG(found.st_mode):
            raise EdgeImpulseInputError(
                f"files: exclude or remove {path!r}: it is {kind_of(found.st_mode)}, not a regular file."
            )
        return cls.of(found, path, name, content_type)

    @classmethod
    def of(cls, found: os.stat_result, path: str, name: str, content_type: str) -> LocalFile:
        """Pin a file from its stat result, without opening it."""
        return cls(name, path, content_type, found.st_size, found.st_mtime_ns, found.st_ino)

    def open(self) -> BinaryIO:
        """Open the file unbuffered, since blocks are large; see ``UploadFile.open``. Never blocks on a pipe."""
        try:
            handle = open(self.path, "rb", buffering=0, opener=_open_without_waiting)  # noqa: SIM115  # the caller closes it
        except OSError as error:
            raise self._cannot_be_read(error) from error
        try:
            self.check_unchanged(handle)
        except EdgeImpulseFileError:
            handle.close()
            raise
        return handle

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Compare the open file with the pinned state; see ``UploadFile.check_unchanged``."""
        self._compare(handle.fileno())

    def read_whole(self) -> bytes:
        """Read the file with as few system calls as possible; see ``UploadFile.read_whole``."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | _WITHOUT_WAITING)
        except OSError as error:
            raise self._cannot_be_read(error) from error
        try:
            # If a pipe has replaced the file, pread fails and consumes nothing from it.
            data = os.pread(descriptor, self.size + 1, 0)
            while len(data) < self.size and (more := os.pread(descriptor, self.size + 1 - len(data), len(data))):
                data += more
            self._compare(descriptor)
        except OSError:
            self._compare(descriptor)  # if the file has changed, that error is more helpful
            raise
        finally:
            os.close(descriptor)
        return data

    def _cannot_be_read(self, error: OSError) -> EdgeImpulseFileError:
        return EdgeImpulseFileError(
            f"{self.path} was there when the task began and cannot be read now: {error.strerror}."
        )

    def _compare(self, descriptor: int) -> None:
        now = os.fstat(descriptor)
        if not stat.S_ISREG(now.st_mode):
            raise EdgeImpulseFileError(
                f"{self.path} was a regular file when the task began and is {kind_of(now.st_mode)} now. Let the task "
                "that writes it finish first."
            )
        if (now.st_size, now.st_mtime_ns, now.st_ino) != (self.size, self.mtime_ns, self.inode):
            raise EdgeImpulseFileError(
                f"{self.path} was changed after the task had begun with it: {self.size} bytes then, {now.st_size} "
                "now. Let the task that writes it finish first."
            )


def _may_read(path: str) -> bool:
    """Return whether this process can read a file. On some systems, False means that it is unknown."""
    return os.access in os.supports_effective_ids and os.access(path, os.R_OK, effective_ids=True)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file without blocking, for ``open``."""
    return os.open(path, flags | _WITHOUT_WAITING)
