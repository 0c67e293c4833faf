"""The data items of a source: each folder at a given depth is a data item, named after its path relative to the source.

Hidden files and folders (``.name``) are left out. Symbolic links are followed. A broken link, a link to a
folder above it, or anything that is neither a file nor a folder makes its item fail, unless the patterns exclude it.
The rules are the same for local folders and object stores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources.folders import Entry, Folder, Visit, Walk
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sources.local import Disk
from airflow_provider_ei.sources.locations import local_path
from airflow_provider_ei.sources.object_store import OpenStore, open_folder
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.dataset.item_folder import ItemFolder, ItemRules
from airflow_provider_ei.sync.dataset.presence import LocalPresence, Presence, StorePresence, check_item, identity_of
from airflow_provider_ei.sync.dataset.source import SourceItem

_Add = Callable[[SourceItem], None]

_LOOP = "a link to a folder above itself"
_UNREADABLE = "a directory that cannot be read"


@dataclass
class Tree:
    """The data items of a source, and what else is in it.

    A path that is shorter than an item's name represents all items below it.

    :ivar items: the items, sorted by name.
    :ivar empty: names of item folders without a visible file except metadata, and of folders above the items with
        nothing visible in them, which may be unmounted disks: they are neither sent nor deleted.
    :ivar excluded: names of item folders whose files the patterns all exclude.
    :ivar replaced: entries at or above the items' level that cannot be entered as folders, regardless of the patterns:
        a description by path.
    :ivar strays: paths of files above the items, relative to the source.
    :ivar uris: the paths and URIs that the user gave, for lineage.
    :ivar read_item: reads one item again, if the tree does not keep the items; returns None if it has no files now.
    """

    items: list[SourceItem] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    replaced: dict[str, str] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    uris: Sequence[str] = field(default=(), compare=False)
    check_presence: Callable[[str], Presence] | None = field(default=None, repr=False, compare=False)
    read_item: Callable[[str], SourceItem | None] | None = field(default=None, repr=False, compare=False)

    def presence(self, name: str) -> Presence:
        """Check what is at one item's path in the source now, without using earlier listings.

        Thread-safe. A list of items does not change.
        """
        if self.check_presence is not None:
            return self.check_presence(name)
        forms = {canonical_name(item.name) for item in self.items}
        return Presence("present" if canonical_name(name) in forms else "absent")


def read_tree(source: str, *, depth: int, takes: Filter, open_store: OpenStore, add: _Add | None = None) -> Tree:
    """Find the data items of a local folder, or of a prefix in an object store.

    :param depth: how many folders deep the items are; 1 for the folders in the source.
    :param add: called with each item of a local folder, in any order; the tree then keeps no items.
    :raises EdgeImpulseInputError: when the source does not exist, or permission to read it is denied.
    :raises EdgeImpulseFileError: when it cannot be listed because of a transient error.
    """
    path = local_path("source", source)
    rules = ItemRules(depth, takes)
    if path is None:
        tree = Tree()
        _read(open_folder("source", source, open_store, flat=True), rules, tree, tree.items.append)
        tree.check_presence = StorePresence(source, open_store, partial(check_item, rules))
    else:
        identity = identity_of(path)
        tree = Tree(read_item=None if add is None else LocalItems(path, rules))
        _read(Folder(Disk(), path), rules, tree, add or tree.items.append)
        tree.check_presence = LocalPresence(path, identity, partial(check_item, rules))
    tree.uris = (source,)
    return tree


def _read(top: Folder, rules: ItemRules, tree: Tree, add: _Add) -> None:
    try:
        top.entries  # noqa: B018  # an error of the source itself ends the sync
    except EdgeImpulseError as error:
        permanent = isinstance(error.__cause__, PermissionError)
        raise (EdgeImpulseInputError if permanent else type(error))(f"source: {error}") from error.__cause__
    walk = Walk(top, False)  # the state of a folder is whether the patterns exclude it
    for visit in walk:
        _enter_folders(walk, visit, tree, rules, add)
    tree.items.sort(key=lambda item: item.name)
    for names in (tree.empty, tree.excluded, tree.strays):
        names.sort()


def _enter_folders(walk: Walk[bool], visit: Visit[bool], tree: Tree, rules: ItemRules, add: _Add) -> None:
    """Enter the subfolders of a folder above the items, and add its other entries to the tree."""
    name, excluded = visit.prefix.removesuffix("/"), visit.state
    try:
        entries = visit.folder.entries
    except EdgeImpulseError as error:
        _add_closed(tree, name, _UNREADABLE, error, add, excluded=excluded)
        return
    if name and all(entry.is_hidden for entry in entries):
        (tree.excluded if excluded else tree.empty).append(name)
    others = {entry.name for entry in entries if not entry.is_folder}
    folders = {entry.name for entry in entries if entry.name in others and entry.is_folder}
    has_items = visit.prefix.count("/") == rules.depth - 1
    for entry in entries:
        own = visit.prefix + (entry.name or "/")
        if not entry.is_folder:
            has_folder = entry.name in folders
            if not has_folder:
                tree.replaced[own] = entry.kind
            if not entry.is_hidden and not excluded:
                _add_stray(entry, own, tree, rules, add, fails=entry.error is not None and not has_folder)
        elif not entry.is_hidden:
            is_excluded = excluded or not rules.takes.enters(own)
            try:
                below = visit.folder.below(entry)
            except EdgeImpulseError as error:
                _add_closed(tree, own, _LOOP, error, add, excluded=is_excluded)
                continue
            if has_items:  # read at once, so that only one of them is in memory
                _add_item(ItemFolder(below, own, rules.takes), own, is_excluded, tree, add)
            else:
                walk.enter(visit, entry, is_excluded)


def _add_stray(entry: Entry, own: str, tree: Tree, rules: ItemRules, add: _Add, *, fails: bool) -> None:
    if not fails:
        if rules.takes.takes(own):
            tree.strays.append(own)
    elif rules.takes.enters(own):
        # It may be a folder that cannot be read, whose items must not count as removed.
        add(SourceItem(own, (), problem=entry.error))


def _add_closed(tree: Tree, name: str, what: str, error: EdgeImpulseError, add: _Add, *, excluded: bool) -> None:
    """Add a folder that cannot be entered."""
    if excluded:
        tree.excluded.append(name)
    else:
        add(SourceItem(name, (), problem=error))
        tree.replaced[name] = what


def _add_item(folder: ItemFolder, name: str, is_excluded: bool, tree: Tree, add: _Add) -> None:
    if is_excluded:
        tree.excluded.append(name)
        return
    item = _read_item(folder, name)
    if item is not None:
        add(item)
    else:
        (tree.excluded if folder.seen else tree.empty).append(name)


def _read_item(folder: ItemFolder, name: str) -> SourceItem | None:
    """Return the item in a folder; None if no file in it is included."""
    try:
        folder.read()
    except EdgeImpulseError as error:
        return SourceItem(name, (), problem=error)
    return SourceItem(name, folder.files, sidecar=folder.sidecar) if folder.files else None


class LocalItems:
    """Reads single items of a local folder again, without listing the folders above them."""

    def __init__(self, path: str, rules: ItemRules) -> None:
        self._path = path
        self._rules = rules

    def __call__(self, name: str) -> SourceItem | None:
        """Return an item that was found before; None if its folder is gone or has no included files now."""
        folder, disk = Folder(Disk(), self._path), Disk()
        try:
            for step in name.split("/"):
                entry = disk.folder_entry(folder.path, step)
                if entry is None:
                    return None
                folder = folder.below(entry)
        except EdgeImpulseError as error:
            return SourceItem(name, (), problem=error)
        return _read_item(ItemFolder(folder, name, self._rules.takes), name)
