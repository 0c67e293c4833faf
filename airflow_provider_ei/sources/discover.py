"""Finds and pins the files of a list of :class:`~.file_specs.FileSpec`, on this machine or in a store.

Files below a directory keep their path relative to it. Files that match a pattern keep their path relative to the part
before the first wildcard, so that ``s1/x.csv`` and ``s2/x.csv`` remain distinct. Hidden files and folders (``.name``)
are left out of directories and patterns. Symbolic links are followed; a link to a folder above itself is an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
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
    """What was found for one spec.

    :ivar files: pairs of name and source.
    :ivar pin: a function of a source, a name and a content type that pins the file.
    :ivar is_one_file: whether the spec names a single file.
    """

    files: Sequence[tuple[str, str]]
    pin: Callable[[str, str, str], SourceFile]
    is_one_file: bool = False


def discover_files(specs: Iterable[FileSpec], open_store: OpenStore) -> list[SourceFile]:
    """Find and pin all files, sorted by name. All names are checked before the first file is pinned.

    :raises EdgeImpulseInputError: when a file is missing, unreadable or not a regular file, when a name is not valid,
        or when two names collide.
    :raises EdgeImpulseFileError: when a store fails with a transient error.
    """
    found = [(spec, _find(spec, open_store)) for spec in specs]
    for spec, its in found:
        for name, _ in its.files:
            check_file_name(name, spec.path)
    check_collisions([file for _, its in found for file in its.files])
    pinned = [
        its.pin(source, name, spec.content_type or content_types.guess(name))
        for spec, its in found
        for name, source in its.files
    ]
    return sorted(pinned, key=attrgetter("name"))


def _find(spec: FileSpec, open_store: OpenStore) -> _Found:
    path = local_path("files", spec.path)
    found = _find_in_store(spec.path, open_store) if path is None else _find_locally(path)
    if spec.name is None:
        return found
    if not found.is_one_file:
        raise EdgeImpulseInputError(
            f"files: leave out the name {spec.name!r}, which is for one file: {spec.path!r} is a directory or a "
            "pattern."
        )
    return found._replace(files=[(spec.name, source) for _, source in found.files])


def _find_locally(path: str) -> _Found:
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
            return _Found([(os.path.basename(path), path)], LocalFile.pin, is_one_file=True)
        files = [(name, entry.path) for name, entry in entries]
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"files: {str(error).removeprefix('files: ')}") from error.__cause__
    except EdgeImpulseFileError as error:
        raise EdgeImpulseInputError(f"files: {error}") from error.__cause__
    if not files:
        raise EdgeImpulseInputError(none)
    return _Found(files, LocalFile.pin)


def _find_in_store(uri: str, open_store: OpenStore) -> _Found:
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
            return _objects(store, [(entry.name, entry)], is_one_file=True)
        objects = list(_regular(entries))
    if not objects:
        raise EdgeImpulseInputError(none)
    return _objects(store, objects)


def _objects(store: ObjectStore, objects: Sequence[tuple[str, Entry]], *, is_one_file: bool = False) -> _Found:
    by_source = {entry.source: entry for _, entry in objects}

    def pin(source: str, name: str, content_type: str) -> SourceFile:
        return store.pin(by_source[source], name, content_type)

    return _Found([(name, entry.source) for name, entry in objects], pin, is_one_file)


def _regular(entries: Iterable[tuple[str, Entry]]) -> Iterator[tuple[str, Entry]]:
    for name, entry in entries:
        if entry.kind != FILE:
            raise entry.refuse()
        yield name, entry
