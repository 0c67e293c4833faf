"""Typed answers of the API. Only the fields that are used are required; unknown ones are ignored.

A dataset may hold items that other programs made. What is odd about them must not end the listing of all others, so a
listing reads more than the API promises; a single item is read as promised, but for its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from airflow_provider_ei.exceptions import EdgeImpulseResponseError

ModelT = TypeVar("ModelT", bound="ApiModel")


#: The size of a file for which a listing gives none that can be read. No file has it.
UNKNOWN_SIZE = -1


def _metadata(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    try:
        return {key: inner if isinstance(inner, str) else _json(inner) for key, inner in value.items()}
    except RecursionError:
        raise ValueError("a value is nested too deeply") from None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


Id = Annotated[int, Field(strict=True, gt=0)]
Time = Annotated[datetime, AfterValidator(_in_utc)]
Metadata = Annotated[dict[str, str], BeforeValidator(_metadata)]


class ApiModel(BaseModel):
    """Base of all answers: camelCase on the wire, snake_case here, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        coerce_numbers_to_str=True,
    )


class Organization(ApiModel):
    """An organization (``listOrganizations``)."""

    id: Id
    name: str


class Bucket(ApiModel):
    """A storage bucket of the organization (``listOrganizationBuckets``)."""

    id: Id
    bucket: str


class DataFile(ApiModel):
    """A file of a data item. The service keeps no checksums.

    ``size`` is ``UNKNOWN_SIZE`` where a listing gives none that can be read.
    """

    name: str
    size: Annotated[int, Field(ge=UNKNOWN_SIZE)]
    last_modified: Time | None = None


class DataItem(ApiModel):
    """A data item (``listOrganizationData``, ``listOrganizationFiles``, ``getOrganizationDataItem``).

    ``files`` is None where the operation does not list them; sizes are in bytes. ``metadata`` is empty where the
    service lists no map. A value that is not a string, which only the service itself can have stored, is its JSON text:
    so nothing is lost when somebody sends the whole map back. What else a listing cannot read: a file without a name is
    left out, a count is 0, and ``created`` is the time of the listing.
    """

    id: Id
    name: str
    dataset: str
    bucket_id: int | None = None
    bucket_name: str | None = None
    bucket_path: str | None = None
    total_file_count: int
    total_file_size: int
    created: Time
    metadata: Metadata = Field(default_factory=dict)
    files: tuple[DataFile, ...] | None = None


class Dataset(ApiModel):
    """A dataset (``getOrganizationDataset``). ``type`` is ``clinical`` (data items) or ``files``."""

    dataset: str
    type: str
    total_item_count: int
    total_file_count: int
    total_file_size: int
    category: str | None = None


def parse(kind: type[ModelT], value: object, operation: str, what: str = "the answer") -> ModelT:
    """Read one answer.

    :param what: what it tells of, for the error.
    :raises EdgeImpulseResponseError: when a field is missing or of another type; names the field.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        unusable = _unusable(error, kind, operation, what)
    # Raised here, not there: the text of pydantic's error, which Python would keep beside ours, is not safe.
    raise unusable


def parse_each(kind: type[ModelT], answer: Mapping[str, Any], field: str, operation: str) -> list[ModelT]:
    """Read the answers in a list.

    :raises EdgeImpulseResponseError: when there is no list, or one of them cannot be read.
    """
    return [parse(kind, value, operation) for value in parse_list(answer, field, operation)]


def parse_list(answer: Mapping[str, Any], field: str, operation: str) -> list[Any]:
    """Return the list in a field.

    :raises EdgeImpulseResponseError: when there is none.
    """
    values = answer.get(field)
    if not isinstance(values, list):
        raise EdgeImpulseResponseError(
            f"{operation}: the answer has no list {field!r}.", operation=operation, status=200
        )
    return values


def parse_listed(value: object, operation: str, place: int) -> DataItem:
    """Read one data item of a listing.

    :param place: its place in the listing, counted from 0.
    :raises EdgeImpulseResponseError: when its id, name or dataset cannot be used: to leave it out would say that it is
        not there. Names the item.
    """
    try:
        return DataItem.model_validate(value)
    except ValidationError as error:
        readable = _readable(value, error)
    try:
        return DataItem.model_validate(readable)
    except ValidationError as error:
        unusable = _unusable(error, DataItem, operation, _which(value, place))
    raise unusable


def _readable(value: object, error: ValidationError) -> object:
    """Put something in the place of what cannot be read of a listed item, where that is possible."""
    if not isinstance(value, Mapping):
        return value
    item = dict(value)
    files: dict[int, Any] = dict(enumerate(item["files"])) if isinstance(item.get("files"), list) else {}
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        match problem["loc"]:
            case ("files", int(number), "size") if number in files:
                files[number] = files[number] | {"size": UNKNOWN_SIZE}
            case ("files", int(number), "lastModified") if number in files:
                files[number] = files[number] | {"lastModified": None}
            case ("files", int(number), *_):
                files.pop(number, None)
            case ("files" | "bucketId" | "bucketName" | "bucketPath" as field, *_):
                item[str(field)] = None
            case ("totalFileCount" | "totalFileSize" as field, *_):
                item[str(field)] = 0
            case ("created", *_):
                item["created"] = datetime.now(UTC)
    if isinstance(item.get("files"), list):
        item["files"] = list(files.values())
    return item


def _unusable(error: ValidationError, kind: type[ApiModel], operation: str, what: str) -> EdgeImpulseResponseError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(step) for step in first["loc"]) or kind.__name__
    return EdgeImpulseResponseError(
        f"{operation}: {what} does not have the form that the API promises: {field}: {first['msg']}.",
        operation=operation,
        status=200,
    )


def _which(value: object, place: int) -> str:
    known = value if isinstance(value, Mapping) else {}
    told = [f"{field} {str(known[field])[:100]!r}" for field in ("id", "name", "dataset") if field in known]
    return f"the data item at place {place} of the listing ({', '.join(told) or 'it tells nothing of itself'})"
