"""Which data items a folder, or a prefix in a store, has."""

from __future__ import annotations

import os
import socket
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.tree import Tree, read_tree
from tests.support.files import no_store

Write = Callable[..., Path]


def read(top: Path | str, *, depth: int = 1, **patterns: Any) -> Tree:
    return read_tree(str(top), depth=depth, takes=Filter(**patterns), open_store=no_store)


def found(tree: Tree) -> dict[str, list[str]]:
    """The names of each item's files."""
    return {item.name: sorted(file.name for file in item.files) for item in tree.items}


def problem(tree: Tree, name: str) -> EdgeImpulseError:
    """Why an item fails; all others are fine."""
    problems = {item.name: item.problem for item in tree.items if item.problem is not None}
    assert list(problems) == [name]
    return problems[name]


class TestDepth:
    FILES = {"a/x.csv": b"1", "a/b/y.csv": b"22", "a/b/c/z.csv": b"333", "top.csv": b""}

    @pytest.mark.parametrize(
        ("depth", "items", "strays"),
        [
            (1, {"a": ["b/c/z.csv", "b/y.csv", "x.csv"]}, ["top.csv"]),
            (2, {"a/b": ["c/z.csv", "y.csv"]}, ["a/x.csv", "top.csv"]),
            (3, {"a/b/c": ["z.csv"]}, ["a/b/y.csv", "a/x.csv", "top.csv"]),
            (4, {}, ["a/b/c/z.csv", "a/b/y.csv", "a/x.csv", "top.csv"]),
        ],
    )
    def test_folders_at_the_depth_are_the_items(
        self, write_tree: Write, depth: int, items: dict[str, list[str]], strays: list[str]
    ) -> None:
        tree = read(write_tree(self.FILES), depth=depth)
        assert found(tree) == items
        assert sorted(tree.strays) == strays
        assert tree.empty == []

    def test_a_file_has_its_source_size_version_and_type(self, write_tree: Write) -> None:
        top = write_tree(self.FILES)
        (item,) = read(top, depth=2).items
        by_name = {file.name: file for file in item.files}
        file = by_name["y.csv"]
        times = str((top / "a/b/y.csv").stat().st_mtime_ns)
        assert (file.source, file.size, file.version, file.content_type) == (
            str(top / "a/b/y.csv"),
            2,
            times,
            "text/csv",
        )
        assert (item.context.name, item.context.file_count, item.context.total_bytes) == ("a/b", 2, 5)

    @pytest.mark.parametrize("form", ["{}", "{}/", "file://{}", "{}/../tree"])
    def test_the_source_may_be_written_in_several_ways(self, write_tree: Write, form: str) -> None:
        assert list(found(read(form.format(write_tree(self.FILES))))) == ["a"]

    def test_items_are_sorted_by_name(self, write_tree: Write) -> None:
        names = ["b", "a", "B", "a.b", "a-b", "é", "10", "9"]
        top = write_tree({f"{name}/x.csv": b"" for name in names})
        assert [item.name for item in read(top).items] == sorted(names)

    def test_items_two_folders_deep_are_sorted_by_name(self, write_tree: Write) -> None:
        top = write_tree({"a/z/x.csv": b"", "a-b/c/x.csv": b"", "a/y/x.csv": b""})
        assert [item.name for item in read(top, depth=2).items] == ["a-b/c", "a/y", "a/z"]


class TestHiddenAndEmpty:
    def test_hidden_files_and_folders_are_left_out(self, write_tree: Write) -> None:
        hidden = {".git/x.csv": b"", "a/.cache/x.csv": b"", "a/.x.csv": b"", ".x": b"", "a/sub/.nfs01": b""}
        tree = read(write_tree({**hidden, "a/x.csv": b""}))
        assert found(tree) == {"a": ["x.csv"]}
        assert (tree.strays, tree.empty) == ([], [])

    def test_folders_without_visible_files_are_empty(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"", "hidden/.x": b"", "meta/ei-metadata.json": b"{}"})
        for name in ("empty", "nested/deep/er"):
            (top / name).mkdir(parents=True)
        tree = read(top)
        assert list(found(tree)) == ["a"]
        assert sorted(tree.empty) == ["empty", "hidden", "meta", "nested"]

    def test_a_folder_whose_files_are_all_excluded_is_not_empty(self, write_tree: Write) -> None:
        tree = read(write_tree({"a/x.csv": b"", "b/x.tmp": b""}), exclude=["*.tmp"])
        assert (list(found(tree)), tree.empty) == (["a"], [])

    def test_an_empty_source_has_no_items(self, tmp_path: Path) -> None:
        assert read(tmp_path) == Tree()


