"""Lists folders in an object store, through fsspec.

The ``find``, ``walk`` and ``glob`` of fsspec always leave out what they cannot list. So only ``find`` is used, and only
for stores that list all objects below a prefix at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.folders import BROKEN_LINK, DIRECTORY, FILE, Entry, Folder
from airflow_provider_ei.sources.object_file import ObjectStoreFile, is_known
from airflow_provider_ei.sources.problems import kind_of, unreadable
from airflow_provider_ei.sources.source_file import SourceFile

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: Opens the store of a URI, and returns it with the key of the location in the store.
OpenStore = Callable[[str], "tuple[AbstractFileSystem, str]"]

#: Hadoop's clients create an empty object with this suffix next to a folder.
_FOLDER_MARKER = "_$folder$"


class ObjectStore:
    """An object store, listed folder by folder; see :class:`~.folders.Storage`.

    :param scheme: the prefix that turns a key into a URI, such as ``s3://my_conn@``.
    """

    def __init__(self, fs: AbstractFileSystem, scheme: str) -> None:
        self.fs = fs
        self.scheme = scheme
        self._marked: set[str] = set()  # folders that may consist only of the marker next to them

    def uri(self, key: str) -> str:
        """Return the URI of a key."""
        return self.scheme + key.lstrip("/")

    def scan(self, folder: str) -> list[Entry]:
        """List a folder."""
        entries = []
        try:
            for info in self.fs.ls(folder, detail=True):
                name = _relative(info["name"], folder)
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
        told_apart = _tell_apart(entries)
        self._marked.update(entry.path for entry in told_apart if entry.is_folder and not entry.found)
        return told_apart

    def entry(self, name: str, info: Mapping[str, Any]) -> Entry:
        """Create an entry from the store's information about a key.

        :param info: fsspec's ``info``.
        """
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
        kind = BROKEN_LINK if error else {"file": FILE, "directory": DIRECTORY}.get(info["type"], _other_kind(info))
        if not name:
            kind = "an empty path segment"
            error = EdgeImpulseInputError(
                f"Rename {source + '/…'!r}: the name of an item or a file cannot have an empty path segment ('//')."
            )
        return Entry(name, key, kind, source, info, is_link, error)

    def real_path(self, folder: str) -> str:
        """Return the folder's path without symbolic links; only a disk behind a URI has links."""
        protocol = self.fs.protocol
        is_disk = "file" in ((protocol,) if isinstance(protocol, str) else protocol)
        return os.path.realpath(folder) if is_disk else folder

    def pin(self, entry: Entry, name: str, content_type: str) -> SourceFile:
        """Pin an object with the facts from its listing."""
        if entry.kind != FILE:
            raise entry.refuse()
        return ObjectStoreFile.pin(
            self.fs, entry.path, entry.found, uri=entry.source, name=name, content_type=content_type
        )


class FlatListing(ObjectStore):
    """An object store whose objects below one folder were all listed at once.

    :param root: the key of that folder.
    """

    def __init__(self, store: ObjectStore, root: str) -> None:
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

    def scan(self, folder: str) -> list[Entry]:
        """Return the entries of a folder."""
        return _tell_apart(self._listed.get(folder, []))

    def _add(self, info: Mapping[str, Any]) -> None:
        name = _relative(info["name"], self._root)
        if name is None:
            return  # the object that represents the root
        above, _, own = name.rpartition("/")
        entries = self._entries(above if "/" in name else None)
        if own or info.get("size"):
            entries.append(self.entry(own, info))

    def _entries(self, folder: str | None) -> list[Entry]:
        """Return the entries of a folder, relative to the root; create the folder and its ancestors if it is new."""
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


def lists_flat(fs: AbstractFileSystem) -> bool:
    """Return whether a store lists everything below a prefix with few requests, and raises every error."""
    return is_known(fs, "_find")


