"""Finds and pins the files of a list of :class:`~.file_specs.FileSpec`, on this machine or in a store.

Files below a directory keep their path relative to it. Files that match a pattern keep their path relative to the part
before the first wildcard, so that ``s1/x.csv`` and ``s2/x.csv`` remain distinct. Hidden files and folders (``.name``)
are left out of directories and patterns. Symbolic links are followed; a link to a folder above itself is an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from airflow_provider_ei.exceptions import EdgeImpulseFileError, EdgeImpulseInputError
from airflow_provider_ei.sources import content_types
from airflow_provider_ei.sources.file_specs import FileSpec
from airflow_provider_ei.sources.folders import FILE, Entry, Folder, find_matches, find_visible
from airflow_provider_ei.sources.local import Disk, LocalFile
from airflow_provider_ei.sources.locations import has_wildcard, local_path, split_pattern
from airflow_provider_ei.sources.names import check_collisions, check_file_name
from airflow_provider_ei.sources.object_store import (
    ObjectStore,
    OpenStore,
    exists,
    folder_at,
    is_folder,
    open_object_store,
)
from airflow_provider_ei.sources.problems import missing
from airflow_provider_ei.sources.source_file import SourceFile


class _Found(NamedTuple):
    """A file that was found: its name, its source, and a function of source, name and content type that pins it."""

    name: str
    source: str
    pin: Callable[[str, str, str], SourceFile]


def discover_files(specs: Iterable[FileSpec], open_store: OpenStore) -> list[SourceFile]:
    """Find and pin all files, sorted by name. All names are checked before the first file is pinned.

    :raises EdgeImpulseInputError: when a file is missing, unreadable or not a regular file, when a name is not valid,
        or when two names collide.
    :raises EdgeImpulseFileError: when a store fails with a transient error.
    """
    named = [
        (check_file_name(found.name if spec.name is None else spec.name, spec.path), spec, found)
        for spec in specs
        for found in _find(spec, open_store)
    ]
    check_collisions((name, found.source) for name, _, found in named)
    named.sort(key=lambda one: one[0])
    return [
        found.pin(found.source, name, spec.content_type or content_types.guess(name)) for name, spec, found in named
    ]


def _find(spec: FileSpec, open_store: OpenStore) -> list[_Found]:
    path = local_path("files", spec.path)
    files, is_one_file = _find_in_store(spec.path, open_store) if path is None else _find_locally(path)
    if spec.name is not None and not is_one_file:
        raise EdgeImpulseInputError(
            f"files: leave out the name {spec.name!r}, which is for one file: {spec.path!r} is a directory or a "
            "pattern."
        )
    return files


def _find_locally(path: str) -> tuple[list[_Found], bool]:
    """Return the files, and whether the path names a single file."""
    try:
        if os.path.isdir(path):
            entries = find_visible(Folder(Disk(), path))
            none = f"files: give a directory with files, hidden ones aside: {path!r} has none."
        elif has_wildcard(path) and not os.path.lexists(path):
            base, *steps = split_pattern(path)
            if not os.path.lexists(base):
                raise EdgeImpulseInputError(f"files: {missing(base)}")
            entries = find_matches(Folder(Disk(), base), steps)
            none = f"files: give a pattern that matches a file: {path!r} matches none."
        else:
            return [_Found(os.path.basename(path), path, LocalFile.pin)], True
        found = [_Found(name, entry.path, LocalFile.pin) for name, entry in entries]
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"files: {str(error).removeprefix('files: ')}") from error.__cause__
    except EdgeImpulseFileError as error:
        raise EdgeImpulseInputError(f"files: {error}") from error.__cause__
    if not found:
        raise EdgeImpulseInputError(none)
    return found, False


def _find_in_store(uri: str, open_store: OpenStore) -> tuple[list[_Found], bool]:
    """Return the objects, and whether the URI names a single object."""
    with open_object_store("files", uri, open_store) as (store, key):
        if has_wildcard(key) and not exists(store, key):
            base, *steps = split_pattern(key)
            store.fs.info(base)
            entries = find_matches(folder_at(store, base, flat="**" in steps), steps)
            none = f"files: give a pattern that matches an object: {uri!r} matches none."
        elif is_folder(store, key, uri):
            entries = find_visible(folder_at(store, key, flat=True))
            none = f"files: give a directory with files, hidden ones aside: {uri!r} has none."
        else:
            entry = store.entry(key.rstrip("/").rpartition("/")[2], store.fs.info(key))
            return [_Found(entry.name, entry.source, partial(_pin_object, store, entry))], True
        found = [_Found(name, entry.source, partial(_pin_object, store, entry)) for name, entry in _regular(entries)]
    if not found:
        raise EdgeImpulseInputError(none)
    return found, False


def _pin_object(store: ObjectStore, entry: Entry, source: str, name: str, content_type: str) -> SourceFile:
    return store.pin(entry, name, content_type)


def _regular(entries: Iterable[tuple[str, Entry]]) -> Iterator[tuple[str, Entry]]:
    for name, entry in entries:
        if entry.kind != FILE:
            raise entry.refuse()
        yield name, entry
