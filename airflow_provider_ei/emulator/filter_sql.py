"""The comparisons of a filter as SQL for SQLite.

They follow JavaScript, where the dialect comes from:

- ``=`` and ``IN`` are exact and respect types: ``id = '1'`` and ``name = 1`` match nothing. ``!=``, ``<`` and so on
  convert a string to a number if the other side is a number. ``LIKE`` ignores case and converts numbers to strings.
- Every comparison is true or false, so that ``NOT`` inverts it: a missing value equals nothing.
- Metadata are strings, but the documentation compares them with numbers (``metadata->ei_check = 1``): a string equals
  the number that it spells. ``label`` is the metadata key of that name.
- A condition on ``file_name`` applies to single files: it selects the items with at least one such file, and only those
  of their files. ``file_names CONTAINS 'x'`` selects the items with a file of exactly that name, and all their files.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

_MAX_DEPTH = 50
_MAX_VALUES = 10_000
_MAX_PATTERN_BYTES = 50_000  # SQLite rejects longer patterns

_COLUMNS: dict[str, tuple[str, Literal["text", "number", "time", "files"]]] = {
    "dataset": ("items.dataset", "text"),
    "bucket": ("buckets.name", "text"),
    "bucket_id": ("items.bucket_id", "number"),
    "bucket_name": ("buckets.name", "text"),
    "bucket_path": ("items.bucket_path", "text"),
    "id": ("items.id", "number"),
    "name": ("items.name", "text"),
    "total_file_count": ("items.file_count", "number"),
    "total_file_size": ("items.total_size", "number"),
    "created": ("items.created", "time"),
    "file_name": ("files.name", "text"),
    "file_names": ("", "files"),
}
_METADATA = (
    "(SELECT pair.value FROM json_each(items.metadata) AS pair WHERE replace(pair.key, '.', '_') = ?"
    " ORDER BY pair.key LIMIT 1)"
)
_HAS_FILE = "EXISTS (SELECT 1 FROM files AS named WHERE named.item_id = items.id AND named.name = ?)"
_ONE_OF_ITS_FILES = "EXISTS (SELECT 1 FROM (SELECT 1) LEFT JOIN files ON files.item_id = items.id WHERE {condition})"
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_TRUE, _FALSE = "1", "0"


class FilterError(ValueError):
    """The text is not a valid filter. The message is the ``filterParseError`` of the answer."""


class SqlCondition(NamedTuple):
    """A condition over ``items`` joined with ``buckets``, and the values of its placeholders.

    :ivar file_sql: the same condition, with the same values, for a single file: over these joined with ``files``. None
        if the condition selects all files of an item.
    """

    sql: str
    values: tuple[str | int | float, ...]
    file_sql: str | None = None

    def within(self, sql: str, value: str | int) -> SqlCondition:
        """Return this condition combined with another one, of one value."""
        file_sql = None if self.file_sql is None else f"{sql} AND {self.file_sql}"
        return SqlCondition(f"{sql} AND {self.sql}", (value, *self.values), file_sql)


EVERYTHING = SqlCondition("1", ())


class Part(NamedTuple):
    """A part of a condition. ``depth`` counts parentheses and NOTs; ``of_file``: it differs between files."""

    sql: str
    values: tuple[str | int | float, ...] = ()
    depth: int = 0
    of_file: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """The left side of a comparison."""

    name: str
    sql: str
    kind: Literal["text", "number", "time", "metadata", "files"]
    values: tuple[str, ...] = ()

    def part(self, sql: str, *values: str | int | float) -> Part:
        """Return a comparison, where ``{}`` in the SQL stands for the field. It is false for a missing value."""
        of_file = self.sql == "files.name"
        may_be_null = of_file or self.kind == "metadata" or "as_number" in sql
        sql = sql.format(self.sql)
        # Only where needed: a comparison inside a function does not use an index.
        return Part(f"coalesce({sql}, 0)" if may_be_null else sql, (*self.values, *values), of_file=of_file)


class Date(str):
    """A time, in the form in which ``created`` is stored."""

    @classmethod
    def parse(cls, text: str) -> Date:
        """Parse ISO 8601; a time without a time zone is in UTC.

        :raises FilterError: if it is not a date.
        """
        try:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise FilterError(f"DATE needs a date such as '2024-01-31', not {text[:40]!r}") from None
        return cls(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


Value = str | int | float | Date


def install_functions(connection: sqlite3.Connection) -> None:
    """Register the functions that conditions call."""
    connection.create_function("as_number", 1, _as_number, deterministic=True)
    connection.create_function("upper_case", 1, _upper_case, deterministic=True)


def field(name: str) -> Field:
    """Return a field by its name, ignoring case.

    :raises FilterError: if it does not exist.
    """
    if name.lower() == "label":
        return metadata("label")
    if name.lower() not in _COLUMNS:
        raise FilterError(f"No such field in a filter: {name}")
    sql, kind = _COLUMNS[name.lower()]
    return Field(name, sql, kind)


def metadata(key: str) -> Field:
    """Return the field for a metadata key."""
    return Field("metadata", _METADATA, "metadata", (key.replace(".", "_"),))


def compare(field: Field, operator: str, value: Value) -> Part:
    """``=``, ``!=``, ``<>``, ``<``, ``<=``, ``>`` or ``>=``."""
    if operator == "=":
        return member(field, [value])
    _check(field, value)
    if field.kind == "number" and isinstance(value, str):
        number = _as_number(value)
        if number is None:
            return Part(_FALSE if operator in ("<", "<=", ">", ">=") else _TRUE)
        value = number
    left = "{}" if field.kind == "number" or isinstance(value, str) else "as_number({})"
    if operator in ("!=", "<>"):
        return field.part(f"{left} IS NOT ?", value)
    return field.part(f"{left} {operator} ?", value)


def member(field: Field, values: Sequence[Value]) -> Part:
    """``IN``: the field equals one of the values, which have its type."""
    for value in values:
        _check(field, value)
    strings = [value for value in values if isinstance(value, str) and field.kind != "number"]
    numbers = [value for value in values if not isinstance(value, str) and field.kind in ("number", "metadata")]
    left = "as_number({})" if field.kind == "metadata" else "{}"
    parts = []
    if strings:
        parts.append(field.part(f"{{}} IN ({_marks(strings)})", *strings))
    if numbers:
        parts.append(field.part(f"{left} IN ({_marks(numbers)})", *numbers))
    return join("OR", parts) if parts else Part(_FALSE)


def like(field: Field, value: Value) -> Part:
    """``LIKE``: ``%`` matches any string and ``_`` one character, ignoring case."""
    _check(field, value)
    pattern = str(value).upper()
    if len(pattern.encode(errors="replace")) > _MAX_PATTERN_BYTES:
        raise FilterError("A pattern of the filter is too long")
    return field.part("upper_case({}) LIKE ?", pattern)


def contains(field: Field, value: Value) -> Part:
    """``CONTAINS``: a file of that name in ``file_names``, or part of a string."""
    if field.kind == "files":
        return field.part(_HAS_FILE, str(value))
    if field.kind == "number":
        raise FilterError(f"CONTAINS needs file_names or a string field, not {field.name}")
    _check(field, value)
    return field.part("instr({}, ?) > 0", str(value))


def negate(part: Part) -> Part:
    """``NOT``."""
    return nest(part._replace(sql=f"NOT ({part.sql})"))


def nest(part: Part) -> Part:
    """Add one level of nesting.

    :raises FilterError: if the filter is nested too deeply.
    """
    if part.depth >= _MAX_DEPTH:
        raise FilterError("The filter is nested too deeply")
    return part._replace(depth=part.depth + 1)


def join(word: Literal["AND", "OR"], parts: Sequence[Part]) -> Part:
    """Join parts by a word."""
    # SQLite limits the depth of an expression, and parses a chain of a thousand ORs as a thousand levels.
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    left, right = join(word, parts[:half]), join(word, parts[half:])
    return Part(
        f"({left.sql} {word} {right.sql})",
        left.values + right.values,
        max(left.depth, right.depth),
        left.of_file or right.of_file,
    )


def condition(part: Part) -> SqlCondition:
    """Return the whole condition.

    :raises FilterError: if it has more values than SQLite allows.
    """
    if len(part.values) > _MAX_VALUES:
        raise FilterError("The filter has too many conditions")
    if not part.of_file:
        return SqlCondition(part.sql, part.values)
    return SqlCondition(_ONE_OF_ITS_FILES.format(condition=part.sql), part.values, part.sql)


def _check(field: Field, value: Value) -> None:
    if field.kind == "files":
        raise FilterError("Use file_name with = or LIKE: file_names allows CONTAINS only")
    if isinstance(value, Date) and field.kind != "time":
        raise FilterError(f"Compare DATE with created, not with {field.name}")


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _as_number(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    return None


def _upper_case(value: object) -> str | None:
    return None if value is None else str(value).upper()
