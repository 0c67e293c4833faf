"""A file of a source under another name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from airflow_provider_ei.sources.source_file import SourceFile


@dataclass(frozen=True)
class NamedFile:
    """A pinned file, with the name under which it is sent; see ``UploadFile``."""

    name: str
    file: SourceFile

    @property
    def size(self) -> int:
        """See ``UploadFile.size``."""
        return self.file.size

    @property
    def content_type(self) -> str:
        """See ``UploadFile.content_type``."""
        return self.file.content_type

    @property
    def source(self) -> str:
        """See ``UploadFile.source``."""
        return self.file.source

    def open(self) -> BinaryIO:
        """See ``UploadFile.open``."""
        return self.file.open()

    def check_unchanged(self, handle: BinaryIO) -> None:
        """See ``UploadFile.check_unchanged``."""
        self.file.check_unchanged(handle)

    def read_whole(self) -> bytes:
        """See ``UploadFile.read_whole``."""
        return self.file.read_whole()
