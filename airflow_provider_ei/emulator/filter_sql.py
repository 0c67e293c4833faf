"""What the comparisons of a filter mean, as SQL for SQLite.

As in JavaScript, from which the dialect comes:

- ``=`` and ``IN`` are exact and know types: ``id = '1'`` and ``name = 1`` match nothing. ``!=``, ``<`` and the like
  read text as a number where the other side is one. ``LIKE`` ignores case and reads numbers as text.
- Every comparison is true or false, so that ``NOT`` is its opposite: what an item does not have equals nothing.
- Metadata holds text, but the documentation compares it with numbers (``metadata->ei_check = 1``): text that reads as
  that number equals it. ``label`` is the metadata key of that name.
- A condition on ``file_name`` holds for single files: it selects the items with at least one such file, and of their
  files only those. ``file_names CONTAINS 'x'`` selects the items with a file of exactly that name, and all their files.
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
_MAX_PATTERN_BYTES = 50_000  # SQLite takes no longer pattern

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
    """The text is not a filter. The message is what an answer carries as ``filterParseError``."""


class Condition(NamedTuple):
    """A condition over ``items`` joined with ``buckets``, and the values of its question marks.

    :ivar file_sql: the same condition for a single file of an item, over these joined with ``files``, where it selects
        among an item's files; ``None`` where an item that meets the condition has all its files. Same values.
    """

    sql: str
    values: tuple[str | int | float, ...]
    file_sql: str | None = None

    def within(self, sql: str, value: str | int) -> Condition:
        """This condition for the items alone that meet another one, of one value."""
        file_sql = None if self.file_sql is None else f"{sql} AND {self.file_sql}"
        return Condition(f"{sql} AND {self.sql}", (value, *self.values), file_sql)


EVERYTHING = Condition("1", ())


class Part(NamedTuple):
    """A piece of a condition. ``depth`` counts parentheses and NOTs; ``of_file``: it tells files apart."""

    sql: str
    values: tuple[str | int | float, ...] = ()
    depth: int = 0
    of_file: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """What a comparison has on its left side."""

    name: str
    sql: str
    kind: Literal["text", "number", "time", "metadata", "files"]
    values: tuple[str, ...] = ()

    def part(self, sql: str, *values: str | int | float) -> Part:
        """A comparison; ``{}`` in the SQL stands for the field. It is false for what an item does not have."""
        of_file = self.sql == "files.name"
        may_be_null = of_file or self.kind == "metadata" or "as_number" in sql
        sql = sql.format(self.sql)
        # Only where it must be, since a comparison inside a function does not use an index.
        return Part(f"coalesce({sql}, 0)" if may_be_null else sql, (*self.values, *values), of_file=of_file)


class Date(str):
    """A moment, in the form in which ``created`` is stored."""

    @classmethod
    def parse(cls, text: str) -> Date:
        """Read ISO 8601; a moment without a time zone is in UTC.

        :raises FilterError: if it is not a date.
        """
        try:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise FilterError(f"DATE takes a date such as '2024-01-31', not {text[:40]!r}") from None
        return cls(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


Value = str | int | float | Date


def install_functions(connection: sqlite3.Connection) -> None:
    """Add the functions that conditions call."""
    connection.create_function("as_number", 1, _as_number, deterministic=True)
    connection.create_function("upper_case", 1, _upper_case, deterministic=True)


def field(name: str) -> Field:
    """A field by its name, in upper or lower case.

    :raises FilterError: if there is none.
    """
    if name.lower() == "label":
        return metadata("label")
    if name.lower() not in _COLUMNS:
        raise FilterError(f"No such field in a filter: {name}")
    sql, kind = _COLUMNS[name.lower()]
    return Field(name, sql, kind)


def metadata(key: str) -> Field:
    """The metadata of a key."""
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
    """``IN``: whether the field equals one of the values, which are of its type."""
    for value in values:
        _check(field, value)
    texts = [value for value in values if isinstance(value, str) and field.kind != "number"]
    numbers = [value for value in values if not isinstance(value, str) and field.kind in ("number", "metadata")]
    left = "as_number({})" if field.kind == "metadata" else "{}"
    parts = []
    if texts:
        parts.append(field.part(f"{{}} IN ({_marks(texts)})", *texts))
    if numbers:
        parts.append(field.part(f"{left} IN ({_marks(numbers)})", *numbers))
    return join("OR", parts) if parts else Part(_FALSE)


def like(field: Field, value: Value) -> Part:
    """``LIKE``: ``%`` stands for any text and ``_`` for one character; case does not matter."""
    _check(field, value)
    pattern = str(value).upper()
    if len(pattern.encode(errors="replace")) > _MAX_PATTERN_BYTES:
        raise FilterError("A pattern of the filter is too long")
    return field.part("upper_case({}) LIKE ?", pattern)


def contains(field: Field, value: Value) -> Part:
    """``CONTAINS``: a file of that name in ``file_names``, or a piece of a text."""
    if field.kind == "files":
        return field.part(_HAS_FILE, str(value))
    if field.kind == "number":
        raise FilterError(f"CONTAINS takes file_names or a field of text, not {field.name}")
    _check(field, value)
    return field.part("instr({}, ?) > 0", str(value))


def negate(part: Part) -> Part:
    """``NOT``."""
    return nest(part._replace(sql=f"NOT ({part.sql})"))


def nest(part: Part) -> Part:
    """One level of nesting more.

    :raises FilterError: if that is too deep.
    """
    if part.depth >= _MAX_DEPTH:
        raise FilterError("The filter is nested too deeply")
    return part._replace(depth=part.depth + 1)


def join(word: Literal["AND", "OR"], parts: Sequence[Part]) -> Part:
    """The parts, joined by a word."""
    # SQLite limits how deep an expression is, and takes a row of a thousand ORs for a thousand levels.
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


def condition(part: Part) -> Condition:
    """The whole condition.

    :raises FilterError: if it has more values than SQLite takes.
    """
    if len(part.values) > _MAX_VALUES:
        raise FilterError("The filter has too many conditions")
    if not part.of_file:
        return Condition(part.sql, part.values)
    return Condition(_ONE_OF_ITS_FILES.format(condition=part.sql), part.values, part.sql)


def _check(field: Field, value: Value) -> None:
    if field.kind == "files":
        raise FilterError("file_names takes CONTAINS only; file_name is compared with = or LIKE")
    if isinstance(value, Date) and field.kind != "time":
        raise FilterError(f"DATE is compared with created only, not with {field.name}")


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
