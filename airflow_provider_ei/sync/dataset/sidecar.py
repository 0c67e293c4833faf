"""``ei-metadata.json``: metadata that are kept beside a data item's files.

    {"version": 1, "action": "add", "metadata": {"subject": "s17"}}

``add`` puts them over those that the sync gives; ``replace`` leaves the sync's out. The file itself is not uploaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.studio.multipart import PinnedReader, UploadFile
from airflow_provider_ei.sync.metadata import metadata_texts

NAME = "ei-metadata.json"

#: Bytes; metadata are a few short texts, so what is larger is something else.
MOST_BYTES = 1024 * 1024


def read(file: UploadFile, given: Mapping[str, str]) -> dict[str, str]:
    """Return the item's metadata.

    :param given: those that the sync gives.
    :raises EdgeImpulseInputError: when the file is no such JSON.
    :raises EdgeImpulseFileError: when it cannot be read, or changes meanwhile.
    """
    if file.size > MOST_BYTES:
        raise EdgeImpulseInputError(f"{file.source} has {file.size} bytes; metadata have at most {MOST_BYTES}.")
    try:
        content = json.loads(_whole(file))
    except (ValueError, RecursionError) as error:
        raise EdgeImpulseInputError(f"{file.source} is no JSON: {error}") from None
    own = content.get("metadata") if isinstance(content, dict) else None
    if not isinstance(own, dict) or content.get("version") != 1 or content.get("action") not in ("add", "replace"):
        raise EdgeImpulseInputError(
            f'{file.source} must be {{"version": 1, "action": "add" or "replace", "metadata": {{…}}}}, not '
            f"{json.dumps(content, ensure_ascii=False)[:80]}."
        )
    try:
        texts = metadata_texts(own)
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"{file.source}: {error}") from None
    return texts if content["action"] == "replace" else {**given, **texts}


def _whole(file: UploadFile) -> bytes:
    reader = PinnedReader(file)
    try:
        return b"".join(bytes(block) for block in iter(lambda: reader.read(MOST_BYTES), b""))
    finally:
        reader.close()
