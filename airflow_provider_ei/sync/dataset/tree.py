"""The data items of a tree: each folder that lies so many levels below the source is one, named by its relative path.

Hidden files and folders (``.name``) are left out. Symbolic links are followed; one that leads nowhere or back to a
folder above it, and what is neither a file nor a folder, is a problem of its item. What the patterns exclude is never
a problem. The rules are the same on this machine and in an object store.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.studio.names import canonical_name
from airflow_provider_ei.sync import content_types
from airflow_provider_ei.sync.dataset import sidecar
from airflow_provider_ei.sync.dataset.ignore import Filter
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.files import SourceFile, missing
from airflow_provider_ei.sync.folders import Disk, Entry, Folder, walk
from airflow_provider_ei.sync.places import OpenStore, local_path, store_folder

#: ``absent``: nothing is in its place. ``excluded``: its folder is there, and the patterns leave nothing of it.
#: ``empty``: its folder is there without a visible file. ``present``: there is something to send, or something else in
#: its place. ``unknown``: it cannot be told.
Presence = Literal["absent", "excluded", "empty", "present", "unknown"]

_LOOP = "a link to a folder above itself"
_UNREADABLE = "a directory that cannot be read"


@dataclass(frozen=True)
class Look:
    """What is at one item's place in the source.

    :ivar reason: what is there instead of a folder of files, or why it cannot be told.
    """

    presence: Presence
    reason: str = ""


@dataclass
class Tree:
    """What a source has. A path that is not as long as an item's name stands for all items below it.

    :ivar items: in the order of their names.
    :ivar empty: names of item folders without any visible file but metadata, and folders above the items with nothing
        visible in them, which may be disks that are not mounted: they are neither sent nor deleted.
    :ivar excluded: names of item folders of which the patterns leave nothing.
    :ivar replaced: what is at or above the items' level and cannot be entered as a folder, whatever the patterns say:
        its path, and what it is.
    :ivar strays: files that lie above the items, relative to the source.
    """

    items: list[SourceItem] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    replaced: dict[str, str] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    look_again: Callable[[str], Look] | None = field(default=None, repr=False, compare=False)

    def look(self, name: str) -> Look:
        """Look at one item's place in the source now; nothing that was seen before counts.

        Safe to be called by several threads. A list of items is a source that does not change.
        """
        if self.look_again is not None:
            return self.look_again(name)
        forms = {canonical_name(item.name) for item in self.items}
        return Look("present" if canonical_name(name) in forms else "absent")


def read_tree(source: str, *, depth: int, takes: Filter, open_store: OpenStore) -> Tree:
    """Find the data items of a folder on this machine or below a prefix in an object store.

    :param depth: how many folders deep the items are; 1 for the folders in the source.
    :raises EdgeImpulseInputError: when the source does not exist or cannot be read.
    :raises EdgeImpulseFileError: when a store fails in a way that may pass.
    """
    path = local_path("source", source)
    rules = _Rules(depth, takes)
    if path is None:
        top = _stored(source, open_store, flat=True)
        tree = _read(top, rules)
        tree.look_again = _StoreLook(source, open_store, rules)
    else:
        identity = _identity(path)
        tree = _read(Folder(Disk(), path), rules)
        tree.look_again = _DiskLook(path, identity, rules)
    return tree


@dataclass(frozen=True)
class _Rules:
    depth: int
    takes: Filter


def _stored(uri: str, open_store: OpenStore, *, flat: bool) -> Folder:
    folder = store_folder(uri, open_store, field="source", flat=flat)
    if folder is None:
        raise EdgeImpulseInputError(f"source: {uri!r} is an object, not a directory. Give the prefix that it is in.")
    return folder


def _identity(path: str) -> tuple[int, int]:
    """Return what tells a directory from others that may take its place."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise EdgeImpulseInputError(f"source: {missing(path)}") from None
    except OSError as error:
        raise EdgeImpulseInputError(f"source: {path!r} cannot be read: {error.strerror}.") from None
    if not os.path.isdir(path):
        raise EdgeImpulseInputError(f"source: {path!r} is not a directory. Give the folder that has the data items.")
    return found.st_dev, found.st_ino


