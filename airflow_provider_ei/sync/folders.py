"""Lists folders one at a time, on this machine or in an object store.

A folder that cannot be listed is an error, never an empty one. That is why fsspec's own ``find``, ``walk`` and ``glob``
are not used on most stores: they leave out what they cannot list. Symbolic links are followed; :meth:`Folder.below` is
the only check for loops.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sync.files import LocalFile, SourceFile, StoredFile, kind

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

FILE = "a file"
DIRECTORY = "a directory"
BROKEN_LINK = "a broken link"

#: Hadoop's clients put an empty object of this ending beside a folder.
_FOLDER_MARKER = "_$folder$"

#: Packages whose ``find`` is one flat listing that raises every error, and far fewer requests than one for each folder.
_FLAT_LISTINGS = {"s3fs", "gcsfs", "adlfs"}


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


class Disk:
    """This machine."""

    def scan(self, folder: str) -> list[Entry]:
        """See :meth:`Place.scan`."""
        try:
            with os.scandir(folder) as entries:
                return [_disk_entry(entry) for entry in entries]
        except OSError as error:
            raise unreadable(os.fspath(error.filename or folder), error) from error

    def real_path(self, folder: str) -> str:
        """See :meth:`Place.real_path`."""
        return os.path.realpath(folder)

    def pin(self, entry: Entry, name: str, content_type: str) -> SourceFile:
        """See :meth:`Place.pin`. Whether the file opens is not tried."""
        if entry.kind != FILE:
            raise entry.refuse()
        try:
            found = entry.found.stat()
        except OSError as error:
            raise unreadable(entry.path, error) from error
        return LocalFile.of(found, entry.path, name, content_type)


def _disk_entry(entry: os.DirEntry[str]) -> Entry:
    error: EdgeImpulseError | None = None
    try:
        if entry.is_file():
            what = FILE
        elif entry.is_dir():
            what = DIRECTORY
        else:
            what = kind(entry.stat().st_mode)
    except OSError as reason:
        what, error = _untold(entry.path, reason)
    return Entry(entry.name, entry.path, what, entry.path, entry, entry.is_symlink(), error)


def _untold(path: str, reason: OSError) -> tuple[str, EdgeImpulseError]:
    """Return what to call an entry that cannot be looked at, and the error that says so."""
    try:
        target = os.readlink(path)
    except OSError:
        return "something that cannot be looked at", unreadable(path, reason)
    if not isinstance(reason, FileNotFoundError):
        return BROKEN_LINK, unreadable(path, reason)
    return BROKEN_LINK, EdgeImpulseInputError(
        f"Exclude or remove {path!r}: it is a symbolic link to {target!r}, which does not exist."
    )


def unreadable(source: str, reason: Exception) -> EdgeImpulseFileError:
    """Return the error for what cannot be read or listed."""
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    if isinstance(reason, FileNotFoundError):
        words = "it is gone"
    return EdgeImpulseFileError(f"{source!r} cannot be read: {words}.")


class Store:
    """An object store, listed folder by folder.

    :param scheme: what a key needs in front of it to be a URI, such as ``s3://my_conn@``.
    """

    def __init__(self, fs: AbstractFileSystem, scheme: str) -> None:
        self.fs = fs
        self.scheme = scheme
        self._marked: set[str] = set()  # folders of which nothing but a marker beside them may be there

    def uri(self, key: str) -> str:
        """Return the URI of a key."""
        return self.scheme + key.lstrip("/")

    def scan(self, folder: str) -> list[Entry]:
        """See :meth:`Place.scan`."""
        entries = []
        try:
            for info in self.fs.ls(folder, detail=True):
                name = _below(info["name"], folder)
                if name is None:
                    if info["type"] == "directory":
                        continue  # some stores list the folder itself
                    raise NotADirectoryError(20, f"it is {FILE}, not a directory")
                if name or info["type"] == "directory" or info.get("size"):
                    entries.append(self.entry(name.removesuffix("/"), info))
        except EdgeImpulseError:
            raise
        except Exception as error:  # each store has errors of its own
            if folder in self._marked and isinstance(error, FileNotFoundError):
                return []
            raise unreadable(self.uri(folder), error) from error
        told = _told_apart(entries)
        self._marked.update(entry.path for entry in told if entry.is_folder and not entry.found)
        return told

    def entry(self, name: str, info: Mapping[str, Any]) -> Entry:
        """Make an entry of what the store says about it."""
        key = info["name"]
        error: EdgeImpulseError | None = None
        source = self.uri(key)
        is_link = bool(info.get("islink")) or info["type"] == "link"
        if is_link:
            try:
                info = self.fs.info(key)
            except FileNotFoundError:
                error = EdgeImpulseInputError(
                    f"Exclude or remove {source!r}: it is a symbolic link to {info.get('destination')!r}, which does "
                    "not exist."
                )
            except OSError as reason:
                error = unreadable(source, reason)
        what = BROKEN_LINK if error else {"file": FILE, "directory": DIRECTORY}.get(info["type"], _store_kind(info))
        if not name:
            what = "an empty path segment"
            error = EdgeImpulseInputError(
                f"Rename {source + '/…'!r}: the name of an item or a file cannot have an empty path segment ('//')."
            )
        return Entry(name, key, what, source, info, is_link, error)

    def real_path(self, folder: str) -> str:
        """See :meth:`Place.real_path`; only a disk behind a URI has links."""
        protocol = self.fs.protocol
        is_disk = "file" in ((protocol,) if isinstance(protocol, str) else protocol)
        return os.path.realpath(folder) if is_disk else folder

    def pin(self, entry: Entry, name: str, content_type: str) -> SourceFile:
        """See :meth:`Place.pin`."""
        if entry.kind != FILE:
            raise entry.refuse()
        return StoredFile.pin(self.fs, entry.path, entry.found, uri=entry.source, name=name, content_type=content_type)


class FlatStore(Store):
    """An object store whose objects were listed in one go, from a root on down."""

    def __init__(self, store: Store, root: str) -> None:
        super().__init__(store.fs, store.scheme)
        self._root = root
        self._listed: dict[str, list[Entry]] = {root: []}
        self._made: set[str] = set()
        try:
            infos = self.fs.find(root, detail=True)
        except Exception as error:  # each store has errors of its own
            raise unreadable(self.uri(root), error) from error
        for info in infos.values():
            self._add(info)

    def _add(self, info: Mapping[str, Any]) -> None:
        name = _below(info["name"], self._root)
        if name is None:
            return  # the object that stands for the root
        above, _, own = name.rpartition("/")
        entries = self._entries(above if "/" in name else None)
        if own or info.get("size"):
            entries.append(self.entry(own, info))

    def _entries(self, folder: str | None) -> list[Entry]:
        """Return the entries of a folder, relative to the root; make it, and those above it, if it is new."""
        entries = self._listed.setdefault(self._path(folder), [])
        while folder is not None and folder not in self._made:
            self._made.add(folder)
            above, slash, own = folder.rpartition("/")
            made = self.entry(own, {"name": self._path(folder), "type": "directory", "size": 0})
            folder = above if slash else None
            self._listed.setdefault(self._path(folder), []).append(made)
        return entries

    def _path(self, folder: str | None) -> str:
        return self._root if folder is None else f"{self._root}/{folder}"

    def scan(self, folder: str) -> list[Entry]:
        """See :meth:`Place.scan`."""
        return _told_apart(self._listed.get(folder, []))


def lists_flat(fs: AbstractFileSystem) -> bool:
    """Whether a store lists all that is below a prefix at once, and raises what goes wrong in that."""
    finder = next((base for base in type(fs).__mro__ if "_find" in vars(base)), object)
    return finder.__module__.partition(".")[0] in _FLAT_LISTINGS


def _below(key: str, folder: str) -> str | None:
    """Return a key relative to a folder; empty for the object of an empty path segment, None for the folder itself."""
    own, base = key.lstrip("/"), folder.strip("/")
    return None if own == base else own.removeprefix(f"{base}/") if base else own


def _store_kind(info: Mapping[str, Any]) -> str:
    mode = info.get("mode")
    return kind(mode) if isinstance(mode, int) else "something else"


def _told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Take the objects that stand for folders for folders, and refuse others of a folder's name."""
    folders = {entry.name: entry for entry in entries if entry.is_folder}
    files = []
    for entry in entries:
        if entry.is_folder:
            continue
        empty = entry.kind == FILE and entry.found.get("size") == 0
        if empty and entry.name.endswith(_FOLDER_MARKER):
            name, path = entry.name.removesuffix(_FOLDER_MARKER), entry.path.removesuffix(_FOLDER_MARKER)
            source = entry.source.removesuffix(_FOLDER_MARKER)
            folders.setdefault(name, Entry(name, path, DIRECTORY, source, {}))
        else:
            files.append((empty, entry))
    kept = []
    for empty, entry in files:
        if entry.name not in folders or not entry.name:
            kept.append(entry)
        elif not empty:
            entry.kind = "an object of a folder's name"
            entry.error = EdgeImpulseInputError(
                f"Rename {entry.source!r}: it is an object, and the name of a folder of other objects, too."
            )
            kept.append(entry)
    return [*folders.values(), *kept]
