"""Keeps files of an object store in memory between hashing and sending, so that a small new item is read once.

The store's version is compared when the bytes are read, so the bytes that are sent are those that were hashed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from airflow_provider_ei.studio.byte_budget import background_bytes
from airflow_provider_ei.studio.files import UploadFile


@dataclass(frozen=True)
class KeptFile:
    """A file whose bytes are in memory."""

    file: UploadFile
    data: bytes

    @property
    def name(self) -> str:
        """See ``UploadFile.name``."""
        return self.file.name

    @property
    def size(self) -> int:
        """See ``UploadFile.size``."""
        return len(self.data)

    @property
    def content_type(self) -> str:
        """See ``UploadFile.content_type``."""
        return self.file.content_type

    @property
    def source(self) -> str:
        """See ``UploadFile.source``."""
        return self.file.source

    def open(self) -> BinaryIO:
        """Open the kept bytes."""
        return io.BytesIO(self.data)

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Do nothing: the bytes were compared when they were read."""

    def read_whole(self) -> bytes:
        """Return the kept bytes."""
        return self.data


class KeptFiles:
    """Files by name, as many as the memory limit allows. The caller must release the files that it adds."""

    def __init__(self) -> None:
        self._files: dict[str, KeptFile] = {}

    def add(self, file: UploadFile, data: bytes) -> None:
        """Keep a file, unless the memory limit is reached."""
        if file.name not in self._files and background_bytes.take(len(data)):
            self._files[file.name] = KeptFile(file, data)

    def instead_of(self, files: Sequence[UploadFile]) -> list[UploadFile]:
        """Return the files, each replaced by its kept copy if there is one."""
        return [self._files.get(file.name, file) for file in files] if self._files else list(files)

    def release(self) -> None:
        """Drop all kept files."""
        while self._files:
            background_bytes.give(self._files.popitem()[1].size)