@dataclass
class _Level:
    """A folder above the items: its place, its name with a slash, and whether the patterns leave nothing below it."""

    folder: Folder
    prefix: str
    excluded: bool


def _read(top: Folder, rules: _Rules) -> Tree:
    tree = Tree()
    try:
        top.entries  # noqa: B018  # an error of the source itself ends all
    except EdgeImpulseError as error:
        raise EdgeImpulseInputError(f"source: {error}") from error.__cause__
    levels = [_Level(top, "", excluded=False)]
    for above in range(rules.depth - 1, -1, -1):
        levels = [below for level in levels for below in _open_level(level, tree, rules, are_items=above == 0)]
    while levels:
        _add_item(levels.pop(), tree, rules)  # so that the entries of one item at a time are kept
    tree.items.sort(key=lambda item: item.name)
    for names in (tree.empty, tree.excluded, tree.strays):
        names.sort()
    return tree


def _open_level(level: _Level, tree: Tree, rules: _Rules, *, are_items: bool) -> list[_Level]:
    """Return the folders in a folder above the items; tell the tree about everything else in it."""
    name = level.prefix.removesuffix("/")
    try:
        entries = level.folder.entries
    except EdgeImpulseError as error:
        _cannot_enter(tree, name, _UNREADABLE, error, excluded=level.excluded)
        return []
    if level.prefix and all(entry.is_hidden for entry in entries):
        (tree.excluded if level.excluded else tree.empty).append(name)
    folders = {entry.name for entry in entries if entry.is_folder}
    found = []
    for entry in entries:
        own = level.prefix + (entry.name or "/")
        if not entry.is_folder:
            has_folder = entry.name in folders
            if not has_folder:
                tree.replaced[own] = entry.kind
            _add_stray(entry, own, level, tree, rules, fails=entry.error is not None and not has_folder)
        elif not entry.is_hidden:
            excluded = level.excluded or not rules.takes.enters(own)
            try:
                found.append(_Level(level.folder.below(entry), f"{own}/", excluded))
            except EdgeImpulseError as error:
                _cannot_enter(tree, own, _LOOP, error, excluded=excluded)
    return found


def _add_stray(entry: Entry, own: str, level: _Level, tree: Tree, rules: _Rules, *, fails: bool) -> None:
    if entry.is_hidden or level.excluded:
        return
    if not fails:
        if rules.takes.takes(own):
            tree.strays.append(own)
    elif rules.takes.enters(own):
        # It may have led to a folder, and what is in that must not be taken for removed.
        tree.items.append(SourceItem(own, (), problem=entry.error))


def _cannot_enter(tree: Tree, name: str, what: str, error: EdgeImpulseError, *, excluded: bool) -> None:
    if excluded:
        tree.excluded.append(name)
    else:
        tree.items.append(SourceItem(name, (), problem=error))
        tree.replaced[name] = what


def _add_item(level: _Level, tree: Tree, rules: _Rules) -> None:
    name = level.prefix.removesuffix("/")
    if level.excluded:
        tree.excluded.append(name)
        return
    item = _Item(level.folder, name, rules.takes)
    try:
        item.read()
    except EdgeImpulseError as error:
        tree.items.append(SourceItem(name, (), problem=error))
        return
    if item.files:
        tree.items.append(SourceItem(name, item.files, sidecar=item.sidecar))
    else:
        (tree.excluded if item.seen else tree.empty).append(name)


