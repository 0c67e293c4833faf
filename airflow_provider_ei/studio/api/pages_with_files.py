"""The pages of a listing with files, from a service that may not be able to list files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus

from airflow_provider_ei.exceptions import (
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseServiceError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.api.pages import PageFetcher
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.listing import ListingMovedError, Page
from airflow_provider_ei.studio.models import DataItem

#: With one of these statuses, a service or a proxy says that it does not have the operation.
_MISSING = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


class PageWithFilesFetcher:
    """Gets pages of items with their files. If the service cannot list files, requests each item of a page alone.

    It notices that with the first page: the operation is missing, or the service has taken too long for it, in each
    try. The client remembers it.

    :param get_item: requests one item with its files.
    """

    def __init__(
        self, http: HttpClient, path: str, query: Mapping[str, str | None], get_item: Callable[[int], DataItem]
    ) -> None:
        self._abilities = http.abilities
        self._with_files = PageFetcher(http, "listOrganizationFiles", f"{path}/files", query)
        self._without = PageFetcher(http, "listOrganizationData", path, query)
        self._get_item = get_item

    def __call__(self, offset: int) -> Page[DataItem]:
        """Get the page at an offset."""
        if self._abilities.has("file_listing"):
            try:
                return self._with_files(offset)
            except (EdgeImpulseRefusedError, EdgeImpulseUnavailableError) as error:
                if not _may_be_missing(error):
                    raise
                page = self._without(offset)  # raises if the service refuses this as well
                self._abilities.miss("file_listing", error)
        else:
            page = self._without(offset)
        return replace(page, items=[self._look(item) for item in page.items])

    def _look(self, item: DataItem) -> DataItem:
        try:
            return self._get_item(item.id)
        except EdgeImpulseRefusedError:
            raise ListingMovedError("A data item was deleted after it was listed.") from None
        except EdgeImpulseResponseError:
            return item  # an odd item of another program; a listing keeps what can be read of it


def _may_be_missing(error: EdgeImpulseServiceError) -> bool:
    if isinstance(error, EdgeImpulseUnavailableError):
        return error.timed_out
    return error.status in _MISSING
