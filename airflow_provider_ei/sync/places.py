"""Finds the files at a place: a file, a directory or a pattern, on this machine or in an object store.

Files below a directory keep their path relative to it, files of a pattern theirs relative to the part before the first
wildcard, so that ``s1/x.csv`` and ``s2/x.csv`` stay apart. Hidden files and folders (``.name``) are left out of
directories and patterns. Symbolic links are followed; one that leads back to a folder above it is an error.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sync.files import LocalFile, SourceFile, StoredFile

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: Opens the store behind a URI and says what that store calls the place.
OpenStore = Callable[[str], "tuple[AbstractFileSystem, str]"]

#: Pins a found file under a name and a content type.
Pin = Callable[[str, str], SourceFile]

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Found:
    """What is at a place: names with what pins them, and whether the place was one file itself."""

    files: tuple[tuple[str, Pin], ...]
    one_file: bool


def find(place: str, open_store: OpenStore) -> Found:
    """Find the files at a path or URI.

    :raises EdgeImpulseInputError: when there is none, or it cannot be read.
    """
    place = place.removeprefix("file://")
    return in_store(place, open_store) if is_uri(place) else _on_disk(place)


def is_uri(place: str) -> bool:
    """Whether a place is to be read through an object store."""
    return _URI.match(place) is not None


def _on_disk(place: str) -> Found:
    try:
        path = Path(place)
        if path.is_dir():
            named = list(_match(str(path), ["**"]))
            missing = f"files: the directory {place!r} has no files."
        elif _MAGIC.search(place) and not os.path.lexists(place):
            base, *steps = _split_at_wildcard(place)
            named = list(dict.fromkeys(_match(str(Path(base)), steps)))
            missing = f"files: no file matches the pattern {place!r}."
        else:
            return Found(((path.name, partial(LocalFile.pin, str(path))),), one_file=True)
    except OSError as error:
        raise EdgeImpulseInputError(
            f"files: {os.fspath(error.filename or place)!r} cannot be read: {error.strerror}."
        ) from None
    if not named:
        raise EdgeImpulseInputError(missing)
    return Found(tuple((name, partial(LocalFile.pin, file)) for name, file in named), one_file=False)


def _match(folder: str, steps: Sequence[str], below: str = "", above: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Find the files below a folder that a pattern's steps lead to, in order; ``**`` stands for any number of folders.

    :param below: how far the folder is below the first one, with a slash at its end.
    :param above: the real paths of the folders above it.
    :return: names relative to the first folder, and paths.

    Unlike ``glob``, it does not take a folder that cannot be read for an empty one, nor a loop of links for depth.
    """
    step, *rest = steps
    if step == "**":
        real = os.path.realpath(folder)
        if real in above:
            raise EdgeImpulseInputError(f"files: {folder!r} is a symbolic link to a folder above itself.")
        yield from _match(folder, rest or ["*"], below)
        for entry in _visible(folder, "*"):
            if entry.is_dir():
                yield from _match(entry.path, steps, f"{below}{entry.name}/", [*above, real])
        return
    for entry in _visible(folder, step):
        if entry.is_dir():
            if rest:
                yield from _match(entry.path, rest, f"{below}{entry.name}/")
        elif not rest:
            yield below + entry.name, entry.path


def _visible(folder: str, step: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        matching = [entry for entry in entries if fnmatch.fnmatchcase(entry.name, step)]
    if not step.startswith("."):
        matching = [entry for entry in matching if not entry.name.startswith(".")]
    return sorted(matching, key=lambda entry: entry.name)


def in_store(uri: str, open_store: OpenStore, *, field: str = "files") -> Found:
    """Find the objects at a URI, with one listing.

    :param field: the parameter that the URI is from, for the messages.
    :raises EdgeImpulseInputError: when there is none, or it cannot be read.
    """
    try:
        fs, key = open_store(uri)
        fs.invalidate_cache()  # Airflow keeps file systems for as long as its process lives, and they keep listings
        return _in_file_system(fs, key, uri, field)
    except EdgeImpulseInputError:
        raise
    except FileNotFoundError:
        raise EdgeImpulseInputError(f"{field}: {uri!r} does not exist.") from None
    except (ImportError, ValueError, PermissionError) as error:
        # The scheme's provider package is missing, the URI is none, or the store says no: a retry changes nothing.
        raise EdgeImpulseInputError(f"{field}: {uri!r} cannot be read: {error}") from error


def _in_file_system(fs: AbstractFileSystem, key: str, uri: str, field: str) -> Found:
    protocol, _, rest = uri.partition("://")
    conn_id, at, _ = rest.partition("/")[0].rpartition("@")
    scheme = f"{protocol}://{conn_id}{at}"

    def pin(info: Mapping[str, Any], name: str, content_type: str) -> SourceFile:
        own_uri = scheme + info["name"].lstrip("/")
        return StoredFile.pin(fs, info["name"], info, uri=own_uri, name=name, content_type=content_type)

    if _MAGIC.search(key) and not fs.exists(key):
        base = _split_at_wildcard(key)[0]
        infos: Mapping[str, Mapping[str, Any]] = fs.glob(key, detail=True)
        missing = f"{field}: no object matches the pattern {uri!r}."
    else:
        info = fs.info(key)
        if info["type"] != "directory":
            return Found(((key.rstrip("/").rpartition("/")[2], partial(pin, info)),), one_file=True)
        base = key
        infos = fs.find(key, detail=True)
        missing = f"{field}: the directory {uri!r} has no files."
    named = {name.removeprefix(base.rstrip("/") + "/"): info for name, info in infos.items() if info["type"] == "file"}
    visible = {name: info for name, info in named.items() if not any(s.startswith(".") for s in name.split("/"))}
    if not visible:
        raise EdgeImpulseInputError(missing)
    # Stores list the empty object that stands for a folder; its name ends in a slash.
    return Found(
        tuple((name, partial(pin, info)) for name, info in visible.items() if not name.endswith("/")),
        one_file=False,
    )


def _split_at_wildcard(pattern: str) -> list[str]:
    """Return the part before the first wildcard, and the steps from there on."""
    steps = pattern.split("/")
    magic = next(number for number, step in enumerate(steps) if _MAGIC.search(step))
    return ["/".join(steps[:magic]) or ("/" if pattern.startswith("/") else "."), *filter(None, steps[magic:])]