class TestPatterns:
    FILES = {"a/x.csv": b"", "a/x.tmp": b"", "a/raw/y.bin": b"", "drafts/x.csv": b"", "s.tmp": b"", "s.csv": b""}

    def test_patterns_are_relative_to_the_source(self, write_tree: Write) -> None:
        tree = read(write_tree(self.FILES), exclude=["*.tmp", "/drafts/", "a/raw/"])
        assert found(tree) == {"a": ["x.csv"]}
        assert tree.strays == ["s.csv"]

    def test_excluded_folders_are_not_listed(self, write_tree: Write) -> None:
        top = write_tree(self.FILES)
        (top / "a/raw/loop").symlink_to(top)
        (top / "gone.tmp").symlink_to(top / "nowhere")
        (top / "a/gone.tmp").symlink_to(top / "nowhere")
        os.mkfifo(top / "a/pipe.tmp")
        tree = read(top, exclude=["*.tmp", "raw/"])
        assert [item.problem for item in tree.items] == [None, None]

    def test_a_sidecar_is_read_whatever_is_included(self, write_tree: Write) -> None:
        (item,) = read(write_tree({"a/x.csv": b"", "a/ei-metadata.json": b"{}"}), include=["*.csv"]).items
        assert item.sidecar is not None

    def test_nothing_below_an_excluded_folder_can_be_included_again(self, write_tree: Write) -> None:
        assert found(read(write_tree(self.FILES), exclude=["a/raw/", "*.tmp", "!y.bin"])) == {
            "a": ["x.csv"],
            "drafts": ["x.csv"],
        }


class TestSidecar:
    def test_a_sidecar_is_not_one_of_the_files(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"", "a/ei-metadata.json": b"{}", "a/sub/ei-metadata.json": b"{ }"})
        (item,) = read(top).items
        assert [file.name for file in item.files if file.name != "x.csv"] == ["sub/ei-metadata.json"]
        assert item.sidecar is not None
        assert item.sidecar.source == str(top / "a/ei-metadata.json")

    def test_a_sidecar_above_the_items_is_a_stray(self, write_tree: Write) -> None:
        assert read(write_tree({"ei-metadata.json": b"{}", "a/x.csv": b""})).strays == ["ei-metadata.json"]


