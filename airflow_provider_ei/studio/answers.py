"""Typed answers of the API. Only the fields that are used are required; unknown ones are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from airflow_provider_ei.exceptions import EdgeImpulseAnswerError

AnswerT = TypeVar("AnswerT", bound="Answer")


class Answer(BaseModel):
    """Base of all answers: camelCase on the wire, snake_case here, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        coerce_numbers_to_str=True,
    )


class Organization(Answer):
    """An organization (``listOrganizations``)."""

    id: int
    name: str


class Bucket(Answer):
    """A storage bucket of the organization (``listOrganizationBuckets``)."""

    id: int
    bucket: str


class DataFile(Answer):
    """A file of a data item. The service keeps no checksums."""

    name: str
    size: int
    last_modified: datetime | None = None


class DataItem(Answer):
    """A data item (``listOrganizationData``, ``listOrganizationFiles``, ``getOrganizationDataItem``).

    ``files`` is None where the operation does not list them; sizes are in bytes.
    """

    id: int
    name: str
    dataset: str
    bucket_id: int | None = None
    bucket_name: str | None = None
    bucket_path: str | None = None
    total_file_count: int
    total_file_size: int
    created: datetime
    metadata: dict[str, str]
    files: tuple[DataFile, ...] | None = None


class Dataset(Answer):
    """A dataset (``getOrganizationDataset``). ``type`` is ``clinical`` (data items) or ``files``."""

    dataset: str
    type: str
    total_item_count: int
    total_file_count: int
    total_file_size: int
    category: str | None = None


def parse(kind: type[AnswerT], value: object, operation: str) -> AnswerT:
    """Read one answer.

    :raises EdgeImpulseAnswerError: when a field is missing or of another type; names the field.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or kind.__name__
        raise EdgeImpulseAnswerError(
            f"{operation}: the answer does not have the form that the API promises: {place}: {first['msg']}.",
            operation=operation,
            status=200,
        ) from None
