"""A partial listing is never a listing: whatever cannot be listed is an error of its item, or of the source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sync.dataset.tree import Tree, read_tree
from tests.support.files import discover, no_store

from .places import DiskSource, FailingStore, StoreSource

FILES = [
    *("a/x.csv", "a/sub/y.csv", "a/sub/deep/z.csv", "b/c/x.csv", "b/d/y.csv", "b/d/e/z.csv", "c/x.csv"),
    *("skipped/a/x.csv", "skipped/b/c/x.csv", "top.csv"),
]
ERRORS = [PermissionError(13, "Permission denied"), ConnectionResetError("reset"), FileNotFoundError("gone")]


class ClosedLocal(LocalFileSystem):
    """The disk behind ``local://``; some folders cannot be listed, in either form of ``ls``."""

    cachable = False
    closed = ""

    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> Any:
        if self.closed and self._strip_protocol(path).endswith(self.closed):
            raise PermissionError(13, "Permission denied", path)
        return super().ls(path, detail=detail, **kwargs)


class Failing:
    """A file system with the files of :data:`FILES`, of which one folder cannot be listed."""

    def __init__(self, fs: Any, top: str, close: Callable[[str], None]) -> None:
        self.fs, self.top, self.close = fs, top, close

    def open_store(self, uri: str) -> tuple[AbstractFileSystem, str]:
        return self.fs, uri.removeprefix("test://")

    def read(self, depth: int = 1, **patterns: Any) -> Tree:
        return read_tree(f"test://{self.top}", depth=depth, takes=Filter(**patterns), open_store=self.open_store)

    def resolve(self, place: str) -> list[str]:
        return [file.name for file in discover(f"test://{self.top}{place}", self.open_store)]


@pytest.fixture(params=["memory", "local", "local below a folder"])
def failing(request: pytest.FixtureRequest, tmp_path: Path) -> Failing:
    if request.param == "memory":
        store = FailingStore()
        for name in FILES:
            store.pipe_file(f"/top/{name}", b"1")
        return Failing(store, "/top", lambda folder: store.closed.add(f"/top/{folder}".rstrip("/")))
    local = ClosedLocal()
    for name in FILES:
        local.makedirs(str((tmp_path / "top" / name).parent), exist_ok=True)
        (tmp_path / "top" / name).write_bytes(b"1")

    def close(folder: str) -> None:
        local.closed = f"/top/{folder}".rstrip("/")

    if request.param == "local":
        return Failing(local, str(tmp_path / "top"), close)
    return Failing(DirFileSystem(path=str(tmp_path), fs=local, skip_instance_cache=True), "top", close)


class TestOneFolder:
    @pytest.mark.parametrize("folder", ["a", "a/sub", "a/sub/deep"])
    def test_a_closed_folder_of_an_item_is_its_problem(self, failing: Failing, folder: str) -> None:
        failing.close(folder)
        tree = failing.read()
        assert {item.name: bool(item.problem) for item in tree.items} == {
            "a": True,
            "b": False,
            "c": False,
            "skipped": False,
        }
        assert tree.presence("a").state in ("present" if "/" in folder else "unknown", "unknown")
        assert tree.empty == tree.excluded == []

    def test_a_closed_folder_above_the_items_protects_all_below_it(self, failing: Failing) -> None:
        failing.close("b")
        tree = failing.read(depth=2)
        assert [item.name for item in tree.items if item.problem] == ["b"]
        assert "b" in tree.replaced
        assert tree.presence("b/c").state == "unknown"

    def test_a_closed_folder_that_is_excluded_is_not_a_problem(self, failing: Failing) -> None:
        failing.close("skipped")
        tree = failing.read(depth=2, exclude=["skipped/"])
        assert [item.name for item in tree.items if item.problem] == []
        assert tree.excluded == ["skipped"]
        assert tree.presence("skipped/a").state == "unknown"

    def test_a_closed_source_is_refused(self, failing: Failing) -> None:
        failing.close("")
        with pytest.raises(EdgeImpulseError, match=r"^source: "):
            failing.read()

    @pytest.mark.parametrize(
        ("place", "folder"),
        [
            ("/a", "a"),
            ("/a", "a/sub"),
            ("/a/", "a/sub/deep"),
            ("", "b/d"),
            ("/**", "a/sub"),
            ("/**/*.csv", "b/d/e"),
            ("/*/*.csv", "b"),
            ("/a/*", "a"),
            ("/a/**/z.csv", "a/sub/deep"),
            ("/*/sub/*", "a/sub"),
        ],
    )
    def test_a_closed_folder_of_a_single_upload_is_refused(self, failing: Failing, place: str, folder: str) -> None:
        assert failing.resolve(place)
        failing.close(folder)
        with pytest.raises(EdgeImpulseError, match=r"^files: .*Permission denied"):
            failing.resolve(place)


