"""Files to upload: in memory, failing, or changed while they are read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import pytest

from airflow_provider_ei.sources.discover import discover_files
from airflow_provider_ei.sources.file_specs import parse_file_specs
from airflow_provider_ei.sources.local import LocalFile
from airflow_provider_ei.sources.object_store import OpenStore
from airflow_provider_ei.sources.source_file import SourceFile
from airflow_provider_ei.studio.files import UploadFile, read_opened


@dataclass
class MadeUpFile:
    """A file in memory; counts how often it was opened and how it was read."""

    name: str
    data: bytes = b"t,x\n0,1\n"
    content_type: str = "text/csv"
    stated_size: int | None = None
    reads: list[int] = field(default_factory=list)
    opened: int = 0

    @property
    def size(self) -> int:
        return len(self.data) if self.stated_size is None else self.stated_size

    @property
    def source(self) -> str:
        return f"made-up/{self.name}"

    def open(self) -> BinaryIO:
        self.opened += 1
        return _Counted(self.data, self.reads)

    def check_unchanged(self, handle: BinaryIO) -> None:
        return None

    def read_whole(self) -> bytes:
        return read_opened(self)


class _Counted(io.BytesIO):
    def __init__(self, data: bytes, reads: list[int]) -> None:
        super().__init__(data)
        self._reads = reads

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        if block:
            self._reads.append(len(block))
        return block


@dataclass
class LookedAt(MadeUpFile):
    """A file of a source; opening it is an error unless ``closed`` is False."""

    version: str | None = "1"
    closed: bool = True

    def open(self) -> BinaryIO:
        if self.closed:
            raise AssertionError(f"{self.name} was to be left closed")
        return super().open()


@dataclass
class MeddlingFile(MadeUpFile):
    """Does something the first time it is opened."""

    meddle: Any = field(default=lambda: None)

    def open(self) -> BinaryIO:
        handle = super().open()
        if self.opened == 1:
            self.meddle()
        return handle


class FailingFile(MadeUpFile):
    """Raises ``error`` after ``good`` bytes; with ``good=None`` already when it is opened."""

    def __init__(self, error: Exception, *, good: int | None, size: int = 500_000) -> None:
        super().__init__("failing.csv", b"", stated_size=size)
        self._error = error
        self._good = good

    def open(self) -> BinaryIO:
        if self._good is None:
            raise self._error
        return _Failing(b"x" * self._good, self._error)


class _Failing(io.BytesIO):
    def __init__(self, data: bytes, error: Exception) -> None:
        super().__init__(data)
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        if not block:
            raise self._error
        return block


class MeddledFile:
    """A real file to which ``meddle`` does something after the first block was read."""

    def __init__(self, file: UploadFile, meddle: Callable[[], object]) -> None:
        self._file = file
        self._meddle = meddle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def open(self) -> BinaryIO:
        return _Meddled(self._file.open(), self._meddle)  # type: ignore[return-value]

    def check_unchanged(self, handle: Any) -> None:
        self._file.check_unchanged(handle.handle)

    def read_whole(self) -> bytes:
        return read_opened(self)


class _Meddled:
    def __init__(self, handle: BinaryIO, meddle: Callable[[], object]) -> None:
        self.handle = handle
        self._meddle: Callable[[], object] | None = meddle

    def read(self, size: int) -> bytes:
        block = self.handle.read(min(size, 1000))
        if self._meddle is not None:
            self._meddle()
            self._meddle = None
        return block

    def close(self) -> None:
        self.handle.close()


def before_each_read(monkeypatch: pytest.MonkeyPatch, tell: Callable[[LocalFile], object]) -> None:
    """Call ``tell`` whenever a local file is about to be read."""
    for way in ("open", "read_whole"):
        original = getattr(LocalFile, way)

        def read(file: LocalFile, original: Callable[[LocalFile], Any] = original) -> Any:
            tell(file)
            return original(file)

        monkeypatch.setattr(LocalFile, way, read)


def pinned(path: Path, data: bytes, *, name: str | None = None) -> LocalFile:
    """Write a file and pin it."""
    path.write_bytes(data)
    return LocalFile.pin(str(path), name or path.name, "text/csv")


def made_up(files: Mapping[str, bytes]) -> list[MadeUpFile]:
    return [MadeUpFile(name, data) for name, data in files.items()]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def no_store(uri: str) -> NoReturn:
    raise AssertionError(f"no store was to be opened: {uri}")


def discover(files: object, open_store: OpenStore) -> list[SourceFile]:
    """Parse the ``files`` argument, and find and pin the files."""
    return discover_files(parse_file_specs(files), open_store)
