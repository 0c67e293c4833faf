"""The samples of a project, as Studio lists and changes them. :mod:`.ingestion` adds them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from airflow_provider_ei.exceptions import EdgeImpulseLargeResponseError, EdgeImpulseResponseError
from airflow_provider_ei.studio.api.arguments import check_metadata, check_unicode
from airflow_provider_ei.studio.http import BeforeRetry, HttpClient
from airflow_provider_ei.studio.listing import (
    ATTEMPTS,
    ListedPage,
    Listing,
    ListingMovedError,
    OffsetIgnoredError,
    Page,
)
from airflow_provider_ei.studio.models import Answer, ApiModel, Id
from airflow_provider_ei.studio.reading import LISTING_BYTES

#: Number of samples that a listing requests at once.
PAGE_SAMPLES = 1000


class BoundingBox(ApiModel, frozen=True, kw_only=True):
    """A labeled rectangle in an image, in pixels from the top left corner."""

    label: str
    x: float
    y: float
    width: float
    height: float


class StructuredLabel(ApiModel, frozen=True, kw_only=True):
    """The label of a part of a recording; both indexes are part of it."""

    start_index: int
    end_index: int
    label: str


class Sample(ApiModel, frozen=True, kw_only=True):
    """A sample of a project (``listSamples``, ``getSample``).

    ``filename`` may lack the extension of the file that was uploaded. ``sha256_hash`` is of what the service has
    stored, which need not be the file itself.
    """

    id: Id
    filename: str
    category: str
    label: str = ""
    sha256_hash: str | None = None
    metadata: dict[str, Any] | None = None
    bounding_boxes: tuple[BoundingBox, ...] | None = None
    structured_labels: tuple[StructuredLabel, ...] | None = None
    is_disabled: bool = False

    @property
    def name(self) -> str:
        """The file name, by which a list may be ordered."""
        return self.filename

    @property
    def dataset(self) -> str:
        """The category, by which a list may be ordered."""
        return self.category


class SamplesAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``listSamples``: one page."""

    samples: list[Sample]
    total_count: Annotated[int, Meta(ge=0)]


class SampleCountAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``countSamples``."""

    count: Annotated[int, Meta(ge=0)]


class SampleAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getSample``, without the sample's values."""

    sample: Sample


