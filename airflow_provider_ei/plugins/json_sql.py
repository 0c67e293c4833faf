"""SQL expressions that read JSON of any content, for the databases that Airflow supports.

SQLAlchemy's own operators fail the whole query when one row holds malformed JSON, another type, or a string that is
not Unicode. Here such a row yields NULL, and the other rows are read. Field names are written into the query as they
are, so they must come from this package.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Boolean, ColumnElement, Double, Text, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from airflow_provider_ei.operators.run_report import MAX_REPORT_BYTES
from airflow_provider_ei.results import MAX_NUMBER


class _JsonExpression(FunctionElement[Any]):
    """An expression over a JSON column and the names of its fields.

    :cvar sql: by dialect, with ``{0}`` for the column and ``{1}`` for the field, or for all the fields.
    :cvar field_sql: by dialect, each of several fields.
    """

    sql: ClassVar[dict[str, str]]
    field_sql: ClassVar[dict[str, str]] = {}


@compiles(_JsonExpression)
def _compile(element: _JsonExpression, compiler: Any, **options: Any) -> str:
    dialect = compiler.dialect.name
    column, *fields = (compiler.process(clause, **options) for clause in element.clauses)
    if dialect in element.field_sql:
        fields = [", ".join(element.field_sql[dialect].format(column, name) for name in fields)]
    return element.sql[dialect].format(column, *fields, size=MAX_REPORT_BYTES, most=MAX_NUMBER)


class _IsReadable(_JsonExpression):
    inherit_cache = True
    name = "is_readable"
    type = Boolean()
    sql = {
        "sqlite": "(length({0}) <= {size} AND json_valid({0}))",
        "postgresql": "(jsonb_typeof({0}) = 'object' AND length(CAST({0} AS TEXT)) <= {size})",
        "mysql": "(JSON_TYPE({0}) = 'OBJECT' AND CHAR_LENGTH(CAST({0} AS CHAR)) <= {size})",
    }


class _Number(_JsonExpression):
    inherit_cache = True
    name = "number"
    type = Double()
    sql = {
        # Each JSON function of SQLite costs a microsecond per row, so the cast alone handles what is not a number.
        "sqlite": "min(max(CAST(json_extract({0}, '$.{1}') AS REAL), 0.0), {most}.0)",
        "postgresql": (
            "CASE WHEN jsonb_typeof({0} -> '{1}') = 'number' "
            "THEN CAST(least(greatest(CAST({0} ->> '{1}' AS NUMERIC), 0), {most}) AS DOUBLE PRECISION) END"
        ),
        "mysql": (
            "CASE WHEN JSON_TYPE(JSON_EXTRACT({0}, '$.{1}')) IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL') "
            "THEN least(greatest(JSON_EXTRACT({0}, '$.{1}') + 0e0, 0e0), {most}e0) END"
        ),
    }


class _IsOdd(_JsonExpression):
    inherit_cache = True
    name = "is_odd"
    type = Boolean()
    sql = {
        # In SQLite a string is greater than every number; lists and objects are strings here.
        "sqlite": "coalesce(json_extract({0}, '$.{1}') NOT BETWEEN 0 AND {most}, 0)",
        "postgresql": (
            "CASE WHEN {0} -> '{1}' IS NULL THEN false "
            "WHEN jsonb_typeof({0} -> '{1}') <> 'number' THEN true "
            "ELSE CAST({0} ->> '{1}' AS NUMERIC) NOT BETWEEN 0 AND {most} END"
        ),
        "mysql": (
            "CASE WHEN JSON_EXTRACT({0}, '$.{1}') IS NULL THEN false "
            "WHEN JSON_TYPE(JSON_EXTRACT({0}, '$.{1}')) NOT IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL') "
            "THEN true ELSE JSON_EXTRACT({0}, '$.{1}') + 0e0 NOT BETWEEN 0 AND {most} END"
        ),
    }


class _Array(_JsonExpression):
    inherit_cache = True
    name = "array"
    type = Text()
    field_sql = {"sqlite": "'$.{1}'", "postgresql": "{0} -> '{1}'", "mysql": "JSON_EXTRACT({0}, '$.{1}')"}
    sql = {
        "sqlite": "json_extract({0}, {1})",
        "postgresql": "CAST(jsonb_build_array({1}) AS TEXT)",
        "mysql": "CAST(JSON_ARRAY({1}) AS CHAR)",
    }


def is_readable(value: Any) -> ColumnElement[bool]:
    """Return whether a value is JSON and at most as long as a report may be; the other functions require both."""
    return _IsReadable(value)


def number(value: Any, name: str) -> ColumnElement[float]:
    """Return a field as a number from 0 to ``MAX_NUMBER``; NULL or 0 for anything else."""
    return _Number(value, literal_column(name))


def is_odd(value: Any, name: str) -> ColumnElement[bool]:
    """Return whether a field exists and is not a number from 0 to ``MAX_NUMBER``."""
    return _IsOdd(value, literal_column(name))


def array(value: Any, *names: str) -> ColumnElement[str]:
    """Return two or more fields as a JSON array, spelled as they are stored, with null for a missing field."""
    return _Array(value, *(literal_column(name) for name in names))
