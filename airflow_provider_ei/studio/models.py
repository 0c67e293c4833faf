"""Typed responses of the API, decoded by msgspec. They have only the fields that are used; others are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

AnswerT = TypeVar("AnswerT", bound="Answer")

#: The size of a file whose size in a listing is missing or cannot be read.
UNKNOWN_SIZE = -1

Id = Annotated[int, Meta(gt=0)]
Size = Annotated[int, Meta(ge=UNKNOWN_SIZE)]
Time = Annotated[datetime, Meta(tz=True)]


# Models contain no reference cycles, so gc=False is safe; it saves memory and garbage collections.
class ApiModel(Struct, frozen=True, rename="camel", gc=False):
    """Base of all models: camelCase on the wire, snake_case here, immutable, with slots."""


class Organization(ApiModel, frozen=True, kw_only=True):
    """An organization (``listOrganizations``)."""

    id: Id
    name: str


class Bucket(ApiModel, frozen=True, kw_only=True):
    """A storage bucket of the organization (``listOrganizationBuckets``)."""

    id: Id
    bucket: str


class Dataset(ApiModel, frozen=True, kw_only=True):
    """A dataset (``getOrganizationDataset``). ``type`` is ``clinical`` (data items) or ``files``."""

    dataset: str
    type: str
    total_item_count: int
    total_file_count: int
    total_file_size: int
    category: str | None = None


class DataFile(ApiModel, frozen=True, kw_only=True):
    """A file of a data item. The service keeps no checksums.

    ``size`` is ``UNKNOWN_SIZE`` if the size in a listing is missing or cannot be read.
    """

    name: str
    size: Size
    last_modified: Time | None = None


class DataItem(ApiModel, frozen=True, kw_only=True):
    """A data item (``listOrganizationData``, ``listOrganizationFiles``, ``getOrganizationDataItem``).

    ``files`` is None if the operation does not list them; sizes are in bytes. ``metadata`` is empty if the service has
    no map. A metadata value that is not a string, which only the service itself can have stored, is represented as
    JSON, so that nothing is lost when the whole map is sent back. In a listing, a file without a name is left out, a
    count that cannot be read is 0, and ``created`` is then the time of the listing.
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
    metadata: dict[str, str] = {}
    files: tuple[DataFile, ...] | None = None


class Answer(ApiModel, frozen=True):
    """A response that says only whether the request succeeded; base of all others."""

    success: bool


class OrganizationsAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``listOrganizations``."""

    organizations: list[Organization]


class BucketsAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``listOrganizationBuckets``."""

    buckets: list[Bucket]


class DatasetAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getOrganizationDataset``."""

    dataset: Dataset


class CreatedAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``addOrganizationDataItem``."""

    id: Id


class DataItemAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getOrganizationDataItem``."""

    data: DataItem


class DataPageAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``listOrganizationData`` and ``listOrganizationFiles``: one page."""

    data: list[DataItem]
    total_data_item_count: Annotated[int, Meta(ge=0)] | None = None
    filter_parse_error: Any = None
