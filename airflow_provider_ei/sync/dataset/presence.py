"""Checks whether one data item or file is still in the source, without using earlier listings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.folders import FILE, Entry, Folder
from airflow_provider_ei.sources.ignore import Filter
from airflow_provider_ei.sources.local import Disk
from airflow_provider_ei.sources.object_store import OpenStore, open_folder
from airflow_provider_ei.sources.problems import missing
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.dataset.item_folder import ItemFolder, ItemRules

#: ``absent``: nothing is at its path. ``excluded``: its folder exists, but the patterns exclude all of its files.
#: ``empty``: its folder exists without a visible file. ``present``: there are files to send, or something else is at
#: its path. ``unknown``: the source cannot be read completely.
PresenceState = Literal["absent", "excluded", "empty", "present", "unknown"]


@dataclass(frozen=True)
class Presence:
    """What is at one item's path in the source.

    :ivar reason: what is at the path instead of a folder of files, or why the state is unknown.
    """

    state: PresenceState
    reason: str = ""


#: Checks one name in the top folder of a source, whose path or URI is for messages.
Check = Callable[[Folder, str, str], Presence]


class LocalPresence:
    """Checks single names in a folder on this machine.

    :param identity: the folder's identity when it was read; see :func:`identity_of`.
    :param check: :func:`check_item` with its rules, or :func:`check_file` with its filter.
    """

    def __init__(self, path: str, identity: tuple[int, int], check: Check) -> None:
        self._path = path
        self._identity = identity
        self._check = check

    def __call__(self, name: str) -> Presence:
        """Check one name."""
        presence = self._if_replaced() or self._check(Folder(Disk(), self._path), name, self._path)
        return (self._if_replaced() or presence) if presence.state == "absent" else presence

    def _if_replaced(self) -> Presence | None:
        """Return the state ``unknown`` if another folder has replaced the source; None if it is the same."""
        try:
            if identity_of(self._path) == self._identity:
                return None
        except EdgeImpulseError as error:
            return Presence("unknown", str(error))
        return Presence("unknown", f"source: {self._path!r} is another directory than the one that was read")


class StorePresence:
    """Checks single names below a prefix in an object store, with uncached listings.

    :param check: as for :class:`LocalPresence`.
    """

    def __init__(self, uri: str, open_store: OpenStore, check: Check) -> None:
        self._uri = uri
        self._open_store = open_store
        self._check = check
        # Otherwise a listing that another thread started earlier could be cached after the cache was cleared.
        self._lock = Lock()

    def __call__(self, name: str) -> Presence:
        """Check one name."""
        with self._lock:
            try:
                top = open_folder("source", self._uri, self._open_store, flat=False)
            except Exception as error:  # opening a store can also raise Airflow's errors
                return Presence("unknown", str(error) or type(error).__name__)
            return self._check(top, name, self._uri)


def check_item(rules: ItemRules, top: Folder, name: str, source: str) -> Presence:
    """Descend to one item's folder step by step, with the rules for reading the tree."""
    try:
        found = _descend(top, name, rules.takes, source)
        if isinstance(found, Presence):
            return found
        if name.count("/") + 1 != rules.depth:
            return Presence("unknown", f"{found.path!r} is there, but the items are folders {rules.depth} deep")
        if found.excluded:
            return Presence("excluded")
        item = ItemFolder(found.folder, found.path, rules.takes)
        item.read(only_first=True)
    except EdgeImpulseInputError as error:
        return Presence("present", str(error))
    except EdgeImpulseError as error:
        return Presence("unknown", str(error))
    if item.files:
        return Presence("present")
    return Presence("excluded" if item.seen else "empty")


def check_file(takes: Filter, top: Folder, path: str, source: str) -> Presence:
    """Descend to one file step by step."""
    above, _, name = path.rpartition("/")
    try:
        folder, excluded, own = top, False, ""
        if above:
            found = _descend(top, above, takes, source)
            if isinstance(found, Presence):
                return found
            folder, excluded, own = found.folder, found.excluded, f"{found.path}/"
        if all(entry.is_hidden for entry in folder.entries):
            return _nothing_there(own.removesuffix("/"), source)
        entry = _find_entry(folder, name)
        if entry is None:
            return Presence("absent")
        if excluded or entry.is_hidden or not takes.takes(own + entry.name):
            return Presence("excluded")
        return Presence("present", "" if entry.kind == FILE else f"{own + entry.name!r} is {entry.kind} now")
    except EdgeImpulseInputError as error:
        return Presence("present", str(error))
    except EdgeImpulseError as error:
        return Presence("unknown", str(error))


@dataclass(frozen=True)
class _Found:
    """A folder that was found.

    :ivar path: its path, as the source spells it.
    :ivar excluded: whether the patterns exclude it, or a folder above it.
    """

    folder: Folder
    path: str
    excluded: bool


def _descend(top: Folder, name: str, takes: Filter, source: str) -> _Found | Presence:
    """Return a folder, or what is there instead.

    :raises EdgeImpulseError: when a folder on the way cannot be read.
    """
    folder, excluded, own = top, False, ""
    if all(entry.is_hidden for entry in top.entries):
        return _nothing_there("", source)
    for step in name.split("/"):
        entry = _find_entry(folder, step)
        if entry is None:
            if own and not excluded and all(entry.is_hidden for entry in folder.entries):
                return _nothing_there(own, source)
            return Presence("absent")
        own = f"{own}/{entry.name}" if own else entry.name
        if not entry.is_folder:
            if entry.error is not None and isinstance(entry.error, EdgeImpulseFileError):
                return Presence("unknown", str(entry.error))
            return Presence("present", f"{own!r} is {entry.kind} now")
        excluded = excluded or entry.is_hidden or not takes.enters(own)
        folder = folder.below(entry)
    return _Found(folder, own, excluded)


def _nothing_there(folder: str, source: str) -> Presence:
    if not folder:
        return Presence("unknown", f"source: {source!r} has nothing at all any more")
    return Presence("empty", f"{folder!r} has nothing in it, as when a disk is not mounted there")


def _find_entry(folder: Folder, name: str) -> Entry | None:
    """Return the entry with a name, or with a name that the service may treat as the same."""
    same = [entry for entry in folder.entries if entry.name == name]
    same = same or [entry for entry in folder.entries if canonical_name(entry.name) == canonical_name(name)]
    return min(same, key=lambda entry: not entry.is_folder, default=None)


def identity_of(path: str) -> tuple[int, int]:
    """Return an identity that distinguishes a directory from a replacement at the same path."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise EdgeImpulseInputError(f"source: {missing(path)}") from None
    except OSError as error:
        raise EdgeImpulseInputError(f"source: {path!r} cannot be read: {error.strerror}.") from None
    if not os.path.isdir(path):
        raise EdgeImpulseInputError(f"source: give the folder that has the data items: {path!r} is not a directory.")
    return found.st_dev, found.st_ino
