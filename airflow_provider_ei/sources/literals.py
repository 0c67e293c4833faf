"""Parses lists and dicts that a template has rendered to a string."""

from __future__ import annotations

import ast
import json

from airflow_provider_ei.exceptions import EdgeImpulseInputError

#: Maximum length of parsed strings in characters. A character can take 500 bytes of memory as Python, 30 as JSON.
MAX_JSON, MAX_PYTHON = 16 * 1024 * 1024, 1024 * 1024


def parse_literal(text: str, field: str = "a list or dict") -> object:
    """Return the list or dict that a string contains, as JSON or a Python literal; return any other string unchanged.

    :param field: the parameter that the string comes from, for messages.
    :raises EdgeImpulseInputError: when the string is too long to be parsed with little memory.
    """
    if text.lstrip()[:1] not in ("[", "{"):
        return text
    for read, notation, longest in ((json.loads, "JSON", MAX_JSON), (ast.literal_eval, "Python", MAX_PYTHON)):
        if len(text) > longest:
            raise EdgeImpulseInputError(
                f"Pass {field} as the upstream task's output itself (an XComArg), or shorten it"
                f"{'' if notation == 'JSON' else ', or render it as JSON with the filter tojson'}: it is a string of "
                f"{len(text):,} characters, beginning with {text.lstrip()[:40]!r}, and {notation} is read up to "
                f"{longest:,}."
            )
        try:
            value: object = read(text.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue  # not a literal; ast reports that in all these ways
        if isinstance(value, list | dict):
            return value
    return text
