"""Paths, URIs and patterns as users write them."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from airflow_provider_ei.exceptions import EdgeImpulseInputError

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FILE_URI = re.compile(r"file://(?P<host>[^/]*)(?P<path>.*)", re.IGNORECASE | re.DOTALL)
_WILDCARD = re.compile(r"[*?\[]")


def local_path(field: str, location: str) -> str | None:
    """Return the path that a path or a ``file://`` URI stands for; None for the URI of an object store.

    :param field: the parameter that it is from, for messages.
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
        return written  # a "%" that is part of the name; elsewhere it begins an escape
    fixed = split_pattern(written)[0] if has_wildcard(written) else ""
    kept = fixed if os.path.lexists(fixed) else ""
    return kept + unquote(written.removeprefix(kept), errors="surrogateescape")


def has_wildcard(location: str) -> bool:
    """Whether a path or key has a character of a pattern; a file may have it in its name, too."""
    return _WILDCARD.search(location) is not None


def split_pattern(pattern: str) -> list[str]:
    """Return the part of a pattern before its first wildcard, and the steps from there on."""
    steps = pattern.split("/")
    first = next(number for number, step in enumerate(steps) if has_wildcard(step))
    return ["/".join(steps[:first]) or ("/" if pattern.startswith("/") else "."), *filter(None, steps[first:])]
