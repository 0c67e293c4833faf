"""``ei-metadata.json``: metadata that are kept beside a data item's files, in Edge Impulse's own format.

    {"version": 1, "action": "add", "metadata": {"subject": "s17", "ei_check_complete": 1}}

``add`` puts them over those that the sync gives; ``replace`` leaves the sync's out. ``replace-checks`` is ``add``, and
checks (``ei_check``, ``ei_check_…``) of an earlier file do not stay. A sync does that for every action, since it
removes each key that it wrote and no longer has; what others wrote stays, their checks included. The file itself is
not uploaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.studio.files import PinnedReader, UploadFile
from airflow_provider_ei.sync.metadata import metadata_texts

NAME = "ei-metadata.json"

#: Bytes; metadata are a few short texts, so what is larger is something else.
MAX_BYTES = 1024 * 1024

_ACTIONS = ("add", "replace", "replace-checks")

#: Digits of a whole number; Python reads no longer one, and Edge Impulse keeps texts.
_MOST_DIGITS = 4000


def read(file: UploadFile, given: Mapping[str, str]) -> dict[str, str]:
    """Return the item's metadata.

    :param given: those that the sync gives.
    :raises EdgeImpulseInputError: when the file is not such JSON.
    :raises EdgeImpulseFileError: when it cannot be read, or changes meanwhile.
    """
    if file.size > MAX_BYTES:
        raise EdgeImpulseInputError(f"{file.source} has {file.size} bytes; metadata have at most {MAX_BYTES}.")
    try:
        content = json.loads(
            _whole(file),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
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
        texts = metadata_texts(own, checks=True)
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"{file.source}: {error}") from None
    return texts if content["action"] == "replace" else {**given, **texts}


def _without_duplicates(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number; write a text, {json.dumps(name)}")


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits; write it as a text, in quotes")
    return int(digits)


def _whole(file: UploadFile) -> bytes:
    reader = PinnedReader(file)
    try:
        return b"".join(bytes(block) for block in iter(lambda: reader.read(MAX_BYTES), b""))
    finally:
        reader.close()
