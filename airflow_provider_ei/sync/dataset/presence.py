"""Checks whether one data item is still in the source, without using earlier listings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.folders import Entry, Folder
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


class LocalPresence:
    """Checks single items of a folder on this machine.

    :param identity: the folder's identity when it was read; see :func:`identity_of`.
    """

    def __init__(self, path: str, identity: tuple[int, int], rules: ItemRules) -> None:
        self._path = path
        self._identity = identity
        self._rules = rules

    def __call__(self, name: str) -> Presence:
        """Check the path of one item."""
        presence = self._if_replaced() or _check(Folder(Disk(), self._path), name, self._rules, self._path)
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
    """Checks single items of a prefix in an object store, with uncached listings."""

    def __init__(self, uri: str, open_store: OpenStore, rules: ItemRules) -> None:
        self._uri = uri
        self._open_store = open_store
        self._rules = rules
        # Otherwise a listing that another thread started earlier could be cached after the cache was cleared.
        self._lock = Lock()

    def __call__(self, name: str) -> Presence:
        """Check the path of one item."""
        with self._lock:
            try:
                top = open_folder("source", self._uri, self._open_store, flat=False)
            except Exception as error:  # opening a store can also raise Airflow's errors
                return Presence("unknown", str(error) or type(error).__name__)
            return _check(top, name, self._rules, self._uri)


def _check(top: Folder, name: str, rules: ItemRules, source: str) -> Presence:
    """Descend to one item's path step by step, with the rules for reading the tree."""
    steps = name.split("/")
    folder, excluded, own = top, False, ""
    try:
        if all(entry.is_hidden for entry in top.entries):
            return Presence("unknown", f"source: {source!r} has nothing at all any more")
        for number, step in enumerate(steps):
            entry = _find_entry(folder, step)
            if entry is None:
                if number and not excluded and all(entry.is_hidden for entry in folder.entries):
                    return Presence("empty", f"{own!r} has nothing in it, as when a disk is not mounted there")
                return Presence("absent")
            own = f"{own}/{entry.name}" if own else entry.name
            if not entry.is_folder:
                if entry.error is not None and isinstance(entry.error, EdgeImpulseFileError):
                    return Presence("unknown", str(entry.error))
                return Presence("present", f"{own!r} is {entry.kind} now")
            excluded = excluded or entry.is_hidden or not rules.takes.enters(own)
            folder = folder.below(entry)
        if len(steps) != rules.depth:
            return Presence("unknown", f"{own!r} is there, but the items are folders {rules.depth} deep")
        if excluded:
            return Presence("excluded")
        item = ItemFolder(folder, own, rules.takes)
        item.read(only_first=True)
    except EdgeImpulseInputError as error:
        return Presence("present", str(error))
    except EdgeImpulseError as error:
        return Presence("unknown", str(error))
    if item.files:
        return Presence("present")
    return Presence("excluded" if item.seen else "empty")


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
