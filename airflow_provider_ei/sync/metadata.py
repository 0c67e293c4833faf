"""Converts a user's metadata to strings."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.scalars import python_scalar
from airflow_provider_ei.sources.names import check_characters, has_many_digits

#: The metadata key in which this package keeps the state of an item; see ``item_state``.
STATE_KEY = "airflow_ei"

#: A key that the service adds for transformation blocks.
INJECTED_KEY = "dataItemInfo"

_CHECKLIST_PREFIX = "ei_check"
_CHECK = re.compile(r"ei_check(_.+)?", re.DOTALL)


def metadata_strings(metadata: object, *, checks: bool = False) -> dict[str, str]:
    """Return a user's metadata as strings, which is what the service accepts.

    ``True`` becomes ``true``. Numbers are written as in JSON, dates in ISO format, a ``Decimal`` in plain digits, and
    the member of an enumeration as its value.

    :param checks: accept Edge Impulse's checklist keys, ``ei_check`` and ``ei_check_…``, with the value 0 or 1.
    :raises EdgeImpulseInputError: for keys that are not strings, are empty or reserved, and for values that are not
        scalars.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise EdgeImpulseInputError(
            f"metadata must be a dict of scalars, not {type(metadata).__name__}: {str(metadata)[:80]!r}."
        )
    strings = {}
    for key, value in metadata.items():
        if not isinstance(key, str) or not key.strip():
            raise EdgeImpulseInputError(f"metadata: the key {key!r} must be a non-empty string.")
        check_characters("the metadata key", key)
        if checks and _CHECK.fullmatch(key):
            strings[key] = _check(key, value)
            continue
        if key == INJECTED_KEY or key.startswith((_CHECKLIST_PREFIX, STATE_KEY)):
            raise EdgeImpulseInputError(
                f"metadata: use another key than {key!r}, which is reserved ({INJECTED_KEY}, {_CHECKLIST_PREFIX}… by "
                f"Edge Impulse, {STATE_KEY}… by this package)."
            )
        strings[str.__str__(key)] = _text(key, value)
    return strings


def _check(key: str, value: object) -> str:
    if isinstance(value, bool) or value not in (0, 1, "0", "1"):
        raise EdgeImpulseInputError(f"metadata[{key!r}] must be 0 or 1, not {str(value)[:80]!r}.")
    return value if isinstance(value, str) else str(int(value))


def _text(key: str, value: object) -> str:
    value = python_scalar(value)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return _checked(key, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date | time) and value == value:  # pandas' NaT is a datetime
        return value.isoformat()
    if has_many_digits(value):
        raise EdgeImpulseInputError(f"metadata[{key!r}] has more than 1,000 digits. Give a string.")
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, Real) and _is_finite(value):
        return json.dumps(float(value))
    if isinstance(value, Real | Decimal | datetime):
        raise EdgeImpulseInputError(
            f"metadata[{key!r}] is {value!r}. NaN and infinity are not allowed: leave the key out, or give a string."
        )
    if value is None:
        raise EdgeImpulseInputError(f"metadata[{key!r}] is None. Leave the key out, or give a string.")
    raise EdgeImpulseInputError(
        f"metadata[{key!r}] must be a scalar, not {type(value).__name__}: {str(value)[:80]!r}. Metadata are "
        "flat: give a string, a finite number, a bool or a date, or several keys."
    )


def _checked(key: str, value: str) -> str:
    if "\0" in value:
        raise EdgeImpulseInputError(f"metadata[{key!r}] contains a NUL character.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise EdgeImpulseInputError(f"metadata[{key!r}] contains bytes that are not UTF-8.") from None
    return str.__str__(value)


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a fraction too large for a float
        return False
