"""Reads JSON that may hold anything within a query, in the databases that Airflow supports.

SQLAlchemy's own operators end the whole query when one row is malformed, has another type, or a text that is not
Unicode. Here such a row yields NULL, and the others stand. Names are written into the query, so they have to come
from this package.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Double, Text, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from airflow_provider_ei.operators.run_report import MAX_REPORT_BYTES
from airflow_provider_ei.results import MAX_NUMBER


class _IsReadable(FunctionElement[bool]):
    """Whether a value is JSON of a bounded size; what the others are given has to be."""

    inherit_cache = True
    name = "is_readable"
    type = Boolean()


class _Number(FunctionElement[float]):
    """A number within its limits; nothing, or 0, for what is not a number."""

    inherit_cache = True
    name = "number"
    type = Double()


class _IsOdd(FunctionElement[bool]):
    """Whether a field is there and not a number within its limits."""

    inherit_cache = True
    name = "is_odd"
    type = Boolean()


class _Texts(FunctionElement[str]):
    """Fields as one JSON array, spelled as they are stored, so that it can be read in any case."""

    inherit_cache = True
    name = "texts"
    type = Text()


def is_readable(value: Any) -> ColumnElement[bool]:
    """Tell whether a value is JSON, and at most as large as a report may be."""
    return _IsReadable(value)


def number(value: Any, name: str) -> ColumnElement[float]:
    """Return a field as a number from 0 to ``MAX_NUMBER``; NULL, or 0, for what is not a number."""
    return _Number(value, literal_column(name))


def is_odd(value: Any, name: str) -> ColumnElement[bool]:
    """Tell whether a field is there, and not a number from 0 to ``MAX_NUMBER``."""
    return _IsOdd(value, literal_column(name))


def texts(value: Any, *names: str) -> ColumnElement[str]:
    """Return two or more fields as a JSON array, with null for what is missing."""
    return _Texts(value, *(literal_column(name) for name in names))


_TEMPLATES = {
    ("is_readable", "sqlite"): "(length({0}) <= {size} AND json_valid({0}))",
    ("is_readable", "postgresql"): "(jsonb_typeof({0}) = 'object' AND length(CAST({0} AS TEXT)) <= {size})",
    ("is_readable", "mysql"): "(JSON_TYPE({0}) = 'OBJECT' AND CHAR_LENGTH(CAST({0} AS CHAR)) <= {size})",
    # Each JSON function of SQLite costs a microsecond, in each row: what is not a number becomes one in the cast.
    ("number", "sqlite"): "min(max(CAST(json_extract({0}, '$.{1}') AS REAL), 0.0), {most}.0)",
    ("number", "postgresql"): (
        "CASE WHEN jsonb_typeof({0} -> '{1}') = 'number' "
        "THEN CAST(least(greatest(CAST({0} ->> '{1}' AS NUMERIC), 0), {most}) AS DOUBLE PRECISION) END"
    ),
    ("number", "mysql"): (
        "CASE WHEN JSON_TYPE(JSON_EXTRACT({0}, '$.{1}')) IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL') "
        "THEN least(greatest(JSON_EXTRACT({0}, '$.{1}') + 0e0, 0e0), {most}e0) END"
    ),
    # A text is beyond all numbers, and so are lists and objects, which are texts here.
    ("is_odd", "sqlite"): "coalesce(json_extract({0}, '$.{1}') NOT BETWEEN 0 AND {most}, 0)",
    ("is_odd", "postgresql"): (
        "CASE WHEN {0} -> '{1}' IS NULL THEN false "
        "WHEN jsonb_typeof({0} -> '{1}') <> 'number' THEN true "
        "ELSE CAST({0} ->> '{1}' AS NUMERIC) NOT BETWEEN 0 AND {most} END"
    ),
    ("is_odd", "mysql"): (
        "CASE WHEN JSON_EXTRACT({0}, '$.{1}') IS NULL THEN false "
        "WHEN JSON_TYPE(JSON_EXTRACT({0}, '$.{1}')) NOT IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL') "
        "THEN true ELSE JSON_EXTRACT({0}, '$.{1}') + 0e0 NOT BETWEEN 0 AND {most} END"
    ),
}


@compiles(_IsReadable)
@compiles(_Number)
@compiles(_IsOdd)
def _compile(element: FunctionElement[Any], compiler: Any, **options: Any) -> str:
    parts = [compiler.process(clause, **options) for clause in element.clauses]
    template = _TEMPLATES[element.name, compiler.dialect.name]
    return template.format(*parts, size=MAX_REPORT_BYTES, most=MAX_NUMBER)


@compiles(_Texts)
def _compile_texts(element: _Texts, compiler: Any, **options: Any) -> str:
    value, *names = (compiler.process(clause, **options) for clause in element.clauses)
    field, whole = {
        "sqlite": ("'$.{1}'", "json_extract({0}, {1})"),
        "postgresql": ("{0} -> '{1}'", "CAST(jsonb_build_array({1}) AS TEXT)"),
        "mysql": ("JSON_EXTRACT({0}, '$.{1}')", "CAST(JSON_ARRAY({1}) AS CHAR)"),
    }[compiler.dialect.name]
    return whole.format(value, ", ".join(field.format(value, name) for name in names))
