"""Files in an object store, found and read through fsspec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.sync.digest import sha256_of
from tests.support.files import discover, sha256

Tree = Callable[..., Path]


class TestMemoryStore:
    """Objects, read through fsspec."""

    @pytest.fixture(autouse=True)
    def memory(self) -> Iterator[MemoryFileSystem]:
        self.fs = MemoryFileSystem(skip_instance_cache=True)
        self.fs.store = {}  # of its own, not the one that all share
        self.fs.pseudo_dirs = [""]
        yield self.fs

    def open_store(self, uri: str) -> tuple[AbstractFileSystem, str]:
        rest = uri.partition("://")[2]
        return self.fs, "/" + rest.partition("@")[2] if "@" in rest.split("/")[0] else "/" + rest

    def put(self, **files: bytes) -> None:
        for name, data in files.items():
            self.fs.pipe(name, data)

    def resolve(self, files: object) -> list[UploadFile]:
        return discover(files, self.open_store)

    def refusal(self, files: object) -> str:
        with pytest.raises(EdgeImpulseInputError) as caught:
            self.resolve(files)
        return str(caught.value)

    def test_an_object_has_its_size_type_and_bytes(self) -> None:
        self.put(**{"/bucket/day/raw.csv": b"t,x\n"})
        (file,) = self.resolve("memory://bucket/day/raw.csv")
        assert (file.name, file.size, file.content_type) == ("raw.csv", 4, "text/csv")
        assert file.source == "memory://bucket/day/raw.csv"
        with file.open() as handle:
            assert handle.read() == b"t,x\n"
        assert sha256_of(file) == sha256(b"t,x\n")

    def test_the_connection_stays_in_the_source(self) -> None:
        self.put(**{"/bucket/day/1.csv": b"1", "/bucket/day/2.csv": b"2"})
        files = self.resolve("memory://my_conn@bucket/day")
        assert [file.source for file in files] == [f"memory://my_conn@bucket/day/{n}.csv" for n in (1, 2)]

    @pytest.mark.parametrize("place", ["bucket/a@b/1.csv", "bucket/a@b"])
    def test_an_at_sign_in_the_key_is_kept(self, place: str) -> None:
        self.put(**{"/bucket/a@b/1.csv": b"1"})
        (file,) = self.resolve(f"memory://{place}")
        assert file.source == "memory://bucket/a@b/1.csv"

    def test_objects_below_a_prefix_are_named_relative_to_it(self) -> None:
        self.put(
            **{"/b/d/1.csv": b"1", "/b/d/s/2.csv": b"2", "/b/d/.hidden": b"3", "/b/d/.git/x": b"4", "/b/dd/5": b"5"}
        )
        for uri in ("memory://b/d", "memory://b/d/"):
            assert [file.name for file in self.resolve(uri)] == ["1.csv", "s/2.csv"]

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("*.csv", ["1.csv"]),
            ("*/*.csv", ["s/2.csv"]),
            ("**/*.csv", ["1.csv", "s/2.csv"]),
            ("s/*", ["2.csv"]),
            ("[0-9].csv", ["1.csv"]),
        ],
    )
    def test_a_pattern_matches_objects(self, pattern: str, names: list[str]) -> None:
        self.put(**{"/b/d/1.csv": b"1", "/b/d/s/2.csv": b"2", "/b/d/3.txt": b"3", "/b/d/.csv": b"4"})
        assert [file.name for file in self.resolve(f"memory://b/d/{pattern}")] == names

    @pytest.mark.parametrize("name", ["run [1].csv", "a*.csv"])
    def test_an_object_whose_name_looks_like_a_pattern_is_that_object(self, name: str) -> None:
        self.put(**{f"/b/{name}": b"1", "/b/run 1.csv": b"2", "/b/ab.csv": b"3"})
        (file,) = self.resolve(f"memory://b/{name}")
        assert (file.name, file.size) == (name, 1)

    @pytest.mark.parametrize("place", ["b/no.csv", "b/no/*.csv", "b/d/*.wav", "no"])
    def test_what_is_missing_is_named(self, place: str) -> None:
        self.put(**{"/b/d/1.csv": b"1"})
        assert f"memory://{place}" in self.refusal(f"memory://{place}")

    def test_a_prefix_without_visible_objects_is_refused(self) -> None:
        self.put(**{"/b/d/.hidden": b"1"})
        assert "memory://b/d" in self.refusal("memory://b/d")

    def test_a_path_object_of_a_store_is_a_uri(self) -> None:
        """It is not an ``os.PathLike``, since there is no local file to open."""
        fs = self.fs

        class StorePath:
            path = "/b/raw.csv"

            def __init__(self) -> None:
                self.fs = fs

            def __str__(self) -> str:
                return "memory://b/raw.csv"

        self.put(**{"/b/raw.csv": b"1"})
        for given in (StorePath(), [StorePath()], {"path": StorePath()}):
            assert [file.source for file in self.resolve(given)] == ["memory://b/raw.csv"]

    def test_a_dict_can_give_another_name_and_content_type(self) -> None:
        self.put(**{"/b/raw": b"1"})
        (file,) = self.resolve({"path": "memory://b/raw", "name": "s/é.csv", "content_type": "text/x"})
        assert (file.name, file.content_type) == ("s/é.csv", "text/x")

    def test_objects_and_local_files_can_be_mixed(self, write_tree: Tree) -> None:
        self.put(**{"/b/2.csv": b"2"})
        tree = write_tree({"1.csv": b"1"})
        assert [file.name for file in self.resolve([str(tree), "memory://b/2.csv"])] == ["1.csv", "2.csv"]
        assert "memory://b/2.csv" in self.refusal([str(write_tree({"2.csv": b"1"})), "memory://b/2.csv"])

    @pytest.mark.parametrize("data", [b"more than before", b"", b"T,X\n"], ids=["longer", "empty", "same length"])
    def test_an_object_that_changed_after_it_was_found_is_an_error(self, data: bytes) -> None:
        self.put(**{"/b/raw.csv": b"t,x\n"})
        (file,) = self.resolve("memory://b/raw.csv")
        self.put(**{"/b/raw.csv": data})
        with pytest.raises(EdgeImpulseFileError, match=r"memory://b/raw\.csv"):
            sha256_of(file)

    @pytest.mark.parametrize("place", ["b/raw.csv", "b", "b/*.csv"])
    def test_an_error_of_the_stores_own_is_transient(self, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        class StoreError(Exception):
            pass

        def fail(*_: object, **__: object) -> None:
            raise StoreError("the store is being updated")

        monkeypatch.setattr(self.fs, "info", fail)
        with pytest.raises(
            EdgeImpulseFileError, match=rf"^files: 'memory://{re.escape(place)}' cannot be read: the store"
        ):
            self.resolve(f"memory://{place}")

    @pytest.mark.parametrize("data", [b"t,x\n", b""], ids=["bytes", "empty"])
    def test_an_object_that_is_gone_is_an_error(self, data: bytes) -> None:
        self.put(**{"/b/raw.csv": data})
        (file,) = self.resolve("memory://b/raw.csv")
        self.fs.rm("/b/raw.csv")
        with pytest.raises(EdgeImpulseFileError, match=r"memory://b/raw\.csv"):
            sha256_of(file)

    def test_an_empty_object_that_grew_is_an_error(self) -> None:
        self.put(**{"/b/raw.csv": b""})
        (file,) = self.resolve("memory://b/raw.csv")
        self.put(**{"/b/raw.csv": b"1"})
        with pytest.raises(EdgeImpulseFileError, match=r"memory://b/raw\.csv"):
            sha256_of(file)

    def cached(self) -> MemoryFileSystem:
        """Stores answer ``info`` from their listing until it is dropped."""
        listing: dict[str, dict[str, Any]] = {}
        fresh = self.fs.info

        class Cached(MemoryFileSystem):
            cachable = False

            def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
                return listing.setdefault(path, fresh(path, **kwargs))

            def invalidate_cache(self, path: str | None = None) -> None:
                listing.clear()

        cached = Cached()
        cached.store = self.fs.store
        return cached

    def test_a_cached_listing_is_not_believed_after_the_last_byte(self) -> None:
        cached = self.cached()
        self.put(**{"/b/raw.csv": b"t,x\n"})
        (file,) = discover("memory://b/raw.csv", lambda uri: (cached, "/b/raw.csv"))
        self.put(**{"/b/raw.csv": b"T,X\n"})
        with pytest.raises(EdgeImpulseFileError):
            sha256_of(file)

    def test_a_cached_listing_of_an_earlier_task_is_not_believed(self) -> None:
        cached = self.cached()
        self.put(**{"/b/raw.csv": b"t,x\n"})
        cached.info("/b/raw.csv")
        self.put(**{"/b/raw.csv": b"longer than before"})
        (file,) = discover("memory://b/raw.csv", lambda uri: (cached, "/b/raw.csv"))
        assert sha256_of(file) == sha256(b"longer than before")

    @pytest.mark.parametrize("size", [None, "4", 4.0])
    def test_an_object_without_a_size_is_refused(self, monkeypatch: pytest.MonkeyPatch, size: object) -> None:
        self.put(**{"/b/raw.csv": b"t,x\n"})
        info = self.fs.info
        monkeypatch.setattr(self.fs, "info", lambda path, **kwargs: info(path, **kwargs) | {"size": size})
        assert "memory://b/raw.csv" in self.refusal("memory://b/raw.csv")

    @pytest.mark.parametrize(
        "error",
        [
            ImportError("install the provider of s3"),
            ValueError("no such protocol"),
            PermissionError("access denied"),
            FileNotFoundError("b"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_a_store_that_cannot_be_opened_is_refused_with_its_uri(self, error: Exception) -> None:
        def open_store(uri: str) -> tuple[AbstractFileSystem, str]:
            raise error

        with pytest.raises(EdgeImpulseInputError, match=r"s3://b/raw\.csv"):
            discover("s3://b/raw.csv", open_store)

    def listed(self, monkeypatch: pytest.MonkeyPatch, *infos: dict[str, Any]) -> None:
        """Let the store list these objects, too."""
        listing = self.fs.ls
        monkeypatch.setattr(self.fs, "ls", lambda path, **kwargs: [*listing(path, **kwargs), *infos])

    def test_an_empty_object_that_stands_for_a_folder_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.put(**{"/b/d/1.csv": b"1"})
        self.listed(monkeypatch, {"name": "/b/d/", "size": 0, "type": "file"})
        assert [file.name for file in self.resolve("memory://b/d")] == ["1.csv"]

    def test_an_empty_path_segment_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.put(**{"/b/d/1.csv": b"1"})
        self.listed(monkeypatch, {"name": "/b/d/", "size": 0, "type": "directory"})
        assert "empty path segment" in self.refusal("memory://b/d")
