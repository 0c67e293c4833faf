"""Walks through folders, on this machine (:mod:`.disk`) or in an object store (:mod:`.object_store`).

A folder that cannot be listed is an error, never an empty one. Symbolic links are followed; :meth:`Folder.below` is the
only check for loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.pinned import SourceFile

if TYPE_CHECKING:
    pass

FILE = "a file"
DIRECTORY = "a directory"
BROKEN_LINK = "a broken link"


@dataclass(slots=True)
class Entry:
    """One entry of a folder, with links followed.

    :ivar name: its name in the folder; empty for an empty path segment of an object store.
    :ivar path: path on this machine, or the store's key.
    :ivar kind: what it is, as messages say it: :data:`FILE`, :data:`DIRECTORY`, ``a pipe``, …
    :ivar source: path or URI, for messages.
    :ivar found: what the listing said about it.
    :ivar is_link: whether it is a symbolic link.
    :ivar error: why it cannot be told what it is, or why it cannot be used.
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
        """Whether it is a folder, or a link to one."""
        return self.kind == DIRECTORY

    @property
    def is_hidden(self) -> bool:
        """Whether its name begins with a dot."""
        return self.name.startswith(".")

    def refuse(self) -> EdgeImpulseError:
        """Return why it cannot be uploaded as a file."""
        if self.error is not None:
            return self.error
        return EdgeImpulseInputError(f"Exclude or remove {self.source!r}: it is {self.kind}, not a regular file.")


class Place(Protocol):
    """Where folders are: this machine, or a store."""

    def scan(self, folder: str) -> list[Entry]:
        """List a folder.

        :raises EdgeImpulseFileError: when it cannot be listed as a whole.
        """

    def real_path(self, folder: str) -> str:
        """Return its path without symbolic links."""

    def pin(self, entry: Entry, name: str, content_type: str) -> SourceFile:
        """Pin a file with the size and version that the listing gave.

        :raises EdgeImpulseError: when it is not a regular file, or cannot be looked at.
        """


class Folder:
    """A folder, and the folders that were passed on the way to it."""

    __slots__ = ("_above", "_entries", "_real_path", "path", "place")

    def __init__(self, place: Place, path: str, above: Folder | None = None) -> None:
        self.place = place
        self.path = path
        self._above = above
        self._entries: list[Entry] | None = None
        self._real_path: str | None = None

    @property
    def entries(self) -> list[Entry]:
        """What is in it, sorted by name; listed once. See :meth:`Place.scan`."""
        if self._entries is None:
            self._entries = sorted(self.place.scan(self.path), key=attrgetter("name"))
        return self._entries

    @property
    def real_path(self) -> str:
        """Its path without symbolic links."""
        if self._real_path is None:
            self._real_path = self.place.real_path(self.path)
        return self._real_path

    def below(self, entry: Entry) -> Folder:
        """Return the folder that one of its entries is.

        :raises EdgeImpulseInputError: when the entry is a link back to this folder or to one above it.
        """
        folder = Folder(self.place, entry.path, self)
        if entry.is_link:
            above: Folder | None = self
            while above is not None:
                if above.real_path == folder.real_path:
                    raise EdgeImpulseInputError(
                        f"Exclude or remove {entry.source!r}: it is a symbolic link to a folder above itself."
                    )
                above = above._above
        return folder


def walk(top: Folder, enters: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[str, Entry]]:
    """Find everything visible below a folder, however deep, without what is below folders that are not entered.

    :param enters: whether the folder of that name, relative to the top, is entered.
    :return: names relative to the top, and entries: all that are not folders, and folders that are not entered.
    :raises EdgeImpulseError: when a folder cannot be listed, or a link leads back.
    """
    ahead = [(top, "")]
    while ahead:
        folder, below = ahead.pop()
        for entry in folder.entries:
            if entry.is_hidden:
                continue
            name = below + entry.name
            if entry.is_folder and enters(name):
                ahead.append((folder.below(entry), name + "/"))
            else:
                yield name, entry


def match(top: Folder, steps: Sequence[str]) -> Iterator[tuple[str, Entry]]:
    """Find the files below a folder that the steps of a pattern lead to; ``**`` stands for any number of folders.

    :return: names relative to the top, and entries that are not folders, in any order.
    :raises EdgeImpulseError: when a folder on the way cannot be listed, or a link below ``**`` leads back.
    """
    ahead = [(top, "", tuple(steps))]
    seen = set()
    while ahead:
        folder, below, steps_left = ahead.pop()
        if (below, steps_left) in seen:
            continue  # "**/**" leads to each folder in many ways
        seen.add((below, steps_left))
        step, *rest = steps_left
        deeper = step == "**"
        if deeper:
            ahead.append((folder, below, tuple(rest) or ("*",)))
        for entry in folder.entries:
            name = below + entry.name
            if deeper:
                if entry.is_folder and not entry.is_hidden:
                    ahead.append((folder.below(entry), name + "/", ("**", *rest)))
            elif not fnmatchcase(entry.name, step) or (entry.is_hidden and not step.startswith(".")):
                continue
            elif rest:
                if entry.is_folder:
                    ahead.append((Folder(folder.place, entry.path), name + "/", tuple(rest)))
                elif entry.error is not None:
                    raise entry.error  # it may have led to a folder with matches
            elif not entry.is_folder:
                yield name, entry


def unreadable(source: str, reason: Exception) -> EdgeImpulseFileError:
    """Return the error for what cannot be read or listed."""
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    if isinstance(reason, FileNotFoundError):
        words = "it is gone"
    return EdgeImpulseFileError(f"{source!r} cannot be read: {words}.")
