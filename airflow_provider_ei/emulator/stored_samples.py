"""The samples that the store returns, and what it gets to store."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from airflow_provider_ei.emulator.sample_files import SampleFacts

Category = Literal["training", "testing", "anomaly", "validation", "post-processing"]
CATEGORIES: tuple[Category, ...] = get_args(Category)


class SampleLabels(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of a sample other than its one label, as its sidecars have given them.

    :ivar boxes: the bounding boxes of an image.
    :ivar structured: labels of ranges of readings.
    :ivar label_map: names and values.
    """

    boxes: tuple[dict[str, Any], ...] = ()
    structured: tuple[dict[str, Any], ...] = ()
    label_map: dict[str, str] | None = None


class StoredSample(msgspec.Struct, frozen=True, kw_only=True):
    """A sample of a project.

    :ivar name: the name that Studio shows.
    :ivar file_name: the name of the uploaded file.
    :ivar label: empty if the sample has no label.
    :ivar sha256: of the uploaded file, in hexadecimal.
    :ivar created: ISO 8601 in UTC, like ``modified``.
    """

    id: int
    project_id: int
    category: str
    name: str
    file_name: str
    label: str
    metadata: dict[str, str]
    sha256: str
    size: int
    content_type: str
    device_type: str
    facts: SampleFacts
    labels: SampleLabels
    created: str
    modified: str


class NewSample(msgspec.Struct, frozen=True, kw_only=True):
    """A sample to store: ``size`` bytes from ``offset`` of an upload."""

    category: str
    name: str
    file_name: str
    label: str
    metadata: dict[str, str]
    sha256: str
    size: int
    content_type: str
    device_type: str
    offset: int
    facts: SampleFacts
    labels: SampleLabels


class SampleFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which samples of a project a listing includes.

    :ivar category: None means all.
    :ivar labels: the samples with one of these labels; None means all.
    :ivar part_of_name: the samples whose name contains this, ignoring case.
    :ivar min_id: the samples from this id.
    :ivar max_id: the samples before this id.
    """

    project_id: int
    category: str | None = None
    labels: tuple[str, ...] | None = None
    part_of_name: str = ""
    min_id: int | None = None
    max_id: int | None = None
