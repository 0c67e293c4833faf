"""The data items of a tree: each folder that lies so many levels below the source is one, named by its relative path.

Hidden files and folders (``.name``) are left out. Symbolic links are followed; one that leads nowhere or back to a
folder above it, and what is neither a file nor a folder, is a problem of its item. What the patterns exclude is never
a problem. The rules are the same on this machine and in an object store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources.discover import OpenStore, local_path
from airflow_provider_ei.sources.disk import Disk
from airflow_provider_ei.sources.folders import Entry, Folder
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.dataset.item_folder import ItemFolder, ItemRules
from airflow_provider_ei.sync.dataset.look import DiskLook, Look, StoreLook, identity_of, open_prefix
from airflow_provider_ei.sync.dataset.source import SourceItem

_LOOP = "a link to a folder above itself"
_UNREADABLE = "a directory that cannot be read"


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
    :raises EdgeImpulseInputError: when the source does not exist or may not be read.
    :raises EdgeImpulseFileError: when it cannot be listed for a reason that may pass.
    """
    path = local_path("source", source)
    rules = ItemRules(depth, takes)
    if path is None:
        top = open_prefix(source, open_store, flat=True)
        tree = _read(top, rules)
        tree.look_again = StoreLook(source, open_store, rules)
    else:
        identity = identity_of(path)
        tree = _read(Folder(Disk(), path), rules)
        tree.look_again = DiskLook(path, identity, rules)
    return tree


@dataclass
class _Level:
    """A folder above the items: its place, its name with a slash, and whether the patterns leave nothing below it."""

    folder: Folder
    prefix: str
    excluded: bool


def _read(top: Folder, rules: ItemRules) -> Tree:
    tree = Tree()
    try:
        top.entries  # noqa: B018  # an error of the source itself ends all
    except EdgeImpulseError as error:
        permanent = isinstance(error.__cause__, PermissionError)
        raise (EdgeImpulseInputError if permanent else type(error))(f"source: {error}") from error.__cause__
    levels = [_Level(top, "", excluded=False)]
    for _ in range(rules.depth):
        levels = [below for level in levels for below in _open_level(level, tree, rules)]
    while levels:
        _add_item(levels.pop(), tree, rules)  # so that the entries of one item at a time are kept
    tree.items.sort(key=lambda item: item.name)
    for names in (tree.empty, tree.excluded, tree.strays):
        names.sort()
    return tree


def _open_level(level: _Level, tree: Tree, rules: ItemRules) -> list[_Level]:
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


def _add_stray(entry: Entry, own: str, level: _Level, tree: Tree, rules: ItemRules, *, fails: bool) -> None:
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


def _add_item(level: _Level, tree: Tree, rules: ItemRules) -> None:
    name = level.prefix.removesuffix("/")
    if level.excluded:
        tree.excluded.append(name)
        return
    item = ItemFolder(level.folder, name, rules.takes)
    try:
        item.read()
    except EdgeImpulseError as error:
        tree.items.append(SourceItem(name, (), problem=error))
        return
    if item.files:
        tree.items.append(SourceItem(name, item.files, sidecar=item.sidecar))
    else:
        (tree.excluded if item.seen else tree.empty).append(name)
