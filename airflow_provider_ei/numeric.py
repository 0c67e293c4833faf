"""Reads the numbers that users give: as numbers, or as strings that templates and forms make of them.

Imports little, since DAG files need it while they are parsed.
"""

from __future__ import annotations

import math
from operator import index

from airflow_provider_ei.exceptions import EdgeImpulseInputError


def read_number(value: object) -> int | float | None:
    """Return the finite number that a value stands for; None when it does not stand for one.

    ``7``, ``"7"``, ``7.0`` and ``" 7.0 "`` are the whole number 7. A bool is not a number.
    """
    if isinstance(value, bool):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
        if not math.isfinite(number):
            return None
        if number != int(number):
            return number
        if isinstance(value, str):
            return int(value) if value.strip().lstrip("+-").isdecimal() else int(number)
        return index(value) if hasattr(value, "__index__") else int(number)  # a float has 53 bits
    except (TypeError, ValueError, OverflowError):
        return None


def whole_number(field: str, value: object) -> int | None:
    """Return a positive whole number, such as an id; None for None and for an empty string.

    :param field: the parameter's name, for the message.
    :raises EdgeImpulseInputError: when the value is anything else.
    """
    if value is None or value == "":
        return None
    number = read_number(value)
    if number is None or number < 1 or number != int(number):
        raise EdgeImpulseInputError(f"{field} must be a positive whole number, not {_printable(value)}.")
    return int(number)


def required_number(field: str, value: object, *, least: int = 1) -> int:
    """Return a whole number that must be given.

    :param field: the parameter's name, for the message.
    :param least: the smallest number that is allowed.
    :raises EdgeImpulseInputError: when the value is missing, smaller, or anything else.
    """
    number = read_number(value)
    if number is None or number < least or number != int(number):
        what = "a positive whole number" if least == 1 else f"a whole number, {least} or more"
        raise EdgeImpulseInputError(f"{field} must be {what}, not {_printable(value)}.")
    return int(number)


def _printable(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "one of thousands of digits"
