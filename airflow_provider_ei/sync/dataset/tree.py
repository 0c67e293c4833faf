"""The data items of a source: each folder at a given depth is a data item, named by its path relative to the source.

Hidden files and folders (``.name``) are left out. Symbolic links are followed; one that leads nowhere or back to a
folder above it, and anything that is neither a file nor a folder, is a problem of its item. What the patterns exclude
is never a problem. The rules are the same on this machine and in an object store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources.folders import Entry, Folder, Visit, Walk
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sources.local import Disk
from airflow_provider_ei.sources.locations import local_path
from airflow_provider_ei.sources.object_store import OpenStore, open_folder
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.dataset.item_folder import ItemFolder, ItemRules
from airflow_provider_ei.sync.dataset.presence import LocalPresence, Presence, StorePresence, identity_of
from airflow_provider_ei.sync.dataset.source import SourceItem

_LOOP = "a link to a folder above itself"
_UNREADABLE = "a directory that cannot be read"


@dataclass
class Tree:
    """The data items of a source, and what else is in it.

    A path that is shorter than an item's name stands for all items below it.

    :ivar items: in the order of their names.
    :ivar empty: names of item folders without any visible file but metadata, and folders above the items with nothing
        visible in them, which may be disks that are not mounted: they are neither sent nor deleted.
    :ivar excluded: names of item folders of which the patterns leave nothing.
    :ivar replaced: what is at or above the items' level and cannot be entered as a folder, whatever the patterns say:
        its path, and what it is.
    :ivar strays: files that lie above the items, relative to the source.
    :ivar uris: the paths and URIs that a user gave for it, for lineage.
    """

    items: list[SourceItem] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    replaced: dict[str, str] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    uris: Sequence[str] = field(default=(), compare=False)
    check_presence: Callable[[str], Presence] | None = field(default=None, repr=False, compare=False)

    def presence(self, name: str) -> Presence:
        """Check what is at one item's place in the source now, without anything that was listed before.

        Safe to be called by several threads. A list of items is a source that does not change.
        """
        if self.check_presence is not None:
            return self.check_presence(name)
        forms = {canonical_name(item.name) for item in self.items}
        return Presence("present" if canonical_name(name) in forms else "absent")


def read_tree(source: str, *, depth: int, takes: Filter, open_store: OpenStore) -> Tree:
    """Find the data items of a folder on this machine or below a prefix in an object store.

    :param depth: how many folders deep the items are; 1 for the folders in the source.
    :raises EdgeImpulseInputError: when the source does not exist or may not be read.
    :raises EdgeImpulseFileError: when it cannot be listed for a reason that may pass.
    """
    path = local_path("source", source)
    rules = ItemRules(depth, takes)
    if path is None:
        tree = _read(open_folder("source", source, open_store, flat=True), rules)
        tree.check_presence = StorePresence(source, open_store, rules)
    else:
        identity = identity_of(path)
        tree = _read(Folder(Disk(), path), rules)
        tree.check_presence = LocalPresence(path, identity, rules)
    tree.uris = (source,)
    return tree


def _read(top: Folder, rules: ItemRules) -> Tree:
    try:
        top.entries  # noqa: B018  # an error of the source itself ends all
    except EdgeImpulseError as error:
        permanent = isinstance(error.__cause__, PermissionError)
        raise (EdgeImpulseInputError if permanent else type(error))(f"source: {error}") from error.__cause__
    tree = Tree()
    walk = Walk(top, False)  # of each folder: whether the patterns exclude it
    for visit in walk:
        if visit.prefix.count("/") == rules.depth:
            _add_item(visit, tree, rules)
        else:
            _enter_folders(walk, visit, tree, rules)
    tree.items.sort(key=lambda item: item.name)
    for names in (tree.empty, tree.excluded, tree.strays):
        names.sort()
    return tree


def _enter_folders(walk: Walk[bool], visit: Visit[bool], tree: Tree, rules: ItemRules) -> None:
    """Go on with the folders in a folder above the items, and add everything else in it to the tree."""
    name, excluded = visit.prefix.removesuffix("/"), visit.state
    try:
        entries = visit.folder.entries
    except EdgeImpulseError as error:
        _add_closed(tree, name, _UNREADABLE, error, excluded=excluded)
        return
    if name and all(entry.is_hidden for entry in entries):
        (tree.excluded if excluded else tree.empty).append(name)
    folders = {entry.name for entry in entries if entry.is_folder}
    for entry in entries:
        own = visit.prefix + (entry.name or "/")
        if not entry.is_folder:
            has_folder = entry.name in folders
            if not has_folder:
                tree.replaced[own] = entry.kind
            if not entry.is_hidden and not excluded:
                _add_stray(entry, own, tree, rules, fails=entry.error is not None and not has_folder)
        elif not entry.is_hidden:
            is_excluded = excluded or not rules.takes.enters(own)
            try:
                walk.enter(visit, entry, is_excluded)
            except EdgeImpulseError as error:
                _add_closed(tree, own, _LOOP, error, excluded=is_excluded)


def _add_stray(entry: Entry, own: str, tree: Tree, rules: ItemRules, *, fails: bool) -> None:
    if not fails:
        if rules.takes.takes(own):
            tree.strays.append(own)
    elif rules.takes.enters(own):
        # It may be a folder that cannot be read, whose items must not pass for removed.
        tree.items.append(SourceItem(own, (), problem=entry.error))


def _add_closed(tree: Tree, name: str, what: str, error: EdgeImpulseError, *, excluded: bool) -> None:
    """Add a folder that cannot be entered."""
    if excluded:
        tree.excluded.append(name)
    else:
        tree.items.append(SourceItem(name, (), problem=error))
        tree.replaced[name] = what


def _add_item(visit: Visit[bool], tree: Tree, rules: ItemRules) -> None:
    name = visit.prefix.removesuffix("/")
    if visit.state:
        tree.excluded.append(name)
        return
    item = ItemFolder(visit.folder, name, rules.takes)
    try:
        item.read()
    except EdgeImpulseError as error:
        tree.items.append(SourceItem(name, (), problem=error))
        return
    if item.files:
        tree.items.append(SourceItem(name, item.files, sidecar=item.sidecar))
    else:
        (tree.excluded if item.seen else tree.empty).append(name)