class TestSymbolicLinks:
    def test_links_are_followed(self, write_tree: Write, tmp_path: Path) -> None:
        top = write_tree({"a/x.csv": b"1"})
        elsewhere = write_tree({"y.csv": b"22", "sub/z.csv": b"333"}, "elsewhere")
        (top / "b").symlink_to(elsewhere)
        (top / "a/sub").symlink_to(elsewhere / "sub")
        (top / "a/y.csv").symlink_to("../../elsewhere/y.csv")
        (top / "stray.csv").symlink_to(elsewhere / "y.csv")
        (tmp_path / "link").symlink_to(top)
        tree = read(tmp_path / "link")
        assert found(tree) == {"a": ["sub/z.csv", "x.csv", "y.csv"], "b": ["sub/z.csv", "y.csv"]}
        assert {file.name: file.size for file in tree.items[0].files} == {"sub/z.csv": 3, "x.csv": 1, "y.csv": 2}
        assert tree.strays == ["stray.csv"]

    def test_a_link_that_leads_nowhere_is_a_problem_of_its_item(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"", "b/x.csv": b""})
        (top / "a/y.csv").symlink_to("/nowhere/y.csv")
        error = problem(read(top), "a")
        assert not error.retryable
        assert str(error) == (
            f"Exclude or remove '{top}/a/y.csv': it is a symbolic link to '/nowhere/y.csv', which does not exist."
        )

    def test_an_item_that_is_a_broken_link_is_a_problem(self, write_tree: Write) -> None:
        """An item whose disk is not mounted must not look like one that was removed."""
        top = write_tree({"b/x.csv": b""})
        (top / "a").symlink_to("/mnt/not/mounted")
        tree = read(top)
        assert "is a symbolic link to '/mnt/not/mounted', which does not exist" in str(problem(tree, "a"))
        assert (tree.strays, tree.replaced) == ([], {"a": "a broken link"})

    def test_a_broken_link_above_the_items_is_a_problem(self, write_tree: Write) -> None:
        top = write_tree({"b/c/x.csv": b""})
        (top / "a").symlink_to("/mnt/not/mounted")
        tree = read(top, depth=2)
        assert "is a symbolic link to '/mnt/not/mounted', which does not exist" in str(problem(tree, "a"))
        assert found(tree) == {"a": [], "b/c": ["x.csv"]}
        assert tree.replaced == {"a": "a broken link"}

    @pytest.mark.parametrize(
        ("link", "target"),
        [
            pytest.param("a/self", "a", id="to the item"),
            pytest.param("a/sub/up", "a", id="to the item, from below"),
            pytest.param("a/sub/same", "a/sub", id="to its own folder"),
            pytest.param("a/top", "", id="to the source"),
            pytest.param("a/sub/above", "..", id="above the source"),
        ],
    )
    def test_a_link_to_a_folder_above_is_a_problem_of_its_item(self, write_tree: Write, link: str, target: str) -> None:
        top = write_tree({"a/sub/x.csv": b"", "b/x.csv": b""})
        (top / link).symlink_to(top / target)
        assert "is a symbolic link to a folder above itself" in str(problem(read(top), "a"))

    def test_links_that_lead_to_each_other_are_a_problem(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"", "other/y.csv": b""}, "tree")
        (top / "a/to").symlink_to(top / "other")
        (top / "other/back").symlink_to(top / "a")
        tree = read(top)
        assert ["above itself" in str(item.problem) for item in tree.items] == [True, True]

    def test_an_item_that_is_a_link_to_the_source_is_a_problem(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b""})
        (top / "loop").symlink_to(top)
        assert "above itself" in str(problem(read(top), "loop"))

    def test_a_link_to_itself_is_a_problem(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"", "b/x.csv": b""})
        (top / "a/y").symlink_to(top / "a/y")
        assert "cannot be read: Too many levels of symbolic links" in str(problem(read(top), "a"))

    def test_two_links_to_one_folder_are_not_a_loop(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"", "z/y.csv": b""})
        (top / "a/one").symlink_to(top / "z")
        (top / "a/two").symlink_to(top / "z")
        assert found(read(top))["a"] == ["one/y.csv", "two/y.csv", "x.csv"]


