"""The data directory, and the proof that it is the emulator's own.

The emulator deletes files in it, so it works only in a folder that it has made or found empty, and marked then. It
follows no symbolic link there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

MARKER = ".edge-impulse-emulator"
"""Name of the file that marks a folder as the emulator's own."""
_MARK = b"Data of the Edge Impulse emulator (airflow-provider-ei). It changes and deletes files here.\n"

_DATABASE = "emulator.sqlite"
_UPLOADS = "uploads"
_DATABASE_FILES = (_DATABASE, *(f"{_DATABASE}-{suffix}" for suffix in ("journal", "wal", "shm")))


class DataDirError(OSError):
    """The folder cannot hold the emulator's data. The message says why, and what to do."""


class DataDir:
    """A folder that is the emulator's own. It is made if it is missing, and marked if it is empty.

    :raises DataDirError: if somebody else's files are in it, or its own are not what they should be.
    :raises OSError: if it cannot be made or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / _DATABASE
        self.uploads = path / _UPLOADS
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise DataDirError(f"Use another data directory: {path} is not a directory, or is below a file") from None
        names = os.listdir(path)
        if MARKER in names:
            self._check()
        elif names:
            raise DataDirError(
                f"Use another data directory, or an empty one: {path} has files that the emulator did not put there"
                f" ({_some(names)}), and it deletes files in its directory."
            )
        else:
            with (path / MARKER).open("xb") as marker:
                marker.write(_MARK)
        self.uploads.mkdir(exist_ok=True)

    def _check(self) -> None:
        if not _is(stat.S_ISREG, self.path / MARKER) or not self._is_marked():
            raise DataDirError(
                f"Use another data directory: {self.path / MARKER} is not the file with which the emulator marks"
                " its own folders."
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
    """The error for a database of somebody else in the emulator's place."""
    return DataDirError(
        f"Move {path} elsewhere, or use another data directory: it is not a database that the emulator has made."
    )


def _is(kind: Callable[[int], bool], path: Path) -> bool:
    """Whether it is of a kind of :mod:`stat`, and not a link; what is missing is made later."""
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
