"""Reads data items that do not have the documented form.

A dataset may contain items that other programs created. An odd item must not prevent the listing of all others, so a
listing substitutes a default for each field that cannot be read. A single item is read strictly, except its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from airflow_provider_ei.studio.decoding import not_as_promised
from airflow_provider_ei.studio.models import UNKNOWN_SIZE, DataFile, DataItem, DataItemAnswer, DataPageAnswer

_T = TypeVar("_T")

#: A larger timestamp is interpreted as milliseconds. As seconds, it would be in the year 2603.
_MAX_SECONDS = 2e10


def repair_page(answer: Mapping[str, Any], operation: str, *, offset: int) -> DataPageAnswer:
    """Read a page of a listing.

    :param offset: the position of its first item in the listing.
    :raises EdgeImpulseResponseError: when there is no list, when the total is not a number, or when an item's id, name
        or dataset cannot be used; leaving the item out would mean that it does not exist. The message names the item.
    """
    values, total = answer.get("data"), answer.get("totalDataItemCount")
    problem = answer.get("filterParseError")
    if not isinstance(values, list):
        if not problem:
            raise not_as_promised("the answer", "data", "it is not a list", operation)
        values = []
    if total is not None and not (type(total) is int and total >= 0):
        raise not_as_promised("the answer", "totalDataItemCount", "it is not an integer of 0 or more", operation)
    return DataPageAnswer(
        success=True,
        data=[read_listed_item(value, operation, place) for place, value in enumerate(values, offset)],
        total_data_item_count=total,
        filter_parse_error=problem,
    )


def repair_item(answer: Mapping[str, Any], operation: str, *, data_id: int) -> DataItemAnswer:
    """Read a single data item, whose metadata may have any type.

    :raises EdgeImpulseResponseError: when anything else cannot be read.
    """
    value = answer.get("data")
    try:
        return DataItemAnswer(success=True, data=_read_item(value, _Fields(value, "")))
    except _UnreadableError as error:
        problem = error
    # Raised outside the except block: Python would attach the other error as context, and it may quote the response.
    raise not_as_promised(f"data item {data_id}", problem.field, problem.problem, operation)


def read_listed_item(value: object, operation: str, place: int) -> DataItem:
    """Read one data item of a listing.

    :param place: its position in the listing, counted from 0.
    :raises EdgeImpulseResponseError: when its id, name or dataset cannot be used. The message names the item.
    """
    try:
        return _read_item(value, _LenientFields(value, ""))
    except _UnreadableError as error:
        problem = error
    raise not_as_promised(_which(value, place), problem.field, problem.problem, operation)


class _OddValueError(ValueError):
    """A value is not valid; the message does not quote it."""


class _UnreadableError(Exception):
    """A required field cannot be read."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field)
        self.field = field
        self.problem = problem


class _Fields:
    """The fields of a JSON object. A function reads each field, and raises ValueError or a similar error if it cannot.

    :param prefix: prefix of a field's name in errors.
    """

    def __init__(self, value: object, prefix: str) -> None:
        if not isinstance(value, Mapping):
            raise _UnreadableError(prefix.removesuffix(".") or "data", "it is not an object")
        self._value = value
        self._prefix = prefix

    def need(self, name: str, read: Callable[[Any], _T]) -> _T:
        """Read a required field."""
        if name not in self._value:
            raise _UnreadableError(self._prefix + name, "it is missing")
        try:
            return read(self._value[name])
        except _OddValueError as error:
            raise _UnreadableError(self._prefix + name, str(error)) from None
        except (ValueError, OverflowError, OSError, RecursionError):  # their messages may quote the value
            raise _UnreadableError(self._prefix + name, "it cannot be read") from None

    def get(self, name: str, read: Callable[[Any], _T], otherwise: Callable[[], _T]) -> _T:
        """Read a field for which a listing may substitute a default."""
        return self.need(name, read)

    def optional(self, name: str, read: Callable[[Any], _T]) -> _T | None:
        """Read a field that may be missing or null."""
        return None if self._value.get(name) is None else self.need(name, read)

    def files(self) -> tuple[DataFile, ...] | None:
        """Read the files."""
        values = self.optional("files", _list)
        if values is None:
            return None
        return tuple(_read_file(type(self)(value, f"files.{number}.")) for number, value in enumerate(values))


class _LenientFields(_Fields):
    """The same for a listing, which leaves out what it cannot read, or substitutes a default."""

    def get(self, name: str, read: Callable[[Any], _T], otherwise: Callable[[], _T]) -> _T:
        try:
            return self.need(name, read)
        except _UnreadableError:
            return otherwise()

    def optional(self, name: str, read: Callable[[Any], _T]) -> _T | None:
        return self.get(name, read, lambda: None)

    def files(self) -> tuple[DataFile, ...] | None:
        values = self.optional("files", _list)
        if values is None:
            return None
        files = []
        for value in values:
            try:
                files.append(_read_file(_LenientFields(value, "")))
            except _UnreadableError:
                continue
        return tuple(files)


def _read_item(value: object, fields: _Fields) -> DataItem:
    return DataItem(
        id=fields.need("id", _id),
        name=fields.need("name", _text),
        dataset=fields.need("dataset", _text),
        bucket_id=fields.optional("bucketId", _whole),
        bucket_name=fields.optional("bucketName", _text),
        bucket_path=fields.optional("bucketPath", _text),
        total_file_count=fields.get("totalFileCount", _whole, lambda: 0),
        total_file_size=fields.get("totalFileSize", _whole, lambda: 0),
        created=fields.get("created", _time, lambda: datetime.now(UTC)),
        metadata=fields.optional("metadata", _metadata) or {},
        files=fields.files(),
    )


def _read_file(fields: _Fields) -> DataFile:
    return DataFile(
        name=fields.need("name", _text),
        size=fields.get("size", _size, lambda: UNKNOWN_SIZE),
        last_modified=fields.optional("lastModified", _time),
    )


def _id(value: object) -> int:
    if type(value) is not int or value <= 0:
        raise _OddValueError("it is not a positive integer")
    return value


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _OddValueError("it is not a string")
    text = str(value)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _OddValueError("it is not valid Unicode")
    return text


def _whole(value: object) -> int:
    if isinstance(value, int | str) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise _OddValueError("it is not an integer")


def _size(value: object) -> int:
    size = _whole(value)
    if size < UNKNOWN_SIZE:
        raise _OddValueError("it is negative")
    return size


def _time(value: object) -> datetime:
    if isinstance(value, str):
        time = datetime.fromisoformat(value)
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _OddValueError("it is not a time")
    return datetime.fromtimestamp(value if abs(value) <= _MAX_SECONDS else value / 1000, UTC)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _OddValueError("it is not a list")
    return value


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {
        key: inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False) for key, inner in value.items()
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _which(value: object, place: int) -> str:
    known = value if isinstance(value, Mapping) else {}
    told = [f"{field} {str(known[field])[:100]!r}" for field in ("id", "name", "dataset") if field in known]
    return f"the data item at place {place} of the listing ({', '.join(told) or 'without id, name and dataset'})"