def told(tree: Tree) -> tuple[dict[str, list[str]], dict[str, bool]]:
    """The files of each item, and whether it has a problem."""
    files = {item.name: sorted(file.name for file in item.files) for item in tree.items}
    return files, {item.name: item.problem is not None for item in tree.items}


def covers(path: str, name: str) -> bool:
    return name == path or name.startswith(path + "/")


def check(whole: Tree, read: Callable[[], Tree]) -> bool:
    """Read a source of which something fails: no item is missing or smaller without being told.

    :return: whether something was told.
    """
    try:
        tree = read()
    except EdgeImpulseError:
        return True
    files, problems = told(tree)
    marked = [*(name for name, problem in problems.items() if problem), *tree.replaced]
    for name, expected in told(whole)[0].items():
        assert any(covers(path, name) for path in marked) or files.get(name) == expected, name
    for name in whole.excluded:
        assert any(covers(path, name) for path in [*marked, *tree.excluded]), name
    for name in whole.empty:
        assert any(covers(path, name) for path in [*marked, *tree.empty]), name
    return files != told(whole)[0] or any(problems.values()) or tree.excluded != whole.excluded


PATTERNS: list[dict[str, Any]] = [{}, {"exclude": ["skipped/"]}, {"include": ["x.csv", "z.csv"], "exclude": ["/b/d/"]}]


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("patterns", PATTERNS, ids=str)
class TestAnyCall:
    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_no_failed_listing_of_a_store_hides_items(
        self, depth: int, patterns: dict[str, Any], error: Exception
    ) -> None:
        source = StoreSource()
        for name in FILES:
            source.write(name)
        source.fs.error = error

        def read() -> Tree:
            source.fs.listings = 0
            return source.read(depth=depth, **patterns)

        whole = read()
        count = source.fs.listings
        assert count > 3
        for number in range(1, count + 1):
            source.fs.fails_at = number
            assert check(whole, read), f"listing {number} failed, and nothing tells"

    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_no_failed_system_call_hides_items(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int, patterns: dict[str, Any], error: OSError
    ) -> None:
        source = DiskSource(tmp_path / "study")
        for name in FILES:
            source.write(name)
        (source.top / "link").symlink_to("b")
        (source.top / "b/link.csv").symlink_to("../top.csv")
        (source.top / "empty").mkdir()
        system = FailingSystem(error)
        monkeypatch.setattr(os, "scandir", system.scandir)
        monkeypatch.setattr(os, "stat", system.stat)
        whole = source.read(depth=depth, **patterns)
        count = system.calls
        assert count > 5
        for number in range(1, count + 1):
            system.calls, system.fails_at = 0, number
            assert check(whole, lambda: source.read(depth=depth, **patterns)), f"call {number} failed, nothing tells"


