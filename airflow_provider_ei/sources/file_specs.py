"""Turns the ``files`` that a user gives into pinned files: paths, URIs, directories, globs, dicts, lists of them."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator, Mapping, Sequence

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sources import content_types
from airflow_provider_ei.sources.discover import OpenStore, find
from airflow_provider_ei.sources.names import check_characters, check_collisions, check_file_name
from airflow_provider_ei.sources.pinned import SourceFile

_NOTHING_CAME = "If it comes from an upstream task, that task returned nothing or was skipped."

#: Characters of a text with a list or dict. As Python, each of them can take 500 bytes of memory, as JSON 30.
MAX_JSON, MAX_PYTHON = 16 * 1024 * 1024, 1024 * 1024

_SPEC_KEYS = {"path", "name", "content_type"}


def resolve_files(files: object, open_store: OpenStore) -> list[SourceFile]:
    """Find all files that ``files`` stands for, sorted by name.

    :param files: a path or URI, a directory, a glob, ``{"path", "name"?, "content_type"?}``, a list of these (lists
        within lists are flattened), or a text with such a list or dict in JSON or Python.
    :raises EdgeImpulseInputError: when one is missing, unreadable, of another form, or has the name of another.
    """
    found = [file for spec in _flatten(files) for file in _resolve(spec, open_store)]
    if not found:
        raise EdgeImpulseInputError(f"files is empty: give at least one file. {_NOTHING_CAME}")
    check_collisions((file.name, file.source) for file in found)
    return sorted(found, key=lambda file: file.name)


def parse_literal(text: str, field: str = "a list or dict") -> object:
    """Read a text that a template rendered: a list or dict in JSON or in Python. Any other text stays as it is.

    :param field: where the text stands, for messages.
    :raises EdgeImpulseInputError: when it is too long to be read with little memory.
    """
    if text.lstrip()[:1] not in ("[", "{"):
        return text
    for read, notation, longest in ((json.loads, "JSON", MAX_JSON), (ast.literal_eval, "Python", MAX_PYTHON)):
        if len(text) > longest:
            raise EdgeImpulseInputError(
                f"Pass {field} as the upstream task's output itself (an XComArg), or shorten it"
                f"{'' if notation == 'JSON' else ', or render it as JSON with the filter tojson'}: it is a text of "
                f"{len(text):,} characters, beginning with {text.lstrip()[:40]!r}, and {notation} is read up to "
                f"{longest:,}."
            )
        try:
            value: object = read(text.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue  # not a literal; ast names its refusals in all these ways
        if isinstance(value, list | dict):
            return value
    return text


def _flatten(files: object) -> Iterator[str | Mapping[str, object]]:
    if isinstance(files, str):
        files = parse_literal(files, "files")
    if isinstance(files, str | Mapping):
        yield files
    elif _is_path(files):
        yield str(files)
    elif isinstance(files, Sequence) and not isinstance(files, bytes | bytearray):
        for one in files:
            yield from _flatten(one)
    elif files is None:
        raise EdgeImpulseInputError(f"files is None. {_NOTHING_CAME}")
    else:
        raise EdgeImpulseInputError(
            "files must be a path, a URI, a dict with 'path', or a list of these, not "
            f"{type(files).__name__}: {str(files)[:80]!r}."
        )


def _text(value: object) -> str:
    """Return the text that a value stands for: of ``class Name(str, Enum)`` the value, not the member's name."""
    if isinstance(value, str):
        return str.__str__(value)
    return str(int(value)) if isinstance(value, int) else str(value)


def _is_path(value: object) -> bool:
    """Whether ``str()`` of it is a path or a URI: a pathlib path, or Airflow's path in an object store."""
    return isinstance(value, os.PathLike) or (hasattr(value, "fs") and hasattr(value, "path"))


def _resolve(spec: str | Mapping[str, object], open_store: OpenStore) -> Iterator[SourceFile]:
    if isinstance(spec, str):
        spec = {"path": spec}
    path = spec.get("path")
    if path is None and "path" in spec:
        raise EdgeImpulseInputError(f"files has None as a path. {_NOTHING_CAME}")
    if set(spec) - _SPEC_KEYS or not (isinstance(path, str) or _is_path(path)):
        raise EdgeImpulseInputError(
            "files: give a dict with 'path', and 'name' and 'content_type' if wanted, not with "
            f"{', '.join(map(repr, spec)) or 'nothing'}."
        )
    path = _text(path)
    if path in ("", "None"):
        raise EdgeImpulseInputError(
            f"files has {'the text None as a path' if path else 'an empty path'}. {_NOTHING_CAME}"
        )
    check_characters("the path in files", path)
    found = find(path, open_store)
    name, content_type = spec.get("name"), spec.get("content_type")
    if name is not None and not found.one_file:
        raise EdgeImpulseInputError(
            f"files: leave out the name {name!r}, which is for one file: {path!r} is a directory or a pattern."
        )
    if content_type is not None:
        content_types.check(content_type, path)
    for found_name, pin in found.files:
        own_name = check_file_name(found_name if name is None else _text(name), path)
        yield pin(own_name, str(content_type or content_types.guess(own_name)))
