"""The data directory, and the check that it belongs to the emulator.

The emulator deletes files in it. So it uses only a directory that it has created or found empty, and has marked with a
file. It follows no symbolic link there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

MARKER = ".edge-impulse-emulator"
"""Name of the file that marks a directory of the emulator."""
_MARK = b"Data of the Edge Impulse emulator (airflow-provider-ei). It changes and deletes files here.\n"

_DATABASE = "emulator.sqlite"
_UPLOADS = "uploads"
_DATABASE_FILES = (_DATABASE, *(f"{_DATABASE}-{suffix}" for suffix in ("journal", "wal", "shm")))


class DataDirError(OSError):
    """The directory cannot be used. The message says why, and what to do."""


class DataDir:
    """A directory of the emulator. It is created if it is missing, and marked if it is empty.

    :raises DataDirError: if it contains other files, or the emulator's own files have been replaced.
    :raises OSError: if it cannot be created or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / _DATABASE
        self.uploads = path / _UPLOADS
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise DataDirError(f"Use another data directory: {path} is not a directory, or is inside a file") from None
        names = os.listdir(path)
        if MARKER in names:
            self._check()
        elif names:
            raise DataDirError(
                f"Use another data directory, or an empty one: {path} contains files that are not the emulator's"
                f" ({_some(names)}), and the emulator deletes files in its directory."
            )
        else:
            with (path / MARKER).open("xb") as marker:
                marker.write(_MARK)
        self.uploads.mkdir(exist_ok=True)

    def _check(self) -> None:
        if not _is(stat.S_ISREG, self.path / MARKER) or not self._is_marked():
            raise DataDirError(
                f"Use another data directory: {self.path / MARKER} is not the file with which the emulator"
                " marks its directories."
            )
        for name in _DATABASE_FILES:
            if not _is(stat.S_ISREG, self.path / name):
                raise DataDirError(_wrong_kind(self.path / name, "a regular file"))
        if not _is(stat.S_ISDIR, self.uploads):
            raise DataDirError(_wrong_kind(self.uploads, "a directory"))

    def _is_marked(self) -> bool:
        with (self.path / MARKER).open("rb") as marker:
            return marker.read(len(_MARK) + 1) == _MARK


def not_its_database(path: Path) -> DataDirError:
    """Return the error for a database that another program has created."""
    return DataDirError(
        f"Move {path} elsewhere, or use another data directory: the emulator did not create this database."
    )


def _is(kind: Callable[[int], bool], path: Path) -> bool:
    """Return whether a path is of a kind of :mod:`stat` and not a link, or is missing: it is created later."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return True
    return kind(mode)


def _wrong_kind(path: Path, kind: str) -> str:
    return (
        f"Move {path} elsewhere, or use another data directory: it must be {kind}, and the emulator follows no"
        " symbolic link there."
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
