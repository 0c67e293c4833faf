"""Parses paths, URIs and patterns."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from airflow_provider_ei.exceptions import EdgeImpulseInputError

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FILE_URI = re.compile(r"file://(?P<host>[^/]*)(?P<path>.*)", re.IGNORECASE | re.DOTALL)
_WILDCARD = re.compile(r"[*?\[]")


def local_path(field: str, location: str) -> str | None:
    """Return the path of a path or a ``file://`` URI; None for the URI of an object store.

    :param field: the parameter that the location comes from, for messages.
    :raises EdgeImpulseInputError: for a ``file://`` URI of another machine.
    """
    uri = _FILE_URI.fullmatch(location)
    if uri is None:
        return None if _URI.match(location) else location
    if uri["host"].lower() not in ("", "localhost"):
        raise EdgeImpulseInputError(
            f"{field}: write {'file:///' + location[7:]!r} for a path on the machine that runs this task. In "
            f"{location!r}, {uri['host']!r} is the name of another machine."
        )
    written = uri["path"]
    if not written:
        raise EdgeImpulseInputError(f"{field}: write {'file:///…'!r}: {location!r} has no path.")
    if os.path.lexists(written):
        return written  # here a "%" is part of the name; otherwise it begins an escape
    fixed = split_pattern(written)[0] if has_wildcard(written) else ""
    kept = fixed if os.path.lexists(fixed) else ""
    return kept + unquote(written.removeprefix(kept), errors="surrogateescape")


def has_wildcard(location: str) -> bool:
    """Return whether a path or key contains a wildcard character; a file's name may contain one, too."""
    return _WILDCARD.search(location) is not None


def split_pattern(pattern: str) -> list[str]:
    """Return the part of a pattern before its first wildcard, followed by the remaining steps."""
    steps = pattern.split("/")
    first = next(number for number, step in enumerate(steps) if has_wildcard(step))
    return ["/".join(steps[:first]) or ("/" if pattern.startswith("/") else "."), *filter(None, steps[first:])]
