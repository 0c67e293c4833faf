"""A token in the description of a version, by which the task that has created it finds it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from airflow_provider_ei.studio.api.versions import ProjectVersion

#: Longest part of a description that says where it comes from, in characters.
MAX_ORIGIN_PART = 80


def version_token(*origin: object) -> str:
    """Return a token that is always the same for the same origin.

    :param origin: what identifies the task, such as its ids and its run.
    """
    return hashlib.sha256(json.dumps(origin, default=str).encode()).hexdigest()[:16]


def describe_version(description: str, origin: Sequence[object], token: str) -> str:
    """Return a description that names the origin and carries the token."""
    parts = " / ".join(
        text if len(text) <= MAX_ORIGIN_PART else f"{text[: MAX_ORIGIN_PART - 1]}…" for text in map(str, origin)
    )
    return f"{description} [Airflow: {parts}, {token}]".strip()


def find_version(versions: Sequence[ProjectVersion], token: str, since: int = 0) -> ProjectVersion | None:
    """Return the newest version whose description carries the token.

    :param since: the number of the newest one that was there before.
    """
    found = [one for one in versions if f"{token}]" in one.description and one.version > since]
    return max(found, key=lambda one: one.version, default=None)
