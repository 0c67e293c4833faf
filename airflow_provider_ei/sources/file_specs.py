"""Parses the ``files`` argument in all its forms into a list of :class:`FileSpec`.

This module does not access files: :mod:`.discover` finds them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sources import content_types
from airflow_provider_ei.sources.literals import parse_literal
from airflow_provider_ei.sources.names import check_characters, check_file_name

_SPEC_KEYS = ("path", "name", "content_type")

_SKIPPED_UPSTREAM = "If it comes from an upstream task, that task returned nothing or was skipped."


@dataclass(frozen=True)
class FileSpec:
    """One path or URI that a user gave.

    :ivar path: path or URI of a file or directory, or a pattern.
    :ivar name: name of the file in the data item; None for the file's own name.
    :ivar content_type: media type of its files; None to derive it from each file's name.
    :ivar more: what was given under other keys that the caller accepts.
    """

    path: str
    name: str | None = None
    content_type: str | None = None
    more: Mapping[str, object] = field(default_factory=dict)


def parse_file_specs(files: object, more_keys: Collection[str] = ()) -> list[FileSpec]:
    """Parse the ``files`` argument.

    :param files: a path or URI, a directory, a glob, ``{"path", "name"?, "content_type"?}``, a list of these (nested
        lists are flattened), or a string with such a list or dict in JSON or as a Python literal.
    :param more_keys: other keys that a dict may have, for :attr:`FileSpec.more`.
    :raises EdgeImpulseInputError: when it has another form, names no file, or has an invalid name or content type.
    """
    specs = [_parse_spec(one, more_keys) for one in _flatten(files)]
    if not specs:
        raise EdgeImpulseInputError(f"files is empty: give at least one file. {_SKIPPED_UPSTREAM}")
    return specs


def _flatten(files: object) -> Iterator[str | Mapping[str, object]]:
    if isinstance(files, str):
        files = parse_literal(files, "files")
    if isinstance(files, str | Mapping):
        yield files
    elif _is_path(files):
        yield str(files)
    elif isinstance(files, Sequence) and not isinstance(files, bytes | bytearray):
        for one in files:  # also the lazy sequence of a mapped task's results
            yield from _flatten(one)
    elif files is None:
        raise EdgeImpulseInputError(f"files is None. {_SKIPPED_UPSTREAM}")
    else:
        raise EdgeImpulseInputError(
            "files must be a path, a URI, a dict with 'path', or a list of these, not "
            f"{type(files).__name__}: {str(files)[:80]!r}."
        )


def _parse_spec(given: str | Mapping[str, object], more_keys: Collection[str]) -> FileSpec:
    spec = {"path": given} if isinstance(given, str) else given
    path = spec.get("path")
    if path is None and "path" in spec:
        raise EdgeImpulseInputError(f"files has None as a path. {_SKIPPED_UPSTREAM}")
    if set(spec) - {*_SPEC_KEYS, *more_keys} or not (isinstance(path, str) or _is_path(path)):
        *others, last = map(repr, [*_SPEC_KEYS[1:], *more_keys])
        raise EdgeImpulseInputError(
            f"files: give a dict with 'path', and {', '.join(others)} and {last} if wanted, not with "
            f"{', '.join(map(repr, spec)) or 'nothing'}."
        )
    path = _to_string(path)
    if path in ("", "None"):
        what = "the string 'None' as a path" if path else "an empty path"
        raise EdgeImpulseInputError(f"files has {what}. {_SKIPPED_UPSTREAM}")
    check_characters("the path in files", path)
    name, content_type = spec.get("name"), spec.get("content_type")
    return FileSpec(
        path,
        None if name is None else check_file_name(_to_string(name), path),
        None if content_type is None else content_types.check(content_type, path),
        {key: spec[key] for key in more_keys if key in spec},
    )


def _to_string(value: object) -> str:
    """Convert a value to a string: for a ``class Name(str, Enum)`` its value, not the name of the member."""
    if isinstance(value, str):
        return str.__str__(value)
    return str(int(value)) if isinstance(value, int) else str(value)


def _is_path(value: object) -> bool:
    """Return whether ``str()`` of a value is a path or URI: pathlib's paths, and Airflow's object storage paths."""
    return isinstance(value, os.PathLike) or (hasattr(value, "fs") and hasattr(value, "path"))
