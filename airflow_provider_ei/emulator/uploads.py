"""The bytes on disk: one file for each upload request, in which its data files lie one after another.

A request with 10,000 small files then costs one file on disk, and to store it, or to leave no trace of a
request that was cut, is one step.
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
    """A data file that has arrived whole: ``size`` bytes from ``offset`` of its upload."""

    name: str
    content_type: str
    size: int
    sha256: str
    offset: int

    def logged(self) -> UploadedFile:
        """What the request log keeps of it."""
        return UploadedFile(self.name, self.content_type, self.size, self.sha256)


class Upload:
    """Where the files of one request go as they arrive. Not for several threads at a time.

    :ivar dropped: how many files of the request a switch has dropped.
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
        """Add bytes to the file begun last."""
        if self._out is None:
            self._out = self.path.open("xb", buffering=_BUFFER_BYTES)
        self._out.write(data)
        self._hash.update(data)
        self._end += len(data)

    def end_file(self, name: str, content_type: str) -> None:
        """The file begun last is whole."""
        size = self._end - self._begin
        self.files.append(ReceivedFile(name, content_type, size, self._hash.hexdigest(), self._begin))

    def close(self) -> None:
        """Everything has arrived: the bytes can be read from the path."""
        if self._out is not None:
            self._out.close()

    def discard(self) -> None:
        """Leave nothing behind."""
        self.close()
        self.path.unlink(missing_ok=True)


class UploadFolder:
    """The folder of the uploads. Their names are generated: no name that a client sends becomes a path.

    Whatever else is in the folder is not touched: other names, directories, links.
    """

    def __init__(self, path: Path) -> None:
        """:param path: a directory, which is not a link."""
        self.path = path

    def new(self) -> Upload:
        """A place for the files of one request. Nothing is on disk until the first byte is written."""
        return Upload(self.path / f"upload-{secrets.token_hex(16)}")

    def open(self, name: str, offset: int = 0) -> BinaryIO:
        """An upload's bytes, from ``offset``.

        :raises OSError: if it is not there.
        """
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(f"{name!r} is not the name of an upload")
        stream = os.fdopen(os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        stream.seek(offset)
        return stream

    def remove(self, names: Iterable[str]) -> None:
        """Delete uploads that no data item needs any longer."""
        for name in names:
            if self._is_upload(name):
                (self.path / name).unlink(missing_ok=True)

    def names(self) -> set[str]:
        """The uploads that are on disk."""
        return {name for name in os.listdir(self.path) if self._is_upload(name)}

    def _is_upload(self, name: str) -> bool:
        if not _NAME.fullmatch(name):
            return False
        try:
            return stat.S_ISREG((self.path / name).lstat().st_mode)
        except FileNotFoundError:
            return False
