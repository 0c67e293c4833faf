"""The filter of the listings: a part of SQL's WHERE, turned into SQL for SQLite.

``field = 'value'``, ``field LIKE 'pattern'``, ``AND``, ``OR`` and parentheses. A quote inside a value is
doubled. ``=`` is exact; ``LIKE`` is SQLite's own and takes ASCII letters without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_COLUMNS = {
    "dataset": "items.dataset",
    "bucket": "buckets.name",
    "bucket_id": "items.bucket_id",
    "bucket_name": "buckets.name",
    "bucket_path": "items.bucket_path",
    "id": "items.id",
    "name": "items.name",
    "total_file_count": "items.file_count",
    "total_file_size": "items.total_size",
    "created": "items.created",
}
_METADATA = (
    "EXISTS (SELECT 1 FROM json_each(items.metadata) AS pair"
    " WHERE replace(pair.key, '.', '_') = ? AND pair.value {operator} ?)"
)
_FILE_NAME = "EXISTS (SELECT 1 FROM files WHERE files.item_id = items.id AND files.name {operator} ?)"

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
      | (?P<number>-?\d+(?:\.\d+)?)(?![\w])
      | (?P<metadata>metadata->[^\s=()'".]+)
      | (?P<word>[A-Za-z_]+)
      | (?P<sign>[=()])
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_MAX_DEPTH = 50
_MAX_VALUES = 10_000


class FilterError(ValueError):
    """The filter text is none. The message is what an answer carries as ``filterParseError``."""


class Condition(NamedTuple):
    """A condition in SQL over ``items`` joined with ``buckets``, and the values of its question marks."""

    sql: str
    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse_filter(text: str) -> Condition:
    """Turn a filter into a condition.

    :raises FilterError: if the text is no filter, or names a field that does not exist.
    """
    parser = _Parser(_tokens(text))
    condition = parser.alternatives()
    parser.expect_end()
    if len(condition.values) > _MAX_VALUES:
        raise FilterError("The filter has too many conditions")
    return condition


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise FilterError(f"Cannot read the filter at {text[position:].strip()[:40]!r}")
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind]))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    def alternatives(self) -> Condition:
        return self._joined("OR", lambda: self._joined("AND", self._single))

    def expect_end(self) -> None:
        if self._position < len(self._tokens):
            raise FilterError(f"Unexpected {self._tokens[self._position].text!r} in the filter")

    def _joined(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._take_word(word):
            parts.append(part())
        return _balanced(word, parts)

    def _single(self) -> Condition:
        token = self._next()
        if token == _Token("sign", "("):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise FilterError("The filter is nested too deeply")
            inner = self.alternatives()
            if self._next() != _Token("sign", ")"):
                raise FilterError("A parenthesis of the filter is not closed")
            self._depth -= 1
            return inner
        if token.kind not in ("word", "metadata"):
            raise FilterError(f"Expected a field in the filter, got {token.text!r}")
        operator = self._operator()
        return _comparison(token, operator, self._value())

    def _operator(self) -> str:
        token = self._next()
        if token.text == "=" or token.text.upper() == "LIKE":
            return token.text.upper()
        raise FilterError(f"Expected = or LIKE in the filter, got {token.text!r}")

    def _value(self) -> str:
        token = self._next()
        if token.kind == "text":
            return token.text[1:-1].replace("''", "'")
        if token.kind == "number":
            return token.text
        raise FilterError(f"Expected a value in the filter, got {token.text!r}")

    def _next(self) -> _Token:
        if self._position >= len(self._tokens):
            raise FilterError("The filter ends too early")
        self._position += 1
        return self._tokens[self._position - 1]

    def _take_word(self, word: str) -> bool:
        if self._position < len(self._tokens):
            token = self._tokens[self._position]
            if token.kind == "word" and token.text.upper() == word:
                self._position += 1
                return True
        return False


def _balanced(word: str, parts: list[Condition]) -> Condition:
    # SQLite limits how deep an expression is, and takes a row of a thousand ORs for a thousand levels.
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    left, right = _balanced(word, parts[:half]), _balanced(word, parts[half:])
    return Condition(f"({left.sql} {word} {right.sql})", left.values + right.values)


def _comparison(field: _Token, operator: str, value: str) -> Condition:
    # Numbers go as text too: SQLite turns them into numbers where the column is one.
    if field.kind == "metadata":
        key = field.text.partition("->")[2]
        return Condition(_METADATA.format(operator=operator), (key, value))
    name = field.text.lower()
    if name == "file_name":
        return Condition(_FILE_NAME.format(operator=operator), (value,))
    if name not in _COLUMNS:
        raise FilterError(f"No such field in a filter: {field.text}")
    return Condition(f"{_COLUMNS[name]} {operator} ?", (value,))
