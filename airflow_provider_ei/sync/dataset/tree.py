"""The data items of a tree: each folder that lies so many levels below the source is one, named by its relative path.

Hidden files and folders (``.name``) are left out. Symbolic links are followed; one that leads nowhere or back to a
folder above it, and what is neither a file nor a folder, is a problem of its item. What lies above the items, and an
item's folder without a file in it, is reported and left alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sync import content_types
from airflow_provider_ei.sync.dataset import sidecar
from airflow_provider_ei.sync.dataset.ignore import Filter
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.files import LocalFile, SourceFile, kind
from airflow_provider_ei.sync.places import OpenStore, in_store, is_uri


@dataclass
class Tree:
    """What a source has.

    :ivar items: in the order of their names.
    :ivar empty: names of items without any file: they are neither sent nor deleted.
    :ivar strays: files that lie above the items, relative to the source.
    """

    items: list[SourceItem] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


def read_tree(source: str, *, depth: int, takes: Filter, open_store: OpenStore) -> Tree:
    """Find the data items of a folder on this machine or below a prefix in an object store.

    :param depth: how many folders deep the items are; 1 for the folders in the source.
    :raises EdgeImpulseInputError: when the source, or a folder above the items, does not exist or cannot be read.
    """
    source = source.removeprefix("file://")
    tree = _stored_tree(source, depth, takes, open_store) if is_uri(source) else _local_tree(source, depth, takes)
    tree.items.sort(key=lambda item: item.name)
    return tree


def _local_tree(source: str, depth: int, takes: Filter) -> Tree:
    tree = Tree()
    try:
        if not os.path.isdir(source):
            what = "is no folder" if os.path.exists(source) else "does not exist on the machine that runs this task"
            raise EdgeImpulseInputError(f"source: {source!r} {what}.")
        for name, path in _folders(source, "", depth, takes, tree):
            folder = _Folder(name)
            _Walk(folder, takes).go(path)
            folder.add_to(tree)
    except OSError as error:
        place = os.fspath(error.filename or source)
        raise EdgeImpulseInputError(f"source: {place!r} cannot be read: {error.strerror}.") from None
    return tree


class _Folder:
    """What was found in the folder of an item."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: list[SourceFile] = []
        self.sidecar: SourceFile | None = None
        self.problem: EdgeImpulseError | None = None
        self.seen = False

    def add_to(self, tree: Tree) -> None:
        """Make an item of it, unless its patterns leave nothing of it."""
        if self.problem or self.files:
            tree.items.append(SourceItem(self.name, self.files, sidecar=self.sidecar, problem=self.problem))
        elif not self.seen:
            tree.empty.append(self.name)


def _folders(folder: str, name: str, depth: int, takes: Filter, tree: Tree) -> Iterator[tuple[str, str]]:
    """Find the folders of the items: names and paths."""
    with os.scandir(folder) as entries:
        visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in visible:
        own = f"{name}{entry.name}"
        if not entry.is_dir():
            if not takes.takes(own):
                continue
            if entry.is_symlink() and not os.path.exists(entry.path):
                # It may have led to a folder, and what is in that must not be taken for removed.
                _dead_end(entry, own, depth, tree)
            else:
                tree.strays.append(own)
        elif takes.enters(own):
            if depth == 1:
                yield own, entry.path
            else:
                yield from _folders(entry.path, own + "/", depth - 1, takes, tree)


def _dead_end(entry: os.DirEntry[str], name: str, depth: int, tree: Tree) -> None:
    problem = EdgeImpulseInputError(_leads_nowhere(entry))
    if depth > 1:
        raise EdgeImpulseInputError(f"source: {problem} Exclude it, or remove it.")
    tree.items.append(SourceItem(name, (), problem=problem))


def _leads_nowhere(entry: os.DirEntry[str]) -> str:
    return f"{entry.path!r} is a symbolic link to {os.readlink(entry.path)!r}, which does not exist."


class _Walk:
    """Looks at all files below the folder of an item."""

    def __init__(self, folder: _Folder, takes: Filter) -> None:
        self._folder = folder
        self._takes = takes

    def go(self, path: str) -> None:
        """Begin at the item's folder."""
        try:
            self._enter(path, "", ())
        except EdgeImpulseInputError as problem:
            self._folder.problem = problem
        except OSError as error:
            place = os.fspath(error.filename or path)
            self._folder.problem = EdgeImpulseFileError(f"{place!r} cannot be read: {error.strerror}.")

    def _enter(self, path: str, below: str, above: Sequence[str]) -> None:
        with os.scandir(path) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
        real = ""
        for entry in visible:
            name = below + entry.name
            if not entry.is_dir():
                self._take(entry, name)
            elif self._takes.enters(f"{self._folder.name}/{name}"):
                real = real or os.path.realpath(path)
                if entry.is_symlink() and os.path.realpath(entry.path) in (*above, real):
                    raise EdgeImpulseInputError(f"{entry.path!r} is a symbolic link to a folder above itself.")
                self._enter(entry.path, name + "/", (*above, real))

    def _take(self, entry: os.DirEntry[str], name: str) -> None:
        folder = self._folder
        if name != sidecar.NAME:
            folder.seen = True
            if not self._takes.takes(f"{folder.name}/{name}"):
                return
        try:
            found = entry.stat()
        except FileNotFoundError:
            if not entry.is_symlink():
                raise
            raise EdgeImpulseInputError(_leads_nowhere(entry)) from None
        if not stat.S_ISREG(found.st_mode):
            what = kind(found.st_mode)
            raise EdgeImpulseInputError(f"{entry.path!r} is no regular file but {what}. Exclude it, or remove it.")
        file = LocalFile.of(found, entry.path, name, content_types.guess(name))
        if name == sidecar.NAME:
            folder.sidecar = file
        else:
            folder.files.append(file)


def _stored_tree(uri: str, depth: int, takes: Filter, open_store: OpenStore) -> Tree:
    """Group the objects below a prefix by the folder that is their item."""
    tree = Tree()
    found = in_store(uri, open_store, field="source")
    if found.one_file:
        raise EdgeImpulseInputError(f"source: {uri!r} is no folder.")
    folders: dict[str, _Folder] = {}
    for path, pin in found.files:
        steps = path.split("/")
        if len(steps) <= depth:
            if takes.reaches(path):
                tree.strays.append(path)
            continue
        item_name, name = "/".join(steps[:depth]), "/".join(steps[depth:])
        folder = folders.get(item_name) or folders.setdefault(item_name, _Folder(item_name))
        if name != sidecar.NAME:
            folder.seen = True
            if not takes.reaches(path):
                continue
        try:
            file = pin(name, content_types.guess(name))
        except EdgeImpulseInputError as error:
            folder.problem = error
            continue
        if name == sidecar.NAME:
            folder.sidecar = file
        else:
            folder.files.append(file)
    for folder in folders.values():
        folder.add_to(tree)
    return tree
