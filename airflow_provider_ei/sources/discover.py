"""Finds the files at a place: a file, a directory or a pattern, on this machine or in an object store.

Files below a directory keep their path relative to it, files of a pattern theirs relative to the part before the first
wildcard, so that ``s1/x.csv`` and ``s2/x.csv`` stay apart. Hidden files and folders (``.name``) are left out of
directories and patterns. Symbolic links are followed; one that leads back to a folder above it is an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources.disk import Disk
from airflow_provider_ei.sources.folders import FILE, Entry, Folder, match, unreadable, walk
from airflow_provider_ei.sources.object_store import FlatStore, Store, lists_flat
from airflow_provider_ei.sources.pinned import LocalFile, SourceFile, missing

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: Opens the store behind a URI and says what that store calls the place.
OpenStore = Callable[[str], "tuple[AbstractFileSystem, str]"]

#: Pins a found file under a name and a content type.
Pin = Callable[[str, str], SourceFile]

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FILE_URI = re.compile(r"file://(?P<host>[^/]*)(?P<path>.*)", re.IGNORECASE | re.DOTALL)
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Found:
    """What is at a place: names with what pins them, and whether the place was one file itself."""

    files: tuple[tuple[str, Pin], ...]
    one_file: bool


def find(place: str, open_store: OpenStore) -> Found:
    """Find the files at a path or URI.

    :raises EdgeImpulseInputError: when there is none, or it cannot be read.
    :raises EdgeImpulseFileError: when a store fails in a way that may pass.
    """
    path = local_path("files", place)
    return _in_store(place, open_store) if path is None else _on_disk(path)


def local_path(field: str, place: str) -> str | None:
    """Return the path that a path or a ``file://`` URI stands for; None when it is to be read through a store.

    :param field: the parameter that it is from, for the message.
    :raises EdgeImpulseInputError: for a ``file://`` URI of another machine.
    """
    uri = _FILE_URI.fullmatch(place)
    if uri is None:
        return None if _URI.match(place) else place
    if uri["host"].lower() not in ("", "localhost"):
        raise EdgeImpulseInputError(
            f"{field}: write {'file:///' + place[7:]!r} for a path on the machine that runs this task. In {place!r}, "
            f"{uri['host']!r} is the name of another machine."
        )
    written = uri["path"]
    if not written:
        raise EdgeImpulseInputError(f"{field}: write {'file:///…'!r}: {place!r} has no path.")
    if os.path.lexists(written):
        return written  # a "%" of the name; elsewhere it begins an escape
    fixed = _split_at_wildcard(written)[0] if _MAGIC.search(written) else ""
    kept = fixed if os.path.lexists(fixed) else ""
    return kept + unquote(written.removeprefix(kept), errors="surrogateescape")


def _on_disk(place: str) -> Found:
    try:
        if os.path.isdir(place):
            found = walk(Folder(Disk(), place))
            none = f"files: give a directory with files, hidden ones aside: {place!r} has none."
        elif _MAGIC.search(place) and not os.path.lexists(place):
            base, *steps = _split_at_wildcard(place)
            if not os.path.lexists(base):
                raise EdgeImpulseInputError(f"files: {missing(base)}")
            found = match(Folder(Disk(), base), steps)
            none = f"files: give a pattern that matches a file: {place!r} matches none."
        else:
            return Found(((os.path.basename(place), partial(LocalFile.pin, place)),), one_file=True)
        named = [(name, partial(LocalFile.pin, entry.path)) for name, entry in _in_order(found)]
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"files: {str(error).removeprefix('files: ')}") from error.__cause__
    except EdgeImpulseFileError as error:
        raise EdgeImpulseInputError(f"files: {error}") from error.__cause__
    if not named:
        raise EdgeImpulseInputError(none)
    return Found(tuple(named), one_file=False)


def _in_order(found: Iterable[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
    return sorted(dict(found).items())


def store_folder(uri: str, open_store: OpenStore, *, field: str, flat: bool) -> Folder | None:
    """Open the folder at a URI.

    :param field: the parameter that the URI is from, for the messages.
    :param flat: list all that is below it in one go, where the store can.
    :return: None when there is an object, and no folder.
    :raises EdgeImpulseInputError: when there is nothing, or it may not be read.
    :raises EdgeImpulseFileError: when the store fails in a way that may pass.
    """
    with _named(field, uri):
        store, key = _open(uri, open_store)
        if not _is_folder(store, key, uri, sure=True):
            return None
        return _folder(store, key, flat=flat)


def _in_store(uri: str, open_store: OpenStore) -> Found:
    with _named("files", uri):
        store, key = _open(uri, open_store)
        if _MAGIC.search(key) and not _exists(store, key):
            base, *steps = _split_at_wildcard(key)
            store.fs.info(base)
            found = match(_folder(store, base, flat="**" in steps), steps)
            none = f"files: give a pattern that matches an object: {uri!r} matches none."
        elif not _is_folder(store, key, uri, sure=False):
            entry = store.entry(key.rstrip("/").rpartition("/")[2], store.fs.info(key))
            return Found(((entry.name, partial(store.pin, entry)),), one_file=True)
        else:
            found = walk(_folder(store, key, flat=True))
            none = f"files: give a directory with files, hidden ones aside: {uri!r} has none."
        named = _in_order(found)
        for _, entry in named:
            if entry.kind != FILE:
                raise entry.refuse()
    if not named:
        raise EdgeImpulseInputError(none)
    return Found(tuple((name, partial(store.pin, entry)) for name, entry in named), one_file=False)


def _open(uri: str, open_store: OpenStore) -> tuple[Store, str]:
    """Return the store, and the place's key in it."""
    fs, key = open_store(uri)
    fs.invalidate_cache()  # Airflow keeps file systems for as long as its process lives, and they keep listings
    protocol, _, rest = uri.partition("://")
    conn_id, at, bucket = rest.partition("/")[0].rpartition("@")
    return Store(fs, f"{protocol}://{conn_id}{at}{'' if bucket else '/'}"), key


