"""The pages of a listing of data items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from airflow_provider_ei.exceptions import EdgeImpulseFilterError, EdgeImpulseLargeResponseError
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.listing import Page
from airflow_provider_ei.studio.models import DataItem, DataPageAnswer
from airflow_provider_ei.studio.reading import LISTING_BYTES
from airflow_provider_ei.studio.repair import repair_page
from airflow_provider_ei.studio.server_text import printable_excerpt

#: Number of data items that a listing requests at once.
PAGE_ITEMS = 1000


class PageFetcher:
    """Gets pages of one listing, and requests smaller pages if items have very many files."""

    def __init__(self, http: HttpClient, operation: str, path: str, query: Mapping[str, str | None]) -> None:
        self._http = http
        self._operation = operation
        self._path = path
        self._query = query
        self._limit = PAGE_ITEMS

    def __call__(self, offset: int) -> Page[DataItem]:
        """Get the page at an offset."""
        answer = self._get(offset)
        if answer.filter_parse_error:
            words = printable_excerpt(str(answer.filter_parse_error))
            raise EdgeImpulseFilterError(
                f"Correct the filter: the service cannot read {self._query['filter']!r}: {words}. ({self._operation})",
                operation=self._operation,
                status=200,
                server_text=words,
            )
        return Page(offset, answer.data, answer.total_data_item_count, is_full=len(answer.data) >= self._limit)

    def _get(self, offset: int) -> DataPageAnswer:
        while True:
            try:
                return self._http.request_json(
                    self._operation,
                    "GET",
                    self._path,
                    DataPageAnswer,
                    query={**self._query, "limit": self._limit, "offset": offset},
                    max_bytes=LISTING_BYTES,
                    repair=partial(repair_page, offset=offset),
                )
            except EdgeImpulseLargeResponseError:
                if self._limit == 1:
                    raise
                self._limit = math.ceil(self._limit / 4)
