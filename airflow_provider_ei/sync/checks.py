"""Checks of single arguments. A template may have rendered them to strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.sources.names import check_text


def optional_text(field: str, value: object) -> str | None:
    """Return the checked string; None if it is None or empty.

    :raises EdgeImpulseInputError: when the service cannot store it; see :func:`check_text`.
    """
    return None if is_missing(value) else check_text(field, value)


def check_choice(field: str, value: Any, choices: Sequence[str]) -> Any:
    """Return the value if it is one of the choices.

    :raises EdgeImpulseInputError: for any other value.
    """
    if value not in choices:
        raise EdgeImpulseInputError(f"{field} must be {' or '.join(map(repr, choices))}, not {value!r}.")
    return value


def check_bucket(name: object, bucket_id: object) -> None:
    """Check that a bucket is given by name or by id, not both.

    :raises EdgeImpulseInputError: when both are given.
    """
    if not is_missing(name) and not is_missing(bucket_id):
        raise EdgeImpulseInputError("Give bucket_id or bucket_name, not both.")


def is_missing(value: object) -> bool:
    """Return whether an argument was left out, or its template rendered to an empty string."""
    return value is None or value == ""
