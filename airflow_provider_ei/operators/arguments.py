"""Arguments in a DAG file, checked and converted when an operator is created, or when its templates are rendered."""

from __future__ import annotations

import inspect
import math
from collections.abc import Set
from datetime import timedelta
from enum import Enum
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.numeric import read_number
from airflow_provider_ei.scalars import python_scalar


class EdgeImpulseArgumentError(AirflowFailException, EdgeImpulseInputError):
    """An argument cannot be used. In a DAG file this is an import error; a task fails without retries."""


def plain(where: str, value: Any) -> Any:
    """Convert an argument to types that Airflow can serialize.

    Scalars of numpy and pandas become Python scalars, members of ``class Color(str, Enum)`` become their values.
    Everything else is returned unchanged, including templates and XComArgs.

    :param where: name of the argument, for the message.
    :raises EdgeImpulseArgumentError: for NaN and infinity, which JSON cannot represent.
    """
    if isinstance(value, dict):
        pairs = {plain(where, key): plain(f"{where}[{key!r}]", one) for key, one in value.items()}
        unchanged = all(a is c and b is d for (a, b), (c, d) in zip(pairs.items(), value.items(), strict=False))
        return value if unchanged and len(pairs) == len(value) else pairs
    if type(value) in (list, tuple):
        ones = [plain(f"{where}[{number}]", one) for number, one in enumerate(value)]
        return value if all(a is b for a, b in zip(ones, value, strict=True)) else type(value)(ones)
    if isinstance(value, Enum) and isinstance(value, str):
        return value.value
    value = python_scalar(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise EdgeImpulseArgumentError(
            f"{where}: NaN and infinity are not allowed. Give a finite number or a string, or leave it out."
        )
    return value


def check_names(operator: type, names: Set[str], defaults: Set[str]) -> None:
    """Check the names of a mapped task's arguments, some of which may come from upstream.

    :param defaults: names of the arguments in ``default_args``.
    :raises EdgeImpulseArgumentError: naming unknown and missing arguments.
    """
    own = _parameters(operator.__init__)  # type: ignore[misc]
    known = {name for each in operator.__mro__ if "__init__" in vars(each) for name in _parameters(each.__init__)}  # type: ignore[misc]
    required = {name for name, parameter in own.items() if parameter.default is parameter.empty} - {"self"}
    problems = [f"there is no {name!r}" for name in sorted(names - known)]
    problems += [f"{name!r} is missing" for name in sorted(required - names - defaults)]
    if problems:
        raise EdgeImpulseArgumentError(
            f"Correct the arguments of .expand() or .expand_kwargs(): {', '.join(problems)}. The arguments of "
            f"{operator.__name__} are {', '.join(operator.template_fields)}."  # type: ignore[attr-defined]
        )


def keyword_arguments(constructor: Any) -> tuple[str, ...]:
    """Return the names of the keyword arguments that a constructor declares, in their order."""
    parameters = inspect.signature(constructor).parameters
    return tuple(name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY)


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters
    return {name: one for name, one in parameters.items() if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}


def read_flag(field: str, value: object, *, empty: bool | None = None) -> bool:
    """Return a bool that a template may have turned into a string: ``true``, ``false``, in upper or lower case.

    :param empty: what None and an empty string mean; None: they are errors.
    :raises EdgeImpulseInputError: when the value is anything else.
    """
    known = {"true": True, "false": False, "": empty, "none": empty}
    flag = value if isinstance(value, bool) else known.get(str(value).strip().lower())
    if flag is None:
        raise EdgeImpulseInputError(f"{field} must be True or False, not {value!r}.")
    return flag


def read_name(field: str, value: object) -> str:
    """Return a string that is not empty, without spaces around it.

    :raises EdgeImpulseInputError: when the value is anything else.
    """
    if not isinstance(value, str) or not value.strip():
        raise EdgeImpulseInputError(f"{field} must be a non-empty string, not {value!r}.")
    return value.strip()


def read_choice(field: str, value: object, choices: tuple[str, ...]) -> str:
    """Return one of several strings.

    :raises EdgeImpulseInputError: when the value is none of them.
    """
    if value not in choices:
        raise EdgeImpulseInputError(f"{field} must be one of {', '.join(choices)}, not {value!r}.")
    return str(value)


def read_seconds(field: str, value: object) -> float | None:
    """Return a positive number of seconds; None for None and for an empty string.

    :raises EdgeImpulseInputError: when the value is anything else.
    """
    if value is None or value == "":
        return None
    number = value.total_seconds() if isinstance(value, timedelta) else read_number(value)
    if number is None or number <= 0:
        raise EdgeImpulseInputError(f"{field} must be a positive number of seconds, not {value!r}.")
    return float(number)


def check_mapped_delete(delete: object, sync_id: object, map_index: int, what: str) -> None:
    """Check that the mapped tasks of a sync do not delete what the others have uploaded.

    :param map_index: of the task; -1 if it is not mapped.
    :param what: what is deleted, such as ``samples``.
    :raises EdgeImpulseInputError: when they would.
    """
    if delete != "never" and not sync_id and map_index >= 0:
        raise EdgeImpulseInputError(
            f"delete={delete!r} in a mapped task needs a sync_id, another one for each source: by default all "
            f"of them have the task's id, and would delete each other's {what}."
        )