class SamplesApi:
    """The operations on a project's samples.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass when
    the service refuses, fails or cannot be reached, after the tries that the settings allow. Each change sets a state,
    so it can be repeated.

    :ivar http: the client that the requests are sent through.
    """

    def __init__(self, http: HttpClient, project_id: int) -> None:
        self.http = http
        self.project_id = project_id
        self._path = f"/api/{project_id}/raw-data"

    # --- reading ------------------------------------------------------------------------------------------

    def list_pages(
        self,
        category: str,
        *,
        labels: Sequence[str] | None = None,
        min_id: int | None = None,
        max_id: int | None = None,
    ) -> Iterator[ListedPage[Sample]]:
        """Yield the samples of a category page by page (``listSamples``).

        While others change the project, a listing may move and start again; see
        :meth:`~airflow_provider_ei.studio.api.data.OrganizationDataApi.list_pages` for what the consumer must do when a
        page ``is_first``, and for what a listing promises.

        :param category: ``training``, ``testing`` or ``anomaly``.
        :param labels: list only samples with one of these labels.
        :param min_id: leave out samples with a lower id. A service may ignore it.
        :param max_id: leave out samples with a higher id. A service may ignore it.
        :raises EdgeImpulseResponseError: when the listing is incomplete.
        """
        query = {**_filters(category, labels), "minId": min_id, "maxId": max_id}
        listing = Listing([_PageFetcher(self.http, self._path, query)], self.http.sleep)
        try:
            yield from listing.pages()
        except ListingMovedError as moved:
            of_total = "" if listing.total is None else f" of {listing.total}"
            error = EdgeImpulseResponseError(
                "Run the task again when nobody else changes the project: the listing of its samples is incomplete: "
                f"{listing.count} samples{of_total}, at the last of {ATTEMPTS} attempts. {moved} (listSamples)",
                operation="listSamples",
                status=200,
            )
            error.retryable = not isinstance(moved, OffsetIgnoredError)
            raise error from None

    def list_samples(self, category: str, *, labels: Sequence[str] | None = None) -> list[Sample]:
        """List all samples of a category (``listSamples``); see :meth:`list_pages`."""
        samples: list[Sample] = []
        for page in self.list_pages(category, labels=labels):
            if page.is_first:
                samples.clear()
            samples += page.items
        return samples

    def count_samples(self, category: str, *, labels: Sequence[str] | None = None) -> int:
        """Count the samples of a category (``countSamples``).

        :param labels: count only samples with one of these labels.
        """
        path = f"{self._path}/count"
        query = _filters(category, labels)
        return self.http.request_json("countSamples", "GET", path, SampleCountAnswer, query=query).count

    def get_sample(self, sample_id: int) -> Sample:
        """Get a sample without its values (``getSample``)."""
        path = f"{self._path}/{sample_id}"
        query = {"limitPayloadValues": 1}
        return self.http.request_json(
            "getSample", "GET", path, SampleAnswer, query=query, max_bytes=LISTING_BYTES
        ).sample

    # --- changing -----------------------------------------------------------------------------------------

    def edit_label(self, sample_id: int, label: str) -> None:
        """Give a sample another label (``editLabel``)."""
        check_unicode(label=label)
        self._change("editLabel", sample_id, "edit-label", {"label": label})

    def move_sample(self, sample_id: int, category: str) -> None:
        """Move a sample to another category (``moveSample``).

        :param category: ``training``, ``testing``, ``validation`` or ``post-processing``.
        """
        self._change("moveSample", sample_id, "move", {"newCategory": category})

    def set_metadata(self, sample_id: int, metadata: Mapping[str, str]) -> None:
        """Set a sample's metadata (``setSampleMetadata``).

        Whether they are merged with the existing metadata or replace them is not documented: send the whole map.
        """
        check_metadata(metadata)
        self._change("setSampleMetadata", sample_id, "metadata", {"metadata": dict(metadata)})

    def delete_sample(self, sample_id: int, *, before_retry: BeforeRetry | None = None) -> None:
        """Delete a sample (``deleteSample``).

        :param before_retry: called before each retry.
        """
        self.http.request_json("deleteSample", "DELETE", f"{self._path}/{sample_id}", before_retry=before_retry)

    def _change(self, operation: str, sample_id: int, what: str, body: Mapping[str, object]) -> None:
        self.http.request_json(operation, "POST", f"{self._path}/{sample_id}/{what}", body=body)


class _PageFetcher:
    """Gets pages of a listing, and requests smaller pages if samples are very large."""

    def __init__(self, http: HttpClient, path: str, query: Mapping[str, object]) -> None:
        self._http = http
        self._path = path
        self._query = query
        self._limit = PAGE_SAMPLES

    def __call__(self, offset: int) -> Page[Sample]:
        """Get the page at an offset."""
        while True:
            query = {**self._query, "limit": self._limit, "offset": offset}
            try:
                answer = self._http.request_json(
                    "listSamples", "GET", self._path, SamplesAnswer, query=query, max_bytes=LISTING_BYTES
                )
            except EdgeImpulseLargeResponseError:
                if self._limit == 1:
                    raise
                self._limit = math.ceil(self._limit / 4)
                continue
            samples = answer.samples
            return Page(offset, samples, answer.total_count, is_full=len(samples) >= self._limit)


def _filters(category: str, labels: Sequence[str] | None) -> dict[str, object]:
    check_unicode(category=category)
    return {"category": category, "labels": None if labels is None else json.dumps(list(labels), ensure_ascii=False)}
