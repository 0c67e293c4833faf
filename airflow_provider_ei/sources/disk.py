"""Lists folders on this machine."""

from __future__ import annotations

import os

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources.folders import BROKEN_LINK, DIRECTORY, FILE, Entry, unreadable
from airflow_provider_ei.sources.pinned import LocalFile, SourceFile, kind


class Disk:
    """This machine."""

    def scan(self, folder: str) -> list[Entry]:
        """See :meth:`Place.scan`."""
        try:
            with os.scandir(folder) as entries:
                return [_disk_entry(entry) for entry in entries]
        except OSError as error:
            raise unreadable(os.fspath(error.filename or folder), error) from error

    def real_path(self, folder: str) -> str:
        """See :meth:`Place.real_path`."""
        return os.path.realpath(folder)

    def pin(self, entry: Entry, name: str, content_type: str) -> SourceFile:
        """See :meth:`Place.pin`. Whether the file opens is not tried."""
        if entry.kind != FILE:
            raise entry.refuse()
        try:
            found = entry.found.stat()
        except OSError as error:
            raise unreadable(entry.path, error) from error
        return LocalFile.of(found, entry.path, name, content_type)


def _disk_entry(entry: os.DirEntry[str]) -> Entry:
    error: EdgeImpulseError | None = None
    try:
        if entry.is_file():
            what = FILE
        elif entry.is_dir():
            what = DIRECTORY
        else:
            what = kind(entry.stat().st_mode)
    except OSError as reason:
        what, error = _untold(entry.path, reason)
    return Entry(entry.name, entry.path, what, entry.path, entry, entry.is_symlink(), error)


def _untold(path: str, reason: OSError) -> tuple[str, EdgeImpulseError]:
    """Return what to call an entry that cannot be looked at, and the error that says so."""
    try:
        target = os.readlink(path)
    except OSError:
        return "something that cannot be looked at", unreadable(path, reason)
    if not isinstance(reason, FileNotFoundError):
        return BROKEN_LINK, unreadable(path, reason)
    return BROKEN_LINK, EdgeImpulseInputError(
        f"Exclude or remove {path!r}: it is a symbolic link to {target!r}, which does not exist."
    )
