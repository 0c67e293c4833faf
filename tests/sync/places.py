"""The same source on a disk and in a store, for tests that compare the two."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sync.dataset.tree import Tree, read_tree
from tests.support.files import no_store


class DiskSource:
    """A folder on this machine."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.place = str(top)
        top.mkdir()

    def write(self, name: str, data: bytes = b"1") -> None:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def folder(self, name: str) -> None:
        (self.top / name).mkdir(parents=True, exist_ok=True)

    def remove(self, name: str) -> None:
        path = self.top / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def read(self, *, depth: int = 1, **patterns: Any) -> Tree:
        return read_tree(self.place, depth=depth, takes=Filter(**patterns), open_store=no_store)


class FailingStore(MemoryFileSystem):
    """A store in memory, its own, that cannot list some folders, or fails at the n-th listing."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store = {}  # type: ignore[misc]
        self.pseudo_dirs = [""]  # type: ignore[misc]
        self.closed: set[str] = set()
        self.error: Exception = PermissionError(13, "Permission denied")
        self.listings = 0
        self.fails_at: int | None = None

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        self.listings += 1
        if self._strip_protocol(path) in self.closed or self.listings == self.fails_at:
            raise self.error
        return super().ls(path, detail=detail, **kwargs)


class FlatStore(FailingStore):
    """As a bucket: one listing of all objects, those that stand for folders included."""

    __module__ = "s3fs.in_memory"

    def _find(self) -> None:
        """Tell that this store lists flat, as the real one does in its own method of this name."""

    def find(self, path: str, **_: Any) -> Any:
        path = self._strip_protocol(path)
        found = super().find(path, detail=True)
        folders = [folder + "/" for folder in self.pseudo_dirs if folder == path or folder.startswith(path + "/")]
        return found | {name: {"name": name, "size": 0, "type": "file"} for name in folders}


class StoreSource:
    """A prefix of a store in memory, which has folders of their own."""

    def __init__(self, fs: FailingStore | None = None) -> None:
        self.fs = fs or FailingStore()
        self.place = "memory://bucket/study"
        self.folder("")

    def write(self, name: str, data: bytes = b"1") -> None:
        self.fs.pipe_file(f"/bucket/study/{name}", data)

    def folder(self, name: str) -> None:
        self.fs.makedirs(f"/bucket/study/{name}".rstrip("/"), exist_ok=True)

    def remove(self, name: str) -> None:
        path = f"/bucket/study/{name}".rstrip("/")
        self.fs.rm(path, recursive=self.fs.isdir(path))

    def open_store(self, uri: str) -> tuple[AbstractFileSystem, str]:
        return self.fs, "/" + uri.partition("://")[2]

    def read(self, *, depth: int = 1, **patterns: Any) -> Tree:
        return read_tree(self.place, depth=depth, takes=Filter(**patterns), open_store=self.open_store)


Source = DiskSource | StoreSource