class _Item:
    """What is in the folder of an item.

    :ivar seen: whether there is anything visible beside the metadata.
    """

    def __init__(self, folder: Folder, name: str, takes: Filter) -> None:
        self._folder = folder
        self._name = name
        self._takes = takes
        self.files: list[SourceFile] = []
        self.sidecar: SourceFile | None = None
        self.seen = False

    def read(self, *, only_first: bool = False) -> None:
        """Look at every file.

        :param only_first: one that takes part is enough.
        :raises EdgeImpulseError: for what cannot be listed, looked at or uploaded.
        """
        for name, entry in walk(self._folder, lambda folder: self._takes.enters(f"{self._name}/{folder}")):
            is_sidecar = name == sidecar.NAME and not entry.is_folder
            self.seen = self.seen or not is_sidecar
            if is_sidecar or self._is_taken(f"{self._name}/{name}", entry):
                file = self._folder.place.pin(entry, name, content_types.guess(name))
                if is_sidecar:
                    self.sidecar = file
                else:
                    self.files.append(file)
                    if only_first:
                        return

    def _is_taken(self, path: str, entry: Entry) -> bool:
        if entry.is_folder:
            return False
        if entry.error is not None and not self._takes.enters(path):
            return False  # what it is cannot be told: it is excluded when a folder of its name would be
        return entry.error is not None or self._takes.takes(path)


class _DiskLook:
    """Looks at single items of a folder on this machine."""

    def __init__(self, path: str, identity: tuple[int, int], rules: _Rules) -> None:
        self._path = path
        self._read_then = identity
        self._rules = rules

    def __call__(self, name: str) -> Look:
        look = self._if_same() or _look(Folder(Disk(), self._path), name, self._rules, self._path)
        return (self._if_same() or look) if look.presence == "absent" else look

    def _if_same(self) -> Look | None:
        try:
            if _identity(self._path) == self._read_then:
                return None
        except EdgeImpulseError as error:
            return Look("unknown", str(error))
        return Look("unknown", f"source: {self._path!r} is another directory than the one that was read")


class _StoreLook:
    """Looks at single items of a prefix in an object store, with listings that no cache has kept."""

    def __init__(self, uri: str, open_store: OpenStore, rules: _Rules) -> None:
        self._uri = uri
        self._open_store = open_store
        self._rules = rules
        self._lock = (
            Lock()
        )  # or a listing that another thread began earlier could end in the cache after it was emptied

    def __call__(self, name: str) -> Look:
        with self._lock:
            try:
                top = _stored(self._uri, self._open_store, flat=False)
            except Exception as error:  # opening a store fails in ways of Airflow's, too
                return Look("unknown", str(error) or type(error).__name__)
            return _look(top, name, self._rules, self._uri)


def _look(top: Folder, name: str, rules: _Rules, source: str) -> Look:
    """Look for one item, step by step, as :func:`_read` looks for all."""
    steps = name.split("/")
    folder, excluded, own = top, False, ""
    try:
        if all(entry.is_hidden for entry in top.entries):
            return Look("unknown", f"source: {source!r} has nothing at all any more")
        for number, step in enumerate(steps):
            entry = _find_entry(folder, step)
            if entry is None:
                if number and not excluded and all(entry.is_hidden for entry in folder.entries):
                    return Look("empty", f"{own!r} has nothing in it, as when a disk is not mounted there")
                return Look("absent")
            own = f"{own}/{entry.name}" if own else entry.name
            if not entry.is_folder:
                if entry.error is not None and isinstance(entry.error, EdgeImpulseFileError):
                    return Look("unknown", str(entry.error))
                return Look("present", f"{own!r} is {entry.kind} now")
            excluded = excluded or entry.is_hidden or not rules.takes.enters(own)
            folder = folder.below(entry)
        if len(steps) != rules.depth:
            return Look("unknown", f"{own!r} is there, but the items are folders {rules.depth} deep")
        if excluded:
            return Look("excluded")
        item = _Item(folder, own, rules.takes)
        item.read(only_first=True)
    except EdgeImpulseInputError as error:
        return Look("present", str(error))
    except EdgeImpulseError as error:
        return Look("unknown", str(error))
    if item.files:
        return Look("present")
    return Look("excluded" if item.seen else "empty")


def _find_entry(folder: Folder, name: str) -> Entry | None:
    """Return the entry of a name; or of one that the service may have taken for the same."""
    same = [entry for entry in folder.entries if entry.name == name]
    same = same or [entry for entry in folder.entries if canonical_name(entry.name) == canonical_name(name)]
    return min(same, key=lambda entry: not entry.is_folder, default=None)