@contextmanager
def open_object_store(field: str, uri: str, open_store: OpenStore) -> Iterator[tuple[ObjectStore, str]]:
    """Open the store of a URI, yield it with the key of the location, and add the URI to all errors.

    :param field: the parameter that the URI comes from, for messages.
    :raises EdgeImpulseInputError: when the URI does not exist, or access is denied.
    :raises EdgeImpulseFileError: when the store fails with a transient error.
    """
    try:
        fs, key = open_store(uri)
        fs.invalidate_cache()  # Airflow caches file systems for the lifetime of the process, and they cache listings
        protocol, _, rest = uri.partition("://")
        conn_id, at, bucket = rest.partition("/")[0].rpartition("@")
        yield ObjectStore(fs, f"{protocol}://{conn_id}{at}{'' if bucket else '/'}"), key
    except EdgeImpulseError as error:
        if isinstance(error.__cause__, PermissionError):
            raise EdgeImpulseInputError(f"{field}: {error}") from error.__cause__
        raise type(error)(f"{field}: {error}") from error.__cause__
    except FileNotFoundError:
        raise EdgeImpulseInputError(f"{field}: check the URI, which does not exist: {uri!r}.") from None
    except (ImportError, ValueError, PermissionError) as error:
        # The scheme's provider package is missing, the URI is not valid, or access is denied: a retry would not help.
        raise EdgeImpulseInputError(f"{field}: {uri!r} cannot be read: {error}") from error
    except Exception as error:  # each store raises its own errors, most of them transient
        raise EdgeImpulseFileError(f"{field}: {unreadable(uri, error)}") from error


def open_folder(field: str, uri: str, open_store: OpenStore, *, flat: bool) -> Folder:
    """Open the folder at a URI.

    :param flat: list everything below it at once if the store supports that.
    :raises EdgeImpulseInputError: when it does not exist, is not a folder, or access is denied.
    :raises EdgeImpulseFileError: when the store fails with a transient error.
    """
    with open_object_store(field, uri, open_store) as (store, key):
        if is_folder(store, key, uri, expected=True):
            return folder_at(store, key, flat=flat)
    raise EdgeImpulseInputError(f"{field}: {uri!r} is an object, not a directory. Give the prefix that it is in.")


def folder_at(store: ObjectStore, key: str, *, flat: bool) -> Folder:
    """Return the folder at a key; see :func:`open_folder`."""
    key = key.rstrip("/")
    return Folder(FlatListing(store, key) if flat and lists_flat(store.fs) else store, key)


def exists(store: ObjectStore, key: str) -> bool:
    """Return whether a key exists. Unlike fsspec's ``exists``, errors are raised."""
    try:
        store.fs.info(key)
    except FileNotFoundError:
        return False
    return True


def is_folder(store: ObjectStore, key: str, uri: str, *, expected: bool = False) -> bool:
    """Return whether a key names a folder. An empty object may represent it, or an object may have the same name.

    :param expected: whether a folder is expected even if the URI does not end with a slash.
    """
    info = store.fs.info(key)
    if info["type"] == "directory":
        return True
    if not (expected or uri.endswith("/") or info.get("size") == 0):
        return False
    try:
        return bool(store.scan(key.rstrip("/")))
    except EdgeImpulseFileError as error:
        if isinstance(error.__cause__, NotADirectoryError):
            return False
        raise


def _relative(key: str, folder: str) -> str | None:
    """Return a key relative to a folder; empty for the object of an empty path segment, None for the folder itself."""
    own, base = key.lstrip("/"), folder.strip("/")
    return None if own == base else own.removeprefix(f"{base}/") if base else own


def _other_kind(info: Mapping[str, Any]) -> str:
    mode = info.get("mode")
    return kind_of(mode) if isinstance(mode, int) else "something else"


def _tell_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Treat objects that represent folders as folders, and reject other objects with a folder's name."""
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
    return sorted([*folders.values(), *kept], key=attrgetter("name"))
