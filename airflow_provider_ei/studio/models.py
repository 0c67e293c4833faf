"""Typed answers of the API, read from bytes by msgspec. Only the fields that are used; unknown ones are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

AnswerT = TypeVar("AnswerT", bound="Answer")

#: The size of a file for which a listing gives none that can be read. No file has it.
UNKNOWN_SIZE = -1

Id = Annotated[int, Meta(gt=0)]
Size = Annotated[int, Meta(ge=UNKNOWN_SIZE)]
Time = Annotated[datetime, Meta(tz=True)]


# No reference cycle can form, since nothing in a model refers to one: gc=False saves memory and collections.
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

    ``size`` is ``UNKNOWN_SIZE`` where a listing gives none that can be read.
    """

    name: str
    size: Size
    last_modified: Time | None = None


class DataItem(ApiModel, frozen=True, kw_only=True):
    """A data item (``listOrganizationData``, ``listOrganizationFiles``, ``getOrganizationDataItem``).

    ``files`` is None where the operation does not list them; sizes are in bytes. ``metadata`` is empty where the
    service has no map. A metadata value that is not a string, which only the service itself can have stored, is its
    JSON text, so that nothing is lost when the whole map is sent back. What else a listing cannot read: a file without
    a name is left out, a count is 0, and ``created`` is the time of the listing.
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
    """An answer that says nothing but whether the request succeeded; base of all others."""

    success: bool


class OrganizationsAnswer(Answer, frozen=True, kw_only=True):
    """Answer of ``listOrganizations``."""

    organizations: list[Organization]


class BucketsAnswer(Answer, frozen=True, kw_only=True):
    """Answer of ``listOrganizationBuckets``."""

    buckets: list[Bucket]


class DatasetAnswer(Answer, frozen=True, kw_only=True):
    """Answer of ``getOrganizationDataset``."""

    dataset: Dataset


class CreatedAnswer(Answer, frozen=True, kw_only=True):
    """Answer of ``addOrganizationDataItem``."""

    id: Id


class DataItemAnswer(Answer, frozen=True, kw_only=True):
    """Answer of ``getOrganizationDataItem``."""

    data: DataItem


class DataPageAnswer(Answer, frozen=True, kw_only=True):
    """Answer of ``listOrganizationData`` and ``listOrganizationFiles``: one page."""

    data: list[DataItem]
    total_data_item_count: Annotated[int, Meta(ge=0)] | None = None
    filter_parse_error: Any = None