class TestLoopsAndDepth:
    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_a_file_990_folders_deep_is_found(
        self, write_tree: Write, write_deep_folder: Callable[[str], str], depth: int
    ) -> None:
        top = write_tree({"a/b/x.csv": b"", "b/c/d/x.csv": b""})
        write_deep_folder("tree/a/b")
        deepest = max((file.name for item in read(top, depth=depth).items for file in item.files), key=len)
        assert deepest.count("/") == 992 - depth

    def test_items_may_be_990_folders_deep(self, write_tree: Write, write_deep_folder: Callable[[str], str]) -> None:
        top = write_tree({})
        write_deep_folder("tree")
        name = "/".join("d" * 990)
        tree = read(top, depth=990)
        assert list(found(tree)) == [name]
        assert tree.presence(name).state == "present"

    @pytest.mark.parametrize("target", [".", "..", "loop"])
    @pytest.mark.parametrize("depth", [1, 2])
    def test_a_link_to_the_source_in_the_source_is_replaced_by_a_problem(
        self, write_tree: Write, target: str, depth: int
    ) -> None:
        top = write_tree({"a/b/x.csv": b""})
        (top / "loop").symlink_to(target)
        tree = read(top, depth=depth)
        problems = {item.name: item.problem for item in tree.items}
        assert problems.pop("a" if depth == 1 else "a/b") is None
        assert list(problems) == ["loop" if depth == 1 or target != ".." else "loop/tree"]
        assert None not in problems.values()
        assert tree.presence("loop").state in ("present", "unknown")

    @pytest.mark.parametrize("target", [".", "..", "loop", "/mnt/not/mounted"])
    @pytest.mark.parametrize("depth", [1, 2])
    @pytest.mark.parametrize("pattern", ["loop", "loop/", "/l*"])
    def test_an_excluded_problem_is_not_a_problem(
        self, write_tree: Write, target: str, depth: int, pattern: str
    ) -> None:
        top = write_tree({"a/b/x.csv": b""})
        (top / "loop").symlink_to(target)
        (top / "a/b/loop").symlink_to(target)
        tree = read(top, depth=depth, exclude=[pattern, "a/b/loop"])
        assert [item.problem for item in tree.items] == [None]

    def test_a_broken_link_that_may_have_been_an_included_folder_is_a_problem(self, write_tree: Write) -> None:
        """A pattern for files says nothing about a folder; the item must not lose what was in it."""
        top = write_tree({"a/x.csv": b"", "b/x.csv": b""})
        (top / "a/more").symlink_to("/mnt/not/mounted")
        problem(read(top, include=["*.csv"]), "a")
        assert [item.problem for item in read(top, include=["*.csv"], exclude=["more"]).items] == [None, None]


