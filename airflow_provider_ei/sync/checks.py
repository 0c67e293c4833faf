"""Checks of single arguments, which a template may have rendered to strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sources.names import check_text


def optional_text(field: str, value: object) -> str | None:
    """Return a name; None for None and an empty string.

    :raises EdgeImpulseInputError: when it cannot be sent, see :func:`check_text`.
    """
    return None if is_missing(value) else check_text(field, value)


def check_choice(field: str, value: Any, choices: Sequence[str]) -> Any:
    """Return one of the choices.

    :raises EdgeImpulseInputError: for anything else.
    """
    if value not in choices:
        raise EdgeImpulseInputError(f"{field} must be {' or '.join(map(repr, choices))}, not {value!r}.")
    return value


def check_bucket(name: object, bucket_id: object) -> None:
    """Refuse a bucket that is given twice.

    :raises EdgeImpulseInputError: when both are given.
    """
    if not is_missing(name) and not is_missing(bucket_id):
        raise EdgeImpulseInputError("Give bucket_id or bucket_name, not both.")


def is_missing(value: object) -> bool:
    """Whether an argument was left out, or a template rendered to nothing."""
    return value is None or value == ""
