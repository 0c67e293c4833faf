"""What the parts of one run of a sync share."""

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

#: Duplicates of its items that one run removes. More of them did not come from answers that were lost.
MAX_DUPLICATES_PER_RUN = 20


class SyncContext:
    """One run of a sync.

    :ivar api: with as many connections as there are workers.
    :ivar source: what the dataset is to hold.
    :ivar tally: counts what is done.
    :ivar shared: limits of all its uploads.
    """

    def __init__(self, api: OrganizationDataApi, source: SourceIndex, options: SyncOptions) -> None:
        self.api = api
        self.source = source
        self.options = options
        self.tally = Tally(most_in_a_row=max(8, 2 * options.workers))
        self.shared = SharedLimits.of(api, MAX_DUPLICATES_PER_RUN)

    def in_threads(self, pieces: Iterable[_T], work: Callable[[_T], object]) -> None:
        """Do the work on each piece, ``workers`` at once."""
        http, workers = self.api.http, self.options.workers
        run_in_threads(pieces, work, workers=workers, check=http.check_cancelled, interrupt=http.cancel)