class TestWhatIsNoFile:
    def test_a_pipe_is_a_problem_of_its_item(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"", "b/x.csv": b""})
        os.mkfifo(top / "a" / "pipe")
        assert str(problem(read(top), "a")) == f"Exclude or remove '{top}/a/pipe': it is a pipe, not a regular file."

    def test_a_socket_is_a_problem_of_its_item(self, write_tree: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        top = write_tree({"a/x.csv": b"", "b/x.csv": b""})
        monkeypatch.chdir(top / "a")  # a socket's path is short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("s")
            assert "it is a socket, not a regular file" in str(problem(read(top), "a"))

    def test_a_link_to_a_device_is_a_problem_of_its_item(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"", "b/x.csv": b""})
        (top / "a/null").symlink_to("/dev/null")
        assert "it is a device, not a regular file" in str(problem(read(top), "a"))

    def test_a_pipe_in_the_place_of_the_sidecar_is_a_problem(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b"", "b/x.csv": b""})
        os.mkfifo(top / "a" / "ei-metadata.json")
        assert "ei-metadata.json': it is a pipe, not a regular file" in str(problem(read(top), "a"))

    def test_a_pipe_above_the_items_is_a_stray(self, write_tree: Write) -> None:
        top = write_tree({"a/x.csv": b""})
        os.mkfifo(top / "pipe")
        tree = read(top)
        assert (tree.strays, tree.replaced) == (["pipe"], {"pipe": "a pipe"})


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Folders that cannot be listed; root can read all, whatever their mode."""
    folders: set[str] = set()
    scandir = os.scandir

    def scan(path: Any) -> Any:
        if str(path) in folders:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    return folders


class TestUnreadable:
    @pytest.mark.parametrize("folder", ["a", "a/sub"])
    def test_an_unreadable_folder_in_an_item_is_its_problem(
        self, write_tree: Write, closed: set[str], folder: str
    ) -> None:
        top = write_tree({"a/x.csv": b"", "a/sub/y.csv": b"", "b/x.csv": b""})
        closed.add(str(top / folder))
        error = problem(read(top), "a")
        assert isinstance(error, EdgeImpulseFileError)
        assert error.retryable
        assert str(error) == f"'{top}/{folder}' cannot be read: Permission denied."

    def test_an_unreadable_source_is_refused(self, write_tree: Write, closed: set[str]) -> None:
        top = write_tree({"a/b/x.csv": b"", "c/d/x.csv": b""})
        closed.add(str(top))
        with pytest.raises(EdgeImpulseInputError) as caught:
            read(top, depth=2)
        assert str(caught.value) == f"source: '{top}' cannot be read: Permission denied."

    def test_an_unreadable_folder_above_the_items_is_a_problem_of_all_below_it(
        self, write_tree: Write, closed: set[str]
    ) -> None:
        top = write_tree({"a/b/x.csv": b"", "c/d/x.csv": b""})
        closed.add(str(top / "a"))
        tree = read(top, depth=2)
        assert str(problem(tree, "a")) == f"'{top}/a' cannot be read: Permission denied."
        assert found(tree) == {"a": [], "c/d": ["x.csv"]}
        assert tree.replaced == {"a": "a directory that cannot be read"}

    def test_an_excluded_unreadable_folder_stands_for_all_below_it(self, write_tree: Write, closed: set[str]) -> None:
        top = write_tree({"a/b/x.csv": b"", "c/d/x.csv": b""})
        closed.add(str(top / "a"))
        tree = read(top, depth=2, exclude=["a/"])
        assert (found(tree), tree.excluded, tree.replaced) == ({"c/d": ["x.csv"]}, ["a"], {})

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("missing", "check the path, which does not exist on the machine that runs this task: {}."),
            ("a/x.csv", "give the folder that has the data items: {} is not a directory."),
        ],
    )
    def test_a_source_that_is_not_a_readable_directory_is_refused(
        self, write_tree: Write, name: str, words: str
    ) -> None:
        place = str(write_tree({"a/x.csv": b""}) / name)
        with pytest.raises(EdgeImpulseInputError) as caught:
            read(place)
        assert str(caught.value).startswith(f"source: {words.format(repr(place))}")


@pytest.mark.parametrize(
    "name",
    ["a b", "é", unicodedata.normalize("NFD", "é"), "日本", "a'b", 'a"b', "a%22b", "-a", "a;b", "[a]*", "a\\b", "a:b"],
)
def test_names_with_odd_characters_are_kept(write_tree: Write, name: str) -> None:
    assert found(read(write_tree({f"{name}/{name}.csv": b""}))) == {name: [f"{name}.csv"]}


class TestStore:
    """The same, below a prefix of an object store."""

    @pytest.fixture
    def put(self) -> Iterator[Callable[[Mapping[str, bytes]], None]]:
        store = MemoryFileSystem()

        def write(files: Mapping[str, bytes]) -> None:
            for name, data in files.items():
                store.pipe_file(f"/bucket/{name}", data)

        yield write
        store.store.clear()
        store.pseudo_dirs[:] = [""]

    def read(self, depth: int = 1, place: str = "data", **patterns: Any) -> Tree:
        store = MemoryFileSystem()
        return read_tree(
            f"memory://bucket/{place}",
            depth=depth,
            takes=Filter(**patterns),
            open_store=lambda uri: (store, "/" + uri.removeprefix("memory://")),
        )

    FILES = {f"data/{name}": data for name, data in TestDepth.FILES.items()}

    @pytest.mark.parametrize("place", ["data", "data/"])
    @pytest.mark.parametrize("depth", [1, 2, 3, 4])
    def test_a_prefix_has_the_same_items_as_a_folder_of_the_same_names(
        self, put: Callable[..., None], write_tree: Write, depth: int, place: str
    ) -> None:
        put(self.FILES)
        stored, local = self.read(depth, place), read(write_tree(TestDepth.FILES), depth=depth)
        assert found(stored) == found(local)
        assert sorted(stored.strays) == sorted(local.strays)

    @pytest.mark.parametrize(
        "exclude",
        [["*.tmp"], ["/drafts/"], ["a/raw/", "!a/raw/y.bin"], ["*", "!*/", "!*.csv"], ["drafts/", "!drafts/x.csv"]],
        ids=str,
    )
    def test_patterns_leave_out_the_same_objects(
        self, put: Callable[..., None], write_tree: Write, exclude: list[str]
    ) -> None:
        put({f"data/{name}": data for name, data in TestPatterns.FILES.items()})
        stored, local = self.read(exclude=exclude), read(write_tree(TestPatterns.FILES), exclude=exclude)
        assert found(stored) == found(local)
        assert sorted(stored.strays) == sorted(local.strays)

    def test_only_objects_below_the_prefix_count(self, put: Callable[..., None]) -> None:
        put({**self.FILES, "data2/a/x.csv": b"", "other/a/x.csv": b""})
        assert found(self.read()) == {"a": ["b/c/z.csv", "b/y.csv", "x.csv"]}

    def test_hidden_objects_and_sidecars_are_not_files(self, put: Callable[..., None]) -> None:
        put({"data/a/.x": b"", "data/.b/x.csv": b"", "data/a/x.csv": b"", "data/a/ei-metadata.json": b"{}"})
        (item,) = self.read().items
        assert (item.name, [file.name for file in item.files]) == ("a", ["x.csv"])
        assert item.sidecar is not None
        assert item.sidecar.source == "memory://bucket/data/a/ei-metadata.json"

    def test_a_folder_of_nothing_but_a_sidecar_is_empty(self, put: Callable[..., None]) -> None:
        put({"data/a/x.csv": b"", "data/b/ei-metadata.json": b"{}"})
        tree = self.read()
        assert (list(found(tree)), tree.empty) == (["a"], ["b"])

    @pytest.mark.parametrize(
        ("place", "words"),
        [
            ("data/a/x.csv", "is an object, not a directory"),
            ("nothing", "does not exist"),
            ("d[ef]*", "does not exist"),
        ],
    )
    def test_a_prefix_that_does_not_exist_is_refused(self, put: Callable[..., None], place: str, words: str) -> None:
        put(self.FILES)
        with pytest.raises(EdgeImpulseInputError, match=f"^source: .*{words}"):
            self.read(place=place)

    def test_an_object_of_unknown_size_is_its_items_problem(self, put: Callable[..., None]) -> None:
        put({"data/a/x.csv": b"", "data/b/x.csv": b""})
        store = MemoryFileSystem()
        list_folder = store.ls

        def ls(path: str, **kwargs: Any) -> Any:
            return [info | {"size": info["size"] if "/b" in path[8:] else None} for info in list_folder(path, **kwargs)]

        store.ls = ls  # type: ignore[method-assign]
        try:
            assert "does not say how many bytes" in str(problem(self.read(), "a"))
        finally:
            del store.ls


class TestReadingOneItemAgain:
    def read(self, top: Path, **more: Any) -> tuple[Tree, dict[str, SourceItem]]:
        found: dict[str, SourceItem] = {}
        tree = read_tree(
            str(top),
            depth=more.get("depth", 1),
            takes=Filter(more.get("include"), more.get("exclude")),
            open_store=no_store,
            add=lambda item: found.update({item.name: item}),
        )
        assert tree.items == []
        return tree, found

    def test_reading_an_item_again_gives_what_was_found(self, write_tree: Any) -> None:
        top = write_tree({"a/b/x.csv": b"1", "a/b/s/y.csv": b"22", "a/b/t.tmp": b"", "a/c/.h": b"", "a/d/t.tmp": b""})
        (top / "e").symlink_to(top / "a")
        (top / "a" / "loop").symlink_to(top / "a")
        tree, found = self.read(top, depth=2, exclude=["*.tmp"])
        assert sorted(found) == ["a/b", "a/loop", "e/b", "e/loop"]
        assert tree.read_item is not None
        for name, item in found.items():
            again = tree.read_item(name)
            assert again is not None
            assert (again.name, again.files, again.sidecar) == (name, item.files, item.sidecar)
            assert str(again.problem) == str(item.problem)

    def test_reading_an_item_again_sees_what_has_changed(self, write_tree: Any) -> None:
        top = write_tree({"a/x.csv": b"1", "b/x.csv": b"1", "c/x.csv": b"1"})
        tree, _ = self.read(top)
        assert tree.read_item is not None
        (top / "a" / "y.csv").write_bytes(b"2")
        (top / "b" / "x.csv").unlink()
        (top / "c" / "x.csv").unlink()
        (top / "c").rmdir()
        item = tree.read_item("a")
        assert item is not None
        assert sorted(file.name for file in item.files) == ["x.csv", "y.csv"]
        assert [tree.read_item(name) for name in ("b", "c")] == [None, None]
