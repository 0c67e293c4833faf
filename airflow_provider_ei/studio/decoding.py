"""Decodes typed responses; a field that does not have the documented form becomes an error that names it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from airflow_provider_ei.exceptions import EdgeImpulseResponseError
from airflow_provider_ei.studio.models import AnswerT

#: Reads a response that does not match its model; called with the JSON object and the operation id.
Repair = Callable[[Mapping[str, Any], str], AnswerT]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PROBLEM = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<place>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>\w+)`")


def decode_answer(kind: type[AnswerT], body: bytes | bytearray) -> AnswerT | None:
    """Decode a response; return None when it does not match its model."""
    try:
        answer: AnswerT = _decoder(kind).decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return answer


def json_object(body: bytes | bytearray) -> dict[str, Any] | None:
    """Decode any JSON object; return None for everything else.

    JSON is UTF-8 whatever a header says, with or without a byte order mark. Unlike :func:`decode_answer`, this
    function accepts NaN and escaped lone surrogates.
    """
    try:
        value = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def convert_answer(kind: type[AnswerT], answer: Mapping[str, Any], operation: str) -> AnswerT:
    """Convert a JSON object into a typed response; a number may be given as a string.

    :raises EdgeImpulseResponseError: when a field is missing or has another type; the message names the field.
    """
    try:
        return msgspec.convert(answer, kind, strict=False)
    except msgspec.ValidationError as error:
        field, problem = _explain(str(error))
    except (ValueError, OverflowError, RecursionError) as error:
        field, problem = kind.__name__, type(error).__name__
    raise not_as_promised("the answer", field, problem, operation)


def not_as_promised(what: str, field: str, problem: str, operation: str) -> EdgeImpulseResponseError:
    """Return the error for a response that cannot be used.

    :param what: what cannot be read.
    :param field: the name of its field.
    :param problem: what is wrong with it; must not quote the response, which may contain a secret.
    """
    return EdgeImpulseResponseError(
        "Try again later, and ask Edge Impulse's support if it stays so: "
        f"{what} does not have the form that the API promises: {field}: {problem}. ({operation})",
        operation=operation,
        status=200,
    )


def _explain(text: str) -> tuple[str, str]:
    """Split msgspec's message, which quotes no value, into the field and what is wrong with it."""
    match = _PROBLEM.fullmatch(text)
    problem, place = (match["problem"], match["place"] or "") if match else (text, "")
    if missing := _MISSING.fullmatch(problem):
        return ".".join(filter(None, (place, missing["field"]))), "it is missing"
    return place or "the answer", problem


@cache
def _decoder(kind: type[AnswerT]) -> msgspec.json.Decoder[AnswerT]:
    return msgspec.json.Decoder(kind)
