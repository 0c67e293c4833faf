"""The bytes on disk: one file for each upload request, which contains the request's data files one after another.

So a request with 10,000 small files needs one file on disk, and storing or removing it is one step.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airflow_provider_ei.emulator.request_log import UploadedFile

_BUFFER_BYTES = 1 << 17
_NAME = re.compile(r"upload-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A data file that has arrived completely: ``size`` bytes from ``offset`` of its upload.

    :ivar too_large: the file was larger than allowed, and nothing of it is kept.
    """

    name: str
    content_type: str
    size: int
    sha256: str
    offset: int
    too_large: bool = False

    def logged(self) -> UploadedFile:
        """Return the entry for the request log."""
        return UploadedFile(self.name, self.content_type, self.size, self.sha256)


class Upload:
    """The files of one request, written as they arrive. Not for several threads at a time.

    :ivar dropped: the number of files that a switch has dropped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[ReceivedFile] = []
        self.dropped = 0
        self._out: BinaryIO | None = None
        self._end = 0
        self._begin = 0
        self._hash = hashlib.sha256()

    def begin_file(self) -> None:
        """Start the next file."""
        self._begin = self._end
        self._hash = hashlib.sha256()

    def write(self, data: memoryview) -> None:
        """Add bytes to the current file."""
        if self._out is None:
            self._out = self.path.open("xb", buffering=_BUFFER_BYTES)
        self._out.write(data)
        self._hash.update(data)
        self._end += len(data)

    def cut_file(self) -> None:
        """Forget the bytes of the current file."""
        if self._out is not None:
            self._out.seek(self._begin)
            self._out.truncate()
        self._end = self._begin
        self._hash = hashlib.sha256()

    def end_file(self, name: str, content_type: str, *, too_large: bool = False) -> None:
        """End the current file."""
        size = self._end - self._begin
        self.files.append(ReceivedFile(name, content_type, size, self._hash.hexdigest(), self._begin, too_large))

    def close(self) -> None:
        """Complete the upload: its bytes can be read from the path."""
        if self._out is not None:
            self._out.close()

    def discard(self) -> None:
        """Remove the bytes from the disk."""
        self.close()
        self.path.unlink(missing_ok=True)


class UploadFolder:
    """The folder of the uploads. Their names are generated: no name from a client becomes a path.

    Everything else in the folder is left alone: other names, directories, links.
    """

    def __init__(self, path: Path) -> None:
        """:param path: a directory, not a link."""
        self.path = path

    def new(self) -> Upload:
        """Return a place for the files of one request. Nothing is on disk before the first byte."""
        return Upload(self.path / f"upload-{secrets.token_hex(16)}")

    def open(self, name: str, offset: int = 0) -> BinaryIO:
        """Open an upload's bytes, from ``offset``.

        :raises OSError: if it does not exist.
        """
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(f"{name!r} is not the name of an upload")
        stream = os.fdopen(os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        stream.seek(offset)
        return stream

    def remove(self, names: Iterable[str]) -> None:
        """Delete uploads that no data item needs."""
        for name in names:
            if self._is_upload(name):
                (self.path / name).unlink(missing_ok=True)

    def names(self) -> set[str]:
        """Return the names of the uploads on disk."""
        return {name for name in os.listdir(self.path) if self._is_upload(name)}

    def _is_upload(self, name: str) -> bool:
        if not _NAME.fullmatch(name):
            return False
        try:
            return stat.S_ISREG((self.path / name).lstat().st_mode)
        except FileNotFoundError:
            return False
