"""Random trees of folders and files, and what else can lie in them: the same rules on a disk and in a store."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sources.object_store import lists_flat
from airflow_provider_ei.sync.dataset import sidecar
from airflow_provider_ei.sync.dataset.tree import Tree

from .places import DiskSource, FailingStore, FlatStore, StoreSource

#: A folder by name: bytes are a file, a text is what else there is, a dict is a folder.
Node = dict[str, Any]

NAMES = ["a", "b", "raw", "x.csv", "y.tmp", ".h", sidecar.NAME]
MAKE = {
    "a pipe": os.mkfifo,
    "a broken link": lambda path: Path(path).symlink_to("/mnt/not/mounted"),
    "a link to itself": lambda path: Path(path).symlink_to(Path(path).name),
    "a loop": lambda path: Path(path).symlink_to("."),
}

names = st.sampled_from(NAMES)
contents = st.sampled_from([b"", b"1", b"22"])


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    return st.dictionaries(
        names, st.recursive(leaves, lambda below: st.dictionaries(names, below, max_size=4), max_leaves=12), max_size=5
    )


patterns = st.fixed_dictionaries(
    {},
    optional={
        "include": st.lists(st.sampled_from(["*.csv", "a/", "/b/", "*", "!y.tmp"]), min_size=1, max_size=2),
        "exclude": st.lists(
            st.sampled_from(["*.tmp", "*.csv", "raw/", "/a/", "b/", "/a/b", "x.csv/", "*", "!*/", "!x.csv", "a/*"]),
            max_size=3,
        ),
    },
)
depths = st.integers(1, 3)


def flat(node: Node, above: str = "") -> Iterator[tuple[str, Any]]:
    """All paths of a tree, with what is there."""
    for name, what in node.items():
        yield above + name, what
        if isinstance(what, dict):
            yield from flat(what, f"{above}{name}/")


def write(source: DiskSource | StoreSource, node: Node) -> None:
    for name, what in flat(node):
        if isinstance(what, dict):
            source.folder(name)
        elif isinstance(what, bytes):
            source.write(name, what)
        else:
            MAKE[what](str(Path(source.place, name)))


@contextmanager
def on_disk(node: Node) -> Iterator[DiskSource]:
    with tempfile.TemporaryDirectory() as folder:
        source = DiskSource(Path(folder, "study"))
        write(source, node)
        yield source


def files(tree: Tree) -> dict[str, dict[str, int]]:
    return {item.name: {file.name: file.size for file in item.files} for item in tree.items}


def asked(node: Node) -> list[str]:
    """Names of items that may be there, and others."""
    return [*(name for name, _ in flat(node)), "none", "a/none", "a/b/none"]


@pytest.mark.parametrize("fs", [FailingStore, FlatStore])
@given(node=trees(contents | st.just({})), given=patterns, depth=depths)
@settings(max_examples=80, deadline=None)
def test_a_disk_and_a_store_have_the_same_items(
    fs: type[FailingStore], node: Node, given: dict[str, Any], depth: int
) -> None:
    store = StoreSource(fs())
    assert lists_flat(store.fs) == (fs is FlatStore)
    write(store, node)
    with on_disk(node) as disk:
        local, stored = disk.read(depth=depth, **given), store.read(depth=depth, **given)
        assert files(local) == files(stored)
        assert [item.sidecar is None for item in local.items] == [item.sidecar is None for item in stored.items]
        assert [item.problem for item in local.items] == [item.problem for item in stored.items]
        assert (local.empty, local.excluded, local.strays) == (stored.empty, stored.excluded, stored.strays)
        assert local.replaced == stored.replaced
        for name in asked(node):
            assert (local.presence(name).state, name) == (stored.presence(name).state, name)


def is_hidden(path: str) -> bool:
    return any(step.startswith(".") for step in path.split("/"))


class Model:
    """What must be found, said of paths and not of a walk."""

    def __init__(self, node: Node, takes: Filter, depth: int) -> None:
        self.paths = dict(flat(node))
        self.takes = takes
        self.depth = depth

    def is_entered(self, folder: str) -> bool:
        steps = folder.split("/")
        return all(self.takes.enters("/".join(steps[:end])) for end in range(1, len(steps) + 1))

    def odd(self, path: str) -> bool:
        """Whether there is something that must be told, since no pattern excludes it."""
        what = self.paths[path]
        if is_hidden(path) or not isinstance(what, str):
            return False
        above = path.rpartition("/")[0]
        if above and not self.is_entered(above):
            return False
        if what == "a pipe":
            return self.takes.takes(path) or (path.count("/") == self.depth and path.endswith("/" + sidecar.NAME))
        return self.takes.enters(path) or (path.count("/") == self.depth and path.endswith("/" + sidecar.NAME))

    def items(self) -> list[str]:
        return [
            path
            for path, what in self.paths.items()
            if isinstance(what, dict) and path.count("/") == self.depth - 1 and not is_hidden(path)
        ]

    def below(self, item: str) -> list[str]:
        return [path for path in self.paths if path.startswith(item + "/") and not is_hidden(path)]


@given(trees(contents | st.just({}) | st.sampled_from(list(MAKE))), patterns, depths)
@settings(max_examples=120, deadline=None)
def test_nothing_is_missing_and_what_is_excluded_is_no_problem(node: Node, given: dict[str, Any], depth: int) -> None:
    model = Model(node, Filter(**given), depth)
    with on_disk(node) as disk:
        tree = disk.read(depth=depth, **given)
        looks = {name: tree.presence(name).state for name in asked(node)}
    found = {item.name: item for item in tree.items}
    kinds = [*found, *tree.empty, *tree.excluded]
    assert len(kinds) == len(set(kinds))

    for item in model.items():
        assert item in kinds
        odd = [path for path in model.below(item) if model.odd(path)]
        if not model.is_entered(item):
            assert item in tree.excluded
            assert looks[item] == "excluded"
            continue
        expected = {
            path.removeprefix(item + "/"): len(model.paths[path])
            for path in model.below(item)
            if isinstance(model.paths[path], bytes)
            and model.is_entered(path.rpartition("/")[0])
            and model.takes.takes(path)
            and path != f"{item}/{sidecar.NAME}"
        }
        if odd:
            assert found[item].problem is not None
        elif expected:
            assert found[item].problem is None
            assert files(tree)[item] == expected
            assert looks[item] == "present"
        else:
            seen = any(
                path != f"{item}/{sidecar.NAME}" for path in model.below(item) if isinstance(model.paths[path], bytes)
            )
            assert looks[item] == ("excluded" if item in tree.excluded else "empty")
            assert item in tree.excluded or not seen

    for path, what in model.paths.items():
        if path.count("/") >= depth or is_hidden(path.rpartition("/")[0]) or isinstance(what, dict):
            continue
        if what != "a loop":
            assert tree.replaced[path] == {bytes: "a file"}.get(
                type(what), str(what).replace("link to itself", "broken link")
            )
            assert looks[path] in ("present", "unknown")
        elif model.odd(path):
            assert found[path].problem is not None
    for name, item in found.items():
        if item.problem is not None:
            assert model.odd(name) if isinstance(model.paths[name], str) else any(map(model.odd, model.below(name)))
    assert {looks[name] for name in ("none", "a/none", "a/b/none") if name not in model.paths} <= {
        "absent",
        "empty",
        "present",
        "unknown",
    }
    assert looks["none"] == ("unknown" if all(map(is_hidden, node)) else "absent")