def _folder(store: Store, key: str, *, flat: bool) -> Folder:
    key = key.rstrip("/")
    return Folder(FlatStore(store, key) if flat and lists_flat(store.fs) else store, key)


def _exists(store: Store, key: str) -> bool:
    """Whether there is something; unlike fsspec's own, it does not take an error for "no"."""
    try:
        store.fs.info(key)
    except FileNotFoundError:
        return False
    return True


def _is_folder(store: Store, key: str, uri: str, *, sure: bool) -> bool:
    """Whether a key is that of a folder. An empty object may stand for one, and one of the same name may be there.

    :param sure: whether a folder is meant, though the URI has no slash at its end.
    """
    info = store.fs.info(key)
    if info["type"] == "directory":
        return True
    if not (sure or uri.endswith("/") or info.get("size") == 0):
        return False
    try:
        return bool(store.scan(key.rstrip("/")))
    except EdgeImpulseFileError as error:
        if isinstance(error.__cause__, NotADirectoryError):
            return False
        raise


@contextmanager
def _named(field: str, uri: str) -> Iterator[None]:
    """Put the parameter and the URI into what goes wrong."""
    try:
        yield
    except EdgeImpulseError as error:
        if isinstance(error.__cause__, PermissionError):
            raise EdgeImpulseInputError(f"{field}: {error}") from error.__cause__
        raise type(error)(f"{field}: {error}") from error.__cause__
    except FileNotFoundError:
        raise EdgeImpulseInputError(f"{field}: check the URI, which does not exist: {uri!r}.") from None
    except (ImportError, ValueError, PermissionError) as error:
        # The scheme's provider package is missing, the URI is none, or the store says no: a retry changes nothing.
        raise EdgeImpulseInputError(f"{field}: {uri!r} cannot be read: {error}") from error
    except Exception as error:  # each store has errors of its own, and most of them pass
        raise EdgeImpulseFileError(f"{field}: {unreadable(uri, error)}") from error


def _split_at_wildcard(pattern: str) -> list[str]:
    """Return the part before the first wildcard, and the steps from there on."""
    steps = pattern.split("/")
    magic = next(number for number, step in enumerate(steps) if _MAGIC.search(step))
    return ["/".join(steps[:magic]) or ("/" if pattern.startswith("/") else "."), *filter(None, steps[magic:])]