@pytest.mark.parametrize("place", ["", "/a", "/**", "/*/*.csv", "/b/**/*.csv", "/*/d/*"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
class TestAnyCallOfASingleUpload:
    """All files, or an error: never some of them."""

    def test_a_failed_listing_of_a_store_ends_the_upload(self, place: str, error: Exception) -> None:
        source = StoreSource()
        for name in FILES:
            source.write(name)
        source.fs.error = error

        def resolve() -> list[str]:
            source.fs.listings = 0
            return [file.name for file in discover(source.place + place, source.open_store)]

        assert resolve()
        for number in range(1, source.fs.listings + 1):
            source.fs.fails_at = number
            with pytest.raises(EdgeImpulseError, match=r"^files: "):
                resolve()

    def test_a_failed_system_call_ends_the_upload(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: OSError
    ) -> None:
        source = DiskSource(tmp_path / "study")
        for name in FILES:
            source.write(name)
        (source.top / "link").symlink_to("b")
        system = FailingSystem(error)
        monkeypatch.setattr(os, "scandir", system.scandir)
        monkeypatch.setattr(os, "stat", system.stat)
        whole = discover(source.place + place, no_store)
        refused = 0
        count = system.calls
        for number in range(1, count + 1):
            system.calls, system.fails_at = 0, number
            try:
                # Whether a pattern is the name of a directory is asked first, and an error means no.
                assert discover(source.place + place, no_store) == whole
            except EdgeImpulseError as refusal:
                assert str(refusal).startswith("files: ")
                refused += 1
        assert refused >= count - 1


class FailingSystem:
    """Lets one call of ``scandir``, ``stat``, or of an entry that ``scandir`` gave, fail."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        self.calls = 0
        self.fails_at = 0
        self._scandir, self._stat = os.scandir, os.stat

    def count(self) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise self.error

    def stat(self, path: Any, **kwargs: Any) -> os.stat_result:
        if str(path).find("study") >= 0 and not kwargs:
            self.count()
        return self._stat(path, **kwargs)

    def scandir(self, path: str) -> Any:
        self.count()
        return FailingScan(self, self._scandir(path))


class FailingScan:
    def __init__(self, system: FailingSystem, entries: Any) -> None:
        self._system, self._entries = system, entries

    def __enter__(self) -> Iterator[Any]:
        return (FailingEntry(self._system, entry) for entry in self._entries)

    def __exit__(self, *_: object) -> None:
        self._entries.close()


class FailingEntry:
    """An entry whose system calls can fail: those of ``is_dir`` and ``is_file`` only of a link, as in the real one."""

    def __init__(self, system: FailingSystem, entry: os.DirEntry[str]) -> None:
        self._system, self._entry = system, entry
        self.name, self.path = entry.name, entry.path
        self.is_symlink = entry.is_symlink
        self._error: OSError | None = None

    def _call(self) -> None:
        try:
            self._system.count()
        except OSError as error:
            self._error = error
        if self._error is not None:
            raise self._error

    def _is(self, answer: bool) -> bool:
        try:
            if self.is_symlink():
                self._call()
        except FileNotFoundError:
            return False
        return answer

    def is_dir(self) -> bool:
        return self._is(self._entry.is_dir())

    def is_file(self) -> bool:
        return self._is(self._entry.is_file())

    def stat(self) -> os.stat_result:
        self._call()
        return self._entry.stat()


def test_a_folder_that_vanishes_meanwhile_is_a_problem_of_its_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DiskSource(tmp_path / "study")
    for name in FILES:
        source.write(name)
    scandir = os.scandir

    def scan(path: Any) -> Any:
        if str(path).endswith("/a/sub") and (source.top / "a/sub").exists():
            source.remove("a/sub")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    problems = {item.name: str(item.problem) for item in source.read().items if item.problem}
    assert problems == {"a": f"'{source.top}/a/sub' cannot be read: it is gone."}


def test_a_folder_that_becomes_a_file_meanwhile_is_a_problem_of_its_item(monkeypatch: pytest.MonkeyPatch) -> None:
    source = StoreSource()
    for name in FILES:
        source.write(name)
    listing = source.fs.ls

    def ls(path: str, **kwargs: Any) -> Any:
        if path.endswith("/a/sub") and source.fs.isdir(path):
            source.remove("a/sub")
            source.write("a/sub", b"1")
        return listing(path, **kwargs)

    monkeypatch.setattr(source.fs, "ls", ls)
    problems = {item.name: str(item.problem) for item in source.read().items if item.problem}
    assert problems == {"a": "'memory://bucket/study/a/sub' cannot be read: it is a file, not a directory."}
