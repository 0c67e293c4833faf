"""Lists folders in an object store, through fsspec.

Its own ``find``, ``walk`` and ``glob`` leave out what they cannot list, whatever they are told. They are used on no
store but those whose ``find`` is one flat listing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.sources.folders import BROKEN_LINK, DIRECTORY, FILE, Entry, unreadable
from airflow_provider_ei.sources.pinned import SourceFile, StoredFile, kind

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: Hadoop's clients put an empty object of this ending beside a folder.
_FOLDER_MARKER = "_$folder$"

#: Packages whose ``find`` is one flat listing that raises every error, and far fewer requests than one for each folder.
_FLAT_LISTINGS = {"s3fs", "gcsfs", "adlfs"}


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
