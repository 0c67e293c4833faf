"""Reads ``ei-metadata.json``: metadata next to the files of a data item, in Edge Impulse's own format.

    {"version": 1, "action": "add", "metadata": {"subject": "s17", "ei_check_complete": 1}}

``add`` overrides the sync's metadata key by key; ``replace`` discards them. ``replace-checks`` is like ``add``, and
also removes the checks (``ei_check``, ``ei_check_…``) of an earlier file. A sync does that for every action, since it
removes each key that it wrote and no longer has. Keys that others wrote are kept, including their checks. The file
itself is not uploaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.studio.files import UploadFile, read_whole
from airflow_provider_ei.sync.metadata import metadata_strings

NAME = "ei-metadata.json"

#: Maximum size of the file; metadata are a few short strings.
MAX_BYTES = 1024 * 1024

_ACTIONS = ("add", "replace", "replace-checks")

#: Maximum digits of a whole number. Python's limit is only slightly higher, and Edge Impulse stores strings.
_MAX_DIGITS = 4000


def read(file: UploadFile, given: Mapping[str, str]) -> dict[str, str]:
    """Return the item's metadata.

    :param given: the sync's metadata.
    :raises EdgeImpulseInputError: when the file does not have that format.
    :raises EdgeImpulseFileError: when it cannot be read, or changes while it is read.
    """
    if file.size > MAX_BYTES:
        raise EdgeImpulseInputError(f"{file.source} has {file.size} bytes; it must have at most {MAX_BYTES}.")
    try:
        content = json.loads(
            read_whole(file),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_int=_parse_int,
        )
    except (ValueError, RecursionError) as error:
        raise EdgeImpulseInputError(f"{file.source} is not valid JSON: {error}") from None
    own = content.get("metadata") if isinstance(content, dict) else None
    if not isinstance(own, dict) or content.get("version") != 1 or content.get("action") not in _ACTIONS:
        raise EdgeImpulseInputError(
            f'{file.source} must be {{"version": 1, "action": "add", "replace" or "replace-checks", "metadata": '
            f"{{…}}}}, not {json.dumps(content, ensure_ascii=False)[:80]}."
        )
    try:
        strings = metadata_strings(own, checks=True)
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"{file.source}: {error}") from None
    return strings if content["action"] == "replace" else {**given, **strings}


def _without_duplicates(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} appears twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number; write a string, {json.dumps(name)}")


def _parse_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits; write it as a string, in quotes")
    return int(digits)
