"""The filter language of the API, similar to the WHERE of SQL: a parser that returns a condition for SQLite.

It follows the documented dialect, that of a SQL library for JavaScript:

- ``=``, ``!=``, ``<>``, ``<``, ``<=``, ``>``, ``>=``, ``LIKE``, ``IN (...)`` and ``CONTAINS``, the last three
  also with ``NOT``; ``AND``, ``OR``, ``NOT`` and parentheses.
- A value is a number, ``'text'`` (with ``''`` or ``\\'`` for a quote in it) or ``DATE('2024-01-31')``.
- ``metadata->key`` and ``metadata->>key`` read metadata; write dots in keys as underscores; a key may be quoted.
- ``--`` begins a comment, as in ``-- labels a,b``.

The meaning of the comparisons is described in :mod:`airflow_provider_ei.emulator.filter_sql`.
"""

from __future__ import annotations

from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from airflow_provider_ei.emulator import filter_sql
from airflow_provider_ei.emulator.filter_sql import Date, Field, FilterError, Part, SqlCondition, Value

_GRAMMAR = r"""
    start: [any]
    any: all (_OR all)*
    all: part (_AND part)*
    ?part: _NOT part -> negation
        | "(" any ")" -> group
        | field COMPARISON value -> compare
        | field [NOT] _LIKE value -> like
        | field [NOT] _IN "(" value ("," value)* ")" -> member
        | field [NOT] _CONTAINS value -> contains
    field: NAME [_ARROW (KEY | TEXT)]
    value: TEXT -> text
        | NUMBER -> number
        | _DATE "(" TEXT ")" -> date

    _OR.1: /or\b/i
    _AND.1: /and\b/i
    _NOT.1: /not\b/i
    NOT.1: /not\b/i
    _LIKE.1: /like\b/i
    _IN.1: /in\b/i
    _CONTAINS.1: /contains\b/i
    _DATE.1: /date\b/i
    NAME: /[a-z_]+(?!\w)/i
    _ARROW: /->>?/
    KEY: /((?!--)[^\s=<>!(),'".])+/
    TEXT: /'(\\'|''|[^'])*'/
    NUMBER: /-?[0-9]+(\.[0-9]+)?(?![\w.])/
    COMPARISON: /<>|!=|<=|>=|[<=>](?![=])/
    %ignore /\s+/
    %ignore /--[^\n]*/
"""


def parse_filter(text: str) -> SqlCondition:
    """Parse a filter into a condition. A filter with nothing but comments selects everything.

    :raises FilterError: if the text is not a valid filter, or names a field that does not exist.
    """
    try:
        condition: Any = _PARSER.parse(text)
    except UnexpectedCharacters as error:
        raise FilterError(f"Cannot parse the filter at {_excerpt(text, error.pos_in_stream)}") from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise FilterError("The filter ends too early") from None
        raise FilterError(f"Unexpected {_excerpt(text, error.token.start_pos)} in the filter") from None
    except UnexpectedInput:
        raise FilterError("Cannot parse the filter") from None
    except VisitError as error:
        raise error.orig_exc from None
    assert isinstance(condition, SqlCondition)
    return condition


@v_args(inline=True)
class _Builder(Transformer[Token, SqlCondition]):
    """Build the condition while parsing. There is no syntax tree, so deeply nested filters need no recursion."""

    def start(self, part: Part | None) -> SqlCondition:
        return filter_sql.EVERYTHING if part is None else filter_sql.condition(part)

    def any(self, *parts: Part) -> Part:
        return filter_sql.join("OR", parts)

    def all(self, *parts: Part) -> Part:
        return filter_sql.join("AND", parts)

    def negation(self, part: Part) -> Part:
        return filter_sql.negate(part)

    def group(self, part: Part) -> Part:
        return filter_sql.nest(part)

    def compare(self, field: Field, operator: Token, value: Value) -> Part:
        return filter_sql.compare(field, str(operator), value)

    def like(self, field: Field, negated: Token | None, value: Value) -> Part:
        return _negated_if(negated, filter_sql.like(field, value))

    def member(self, field: Field, negated: Token | None, *values: Value) -> Part:
        return _negated_if(negated, filter_sql.member(field, values))

    def contains(self, field: Field, negated: Token | None, value: Value) -> Part:
        return _negated_if(negated, filter_sql.contains(field, value))

    def field(self, name: Token, key: Token | None) -> Field:
        if key is None:
            return filter_sql.field(str(name))
        if name.lower() != "metadata":
            raise FilterError(f"Only metadata has keys in a filter, not {name}")
        return filter_sql.metadata(_unquote(key) if key.type == "TEXT" else str(key))

    def text(self, token: Token) -> str:
        return _unquote(token)

    def number(self, token: Token) -> int | float:
        # SQLite compares 64-bit integers exactly; for longer numbers a float is enough, as it is larger than all ids.
        return int(token) if len(token) <= 18 and "." not in token else float(token)

    def date(self, token: Token) -> Date:
        return Date.parse(_unquote(token))


def _negated_if(negated: Token | None, part: Part) -> Part:
    return part if negated is None else filter_sql.negate(part)


def _unquote(text: str) -> str:
    return text[1:-1].replace("\\'", "'").replace("''", "'")


def _excerpt(text: str, position: int | None) -> str:
    return repr(text[position:].strip()[:40])


_PARSER = Lark(_GRAMMAR, parser="lalr", transformer=_Builder(), maybe_placeholders=True)
