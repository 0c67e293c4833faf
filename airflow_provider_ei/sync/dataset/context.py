"""The state that the parts of a sync run share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.sync.concurrency import run_in_threads
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.dataset.tally import Tally
from airflow_provider_ei.sync.item.attempt import SharedLimits

_T = TypeVar("_T")

#: Maximum number of duplicates that one run removes. More were not caused by lost responses.
MAX_DUPLICATES_PER_RUN = 20


class SyncContext:
    """One run of a sync.

    :ivar api: the API, with at least one connection per worker.
    :ivar source: the items that the dataset should contain.
    :ivar tally: counts of what was done.
    :ivar shared: limits that all uploads share.
    """

    def __init__(self, api: OrganizationDataApi, source: SourceIndex, options: SyncOptions) -> None:
        self.api = api
        self.source = source
        self.options = options
        self.tally = Tally(most_in_a_row=max(8, 2 * options.workers))
        self.shared = SharedLimits.of(api, MAX_DUPLICATES_PER_RUN)

    def in_threads(self, pieces: Iterable[_T], work: Callable[[_T], object]) -> None:
        """Do the work on each piece, with ``workers`` threads."""
        http, workers = self.api.http, self.options.workers
        run_in_threads(pieces, work, workers=workers, check=http.check_cancelled, interrupt=http.cancel)
