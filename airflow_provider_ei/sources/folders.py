"""Walks through folders, on this machine (:mod:`.local`) or in an object store (:mod:`.object_store`).

A folder that cannot be listed is an error, never an empty folder. Symbolic links are followed; :meth:`Folder.below` is
the only check for loops, and :class:`Walk` the only walker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources.source_file import SourceFile

FILE = "a file"
DIRECTORY = "a directory"
BROKEN_LINK = "a broken link"

State = TypeVar("State")


@dataclass(slots=True)
class Entry:
    """One entry of a folder, with links followed.

    :ivar name: its name in the folder; empty for an empty path segment of an object store.
    :ivar path: path on this machine, or the store's key.
    :ivar kind: its type, as shown in messages: :data:`FILE`, :data:`DIRECTORY`, ``a pipe``, …
    :ivar source: path or URI, for messages.
    :ivar found: what the listing says about it.
    :ivar is_link: whether it is a symbolic link.
    :ivar error: the reason why its type is unknown, or why it cannot be used.
    """

    name: str
    path: str
    kind: str
    source: str
    found: Any
    is_link: bool = False
    error: EdgeImpulseError | None = None

    @property
    def is_folder(self) -> bool:
        """Whether the entry is a folder, or a link to one."""
        return self.kind == DIRECTORY

    @property
    def is_hidden(self) -> bool:
        """Whether the name begins with a dot."""
        return self.name.startswith(".")

    def refuse(self) -> EdgeImpulseError:
        """Return the error that says why the entry cannot be uploaded as a file."""
        if self.error is not None:
            return self.error
        return EdgeImpulseInputError(f"Exclude or remove {self.source!r}: it is {self.kind}, not a regular file.")


class Storage(Protocol):
    """A place with folders: this machine, or an object store."""

    def scan(self, folder: str) -> Sequence[Entry]:
        """List a folder, sorted by name.

        :raises EdgeImpulseFileError: when it cannot be listed completely.
        """

    def real_path(self, folder: str) -> str:
        """Return the folder's path without symbolic links."""

    def pin(self, entry: Entry, name: str, content_type: str) -> SourceFile:
        """Pin a file with the size and version that the listing gave.

        :raises EdgeImpulseError: when it is not a regular file, or its size cannot be read.
        """


class Folder:
    """A folder that knows its ancestors up to the top of a walk."""

    __slots__ = ("_above", "_entries", "_real_path", "path", "storage")

    def __init__(self, storage: Storage, path: str, above: Folder | None = None) -> None:
        self.storage = storage
        self.path = path
        self._above = above
        self._entries: Sequence[Entry] | None = None
        self._real_path: str | None = None

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries, sorted by name; listed once. See :meth:`Storage.scan`."""
        if self._entries is None:
            self._entries = self.storage.scan(self.path)
        return self._entries

    @property
    def real_path(self) -> str:
        """The path without symbolic links."""
        if self._real_path is None:
            self._real_path = self.storage.real_path(self.path)
        return self._real_path

    def below(self, entry: Entry) -> Folder:
        """Return the folder of one of the entries.

        :raises EdgeImpulseInputError: when the entry is a link to this folder or to one above it.
        """
        folder = Folder(self.storage, entry.path, self)
        if entry.is_link:
            above: Folder | None = self
            while above is not None:
                if above.real_path == folder.real_path:
                    raise EdgeImpulseInputError(
                        f"Exclude or remove {entry.source!r}: it is a symbolic link to a folder above itself."
                    )
                above = above._above
        return folder


@dataclass(frozen=True, slots=True)
class Visit(Generic[State]):
    """One folder of a walk.

    :ivar prefix: its name relative to the top, with a slash at the end; empty for the top.
    :ivar state: the caller's state for this folder.
    """

    folder: Folder
    prefix: str
    state: State


class Walk(Generic[State]):
    """An iterator over folders, depth first: the top, and those that the caller asks it to enter."""

    def __init__(self, top: Folder, state: State) -> None:
        self._ahead = [Visit(top, "", state)]

    def __iter__(self) -> Iterator[Visit[State]]:
        while self._ahead:
            yield self._ahead.pop()

    def enter(self, visit: Visit[State], entry: Entry, state: State, *, may_loop: bool = True) -> None:
        """Visit a folder later.

        :param may_loop: whether the walk would never end in a loop of links; if False, links may lead upwards.
        :raises EdgeImpulseInputError: for a link to a folder above itself.
        """
        folder = visit.folder.below(entry) if may_loop else Folder(visit.folder.storage, entry.path)
        self._ahead.append(Visit(folder, f"{visit.prefix}{entry.name}/", state))


def find_visible(top: Folder, enters: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[str, Entry]]:
    """Find everything below a folder that is not hidden, at any depth.

    :param enters: returns whether to enter the folder with that name, relative to the top.
    :return: names relative to the top, and entries: everything except the folders that are entered.
    :raises EdgeImpulseError: when a folder cannot be listed, or a link leads to a folder above itself.
    """
    walk = Walk(top, None)
    for visit in walk:
        for entry in visit.folder.entries:
            name = visit.prefix + entry.name
            if entry.is_hidden:
                continue
            if entry.is_folder and enters(name):
                walk.enter(visit, entry, None)
            else:
                yield name, entry


def find_matches(top: Folder, steps: Sequence[str]) -> Iterator[tuple[str, Entry]]:
    """Find the files below a folder that match a pattern.

    :param steps: the pattern, split at its slashes; ``**`` stands for any number of folders.
    :return: names relative to the top, and entries that are not folders.
    :raises EdgeImpulseError: when a folder on the path cannot be listed, or a link below ``**`` leads to a folder above
        itself.
    """
    if steps[-1] == "**":
        steps = [*steps, "*"]
    walk = Walk(top, frozenset([0]))  # the state of a folder: the steps that its entries can match
    for visit in walk:
        open_steps = set(visit.state)
        for number, step in enumerate(steps):
            if number in open_steps and step == "**":
                open_steps.add(number + 1)  # it may stand for no folder
        for entry in visit.folder.entries:
            matched = [number for number in sorted(open_steps) if _matches(steps[number], entry)]
            if entry.is_folder:
                deeper = {number for number in matched if steps[number] == "**"}
                below = deeper | {number + 1 for number in matched if steps[number] != "**" and number + 1 < len(steps)}
                if below:
                    walk.enter(visit, entry, frozenset(below), may_loop=bool(deeper))
            elif len(steps) - 1 in matched:
                yield visit.prefix + entry.name, entry
            elif entry.error is not None and any(steps[number] != "**" for number in matched):
                raise entry.error  # it may be a folder with matches


def _matches(step: str, entry: Entry) -> bool:
    if entry.is_hidden and not step.startswith("."):
        return False
    return step == "**" or fnmatchcase(entry.name, step)
