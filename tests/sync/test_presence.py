"""Looking at one item's place in the source, right before its data item is deleted."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.sync.dataset.presence import Presence
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.tree import Tree

from .places import DiskSource, Source, StoreSource


@pytest.fixture(params=["disk", "store"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    made: Source = DiskSource(tmp_path / "study") if request.param == "disk" else StoreSource()
    made.write("other/x.csv")
    return made


class TestOnDiskAndInAStore:
    def test_an_item_that_is_gone_is_absent(self, source: Source) -> None:
        source.write("s0/x.csv")
        tree = source.read()
        assert tree.presence("s0") == Presence("present")
        source.remove("s0")
        assert tree.presence("s0") == Presence("absent")

    @pytest.mark.parametrize("hidden", [[], [".snapshot/x.csv"]], ids=str)
    def test_a_source_that_has_nothing_any_more_may_be_lost(self, source: Source, hidden: list[str]) -> None:
        tree = source.read()
        source.remove("other")
        for name in hidden:
            source.write(name)
        assert tree.presence("s0") == Presence("unknown", f"source: {source.place!r} has nothing at all any more")

    def test_an_item_that_comes_back_is_present(self, source: Source) -> None:
        tree = source.read()
        assert tree.presence("s0") == Presence("absent")
        source.write("s0/x.csv")
        assert tree.presence("s0") == Presence("present")

    @pytest.mark.parametrize(
        "hidden", [[], [".x.csv"], [".sub/x.csv"], ["ei-metadata.json"], [".x.csv", "ei-metadata.json"]], ids=str
    )
    def test_a_folder_without_visible_files_is_empty(self, source: Source, hidden: list[str]) -> None:
        source.folder("s0")
        for name in hidden:
            source.write(f"s0/{name}")
        tree = source.read()
        assert tree.empty == ["s0"]
        assert tree.presence("s0") == Presence("empty")

    @pytest.mark.parametrize(
        "patterns",
        [
            {"exclude": ["s0/"]},
            {"exclude": ["*.csv", "!/other/**"]},
            {"exclude": ["s?"]},
            {"include": ["*.wav", "other/"]},
            {"exclude": ["/s0/sub/", "/s0/x.csv"]},
        ],
        ids=str,
    )
    def test_a_folder_of_which_the_patterns_leave_nothing_is_excluded(
        self, source: Source, patterns: dict[str, Any]
    ) -> None:
        source.write("s0/x.csv")
        source.write("s0/sub/y.csv")
        tree = source.read(**patterns)
        assert (tree.excluded, tree.empty, [item.name for item in tree.items]) == (["s0"], [], ["other"])
        assert tree.presence("s0") == Presence("excluded")
        source.remove("s0")
        assert tree.presence("s0") == Presence("absent")

    def test_items_below_an_excluded_folder_are_excluded(self, source: Source) -> None:
        source.write("a/b/x.csv")
        source.write("a/c/x.csv")
        source.write("other/d/x.csv")
        tree = source.read(depth=2, exclude=["a/"])
        assert (tree.excluded, [item.name for item in tree.items]) == (["a/b", "a/c"], ["other/d"])
        assert [tree.presence(f"a/{name}").state for name in "bcd"] == ["excluded", "excluded", "absent"]

    def test_what_is_a_file_now_is_present_and_says_so(self, source: Source) -> None:
        source.write("s0", b"1")
        tree = source.read()
        assert (tree.replaced, tree.strays) == ({"s0": "a file"}, ["s0"])
        assert tree.presence("s0") == Presence("present", "'s0' is a file now")

    @pytest.mark.parametrize("patterns", [{}, {"exclude": ["a"]}, {"include": ["*.csv"]}], ids=str)
    def test_a_file_in_the_place_of_a_folder_above_is_present(self, source: Source, patterns: dict[str, Any]) -> None:
        source.write("other/b/x.csv")
        source.write("a", b"1")
        tree = source.read(depth=2, **patterns)
        assert tree.replaced["a"] == "a file"
        assert tree.presence("a/b") == Presence("present", "'a' is a file now")

    def test_an_item_below_a_folder_that_has_become_empty_counts_as_empty(self, source: Source) -> None:
        """As when a disk is not mounted there."""
        source.write("a/b/x.csv")
        source.write("other/b/x.csv")
        tree = source.read(depth=2)
        source.remove("a")
        assert tree.presence("a/b") == Presence("absent")
        source.folder("a")
        assert tree.presence("a/b").state == "empty"
        assert "'a' has nothing in it" in tree.presence("a/b").reason
        assert source.read(depth=2).empty == ["a"]

    def test_a_folder_at_another_depth_is_unknown(self, source: Source) -> None:
        source.write("a/b/x.csv")
        assert source.read(depth=1).presence("a/b") == Presence(
            "unknown", "'a/b' is there, but the items are folders 1 deep"
        )
        assert source.read(depth=2).presence("a") == Presence(
            "unknown", "'a' is there, but the items are folders 2 deep"
        )

    @pytest.mark.parametrize("name", ["", ".", "..", "../study/other", "/other", "other/", "a//b", "\0", "\udcff", "~"])
    def test_names_that_no_folder_can_have_lead_nowhere_else(self, source: Source, name: str) -> None:
        assert source.read().presence(name) == Presence("absent")

    def test_a_hidden_folder_is_excluded(self, source: Source) -> None:
        source.write(".s0/x.csv")
        tree = source.read()
        assert (tree.excluded, tree.empty) == ([], [])
        assert tree.presence(".s0") == Presence("excluded")

    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    def test_a_name_that_the_service_keeps_in_another_form_is_found(self, source: Source, form: Any) -> None:
        source.write(unicodedata.normalize(form, "é  1") + "/x.csv")
        assert source.read().presence("é 1") == Presence("present")

    def test_many_threads_can_check_at_once(self, source: Source) -> None:
        for number in range(0, 20, 2):
            source.write(f"s{number}/x.csv")
        tree = source.read()
        with ThreadPoolExecutor(8) as pool:
            looks = list(pool.map(tree.presence, [f"s{number}" for number in range(20)]))
        assert [look.state for look in looks] == ["present", "absent"] * 10


class TestOnDisk:
    @pytest.fixture
    def disk(self, tmp_path: Path) -> DiskSource:
        made = DiskSource(tmp_path / "study")
        made.write("other/x.csv")
        return made

    @pytest.mark.parametrize(
        ("make", "what"),
        [
            (os.mkfifo, "a pipe"),
            (lambda path: path.symlink_to("/mnt/not/mounted"), "a broken link"),
            (lambda path: path.symlink_to("/dev/null"), "a device"),
        ],
        ids=["pipe", "broken link", "device"],
    )
    @pytest.mark.parametrize("patterns", [{}, {"exclude": ["s0"]}], ids=str)
    def test_something_else_in_the_place_of_a_folder_is_present(
        self, disk: DiskSource, make: Callable[[Path], object], what: str, patterns: dict[str, Any]
    ) -> None:
        make(disk.top / "s0")
        tree = disk.read(**patterns)
        assert tree.replaced == {"s0": what}
        assert tree.presence("s0") == Presence("present", f"'s0' is {what} now")
        assert [item.name for item in tree.items if item.problem] == (["s0"] if "link" in what and not patterns else [])

    def test_a_link_to_itself_is_unknown(self, disk: DiskSource) -> None:
        (disk.top / "s0").symlink_to("s0")
        tree = disk.read()
        assert tree.replaced == {"s0": "a broken link"}
        assert tree.presence("s0").state == "unknown"
        assert "Too many levels of symbolic links" in tree.presence("s0").reason

    def test_a_source_that_is_gone_is_unknown(self, disk: DiskSource) -> None:
        tree = disk.read()
        disk.top.rename(disk.top.with_name("elsewhere"))
        look = tree.presence("s0")
        assert look.state == "unknown"
        assert "does not exist" in look.reason

    def test_another_directory_in_the_place_of_the_source_is_unknown(self, disk: DiskSource) -> None:
        """As when the disk on which it is was unmounted: what is below it now says nothing."""
        tree = disk.read()
        disk.top.rename(disk.top.with_name("elsewhere"))
        disk.top.mkdir()
        assert tree.presence("s0") == Presence(
            "unknown", f"source: {disk.place!r} is another directory than the one that was read"
        )

    def test_a_source_that_is_replaced_meanwhile_is_unknown(
        self, disk: DiskSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree = disk.read()
        scandir = os.scandir

        def swap(path: Any) -> Any:
            monkeypatch.setattr(os, "scandir", scandir)
            disk.top.rename(disk.top.with_name("elsewhere"))
            disk.top.mkdir()
            return scandir(path)

        monkeypatch.setattr(os, "scandir", swap)
        assert tree.presence("other").state == "unknown"

    @pytest.mark.parametrize("folder", [".", "s0", "s0/sub"])
    def test_what_cannot_be_read_is_unknown(
        self, disk: DiskSource, monkeypatch: pytest.MonkeyPatch, folder: str
    ) -> None:
        disk.write("s0/sub/x.csv")
        tree = disk.read()
        scandir = os.scandir

        def scan(path: Any) -> Any:
            if Path(path) == disk.top / folder:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", scan)
        look = tree.presence("s0")
        assert look.state == "unknown"
        assert "Permission denied" in look.reason


class TestInAStore:
    @pytest.fixture
    def store(self) -> StoreSource:
        made = StoreSource()
        made.write("other/x.csv")
        return made

    @pytest.mark.parametrize("folder", ["/bucket/study", "/bucket/study/s0"])
    @pytest.mark.parametrize(
        "error", [PermissionError(13, "Permission denied"), ConnectionError("reset"), RuntimeError("boom")], ids=repr
    )
    def test_what_cannot_be_listed_is_unknown(self, store: StoreSource, folder: str, error: Exception) -> None:
        store.write("s0/x.csv")
        tree = store.read()
        store.fs.closed, store.fs.error = {folder}, error
        look = tree.presence("s0")
        assert look.state == "unknown"
        assert str(error.args[-1]) in look.reason

    def test_a_prefix_that_is_gone_is_unknown(self, store: StoreSource) -> None:
        tree = store.read()
        store.remove("")
        assert tree.presence("s0").state == "unknown"

    def test_a_store_that_can_no_longer_be_opened_is_unknown(
        self, store: StoreSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree = store.read()
        monkeypatch.setattr(store.fs, "invalidate_cache", lambda *_: 1 / 0)
        look = tree.presence("s0")
        assert look.state == "unknown"
        assert "division by zero" in look.reason

    def test_a_listing_that_the_store_has_kept_is_not_believed(
        self, store: StoreSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept: dict[str, Any] = {}
        fresh = store.fs.ls
        monkeypatch.setattr(store.fs, "ls", lambda path, **_: kept.setdefault(path, fresh(path)))
        monkeypatch.setattr(store.fs, "invalidate_cache", lambda *_: kept.clear())
        tree = store.read()
        assert tree.presence("s0") == Presence("absent")
        store.write("s0/x.csv")
        assert tree.presence("s0") == Presence("present")


def test_a_list_of_items_has_what_it_lists() -> None:
    tree = Tree([SourceItem("s0", ()), SourceItem(unicodedata.normalize("NFD", "é"), ())])
    assert (tree.presence("s0"), tree.presence("é"), tree.presence("s1")) == (
        Presence("present"),
        Presence("present"),
        Presence("absent"),
    )
