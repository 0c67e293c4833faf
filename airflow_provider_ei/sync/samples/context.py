"""The state that the parts of a sync of samples share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import TypeVar

from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseCancelledError, EdgeImpulseRefusedError
from airflow_provider_ei.studio.api.ingestion import IngestionApi
from airflow_provider_ei.studio.api.samples import Sample, SamplesApi
from airflow_provider_ei.sync.concurrency import run_in_threads
from airflow_provider_ei.sync.dataset.tally import Tally
from airflow_provider_ei.sync.samples.options import CATEGORIES, SampleSyncOptions
from airflow_provider_ei.sync.samples.sample_index import SampleIndex

_T = TypeVar("_T")

#: Errors that affect all samples and end the sync.
ENDS_ALL = (EdgeImpulseCancelledError, EdgeImpulseAuthError)


class SampleSyncContext:
    """One run of a sync.

    :ivar api: the operations on the project's samples, with at least one connection per worker.
    :ivar ingestion: the service that takes the files, with as many.
    :ivar source: the files that should be samples.
    :ivar tally: counts of what was done.
    """

    def __init__(
        self, api: SamplesApi, ingestion: IngestionApi, source: SampleIndex, options: SampleSyncOptions
    ) -> None:
        self.api = api
        self.ingestion = ingestion
        self.source = source
        self.options = options
        self.tally = Tally(most_in_a_row=max(8, 2 * options.workers), noun="sample")
        self._taken: set[int] = set()
        self._lock = Lock()

    def in_threads(self, pieces: Iterable[_T], work: Callable[[_T], object]) -> None:
        """Do the work on each piece, with ``workers`` threads."""
        run_in_threads(
            pieces, work, workers=self.options.workers, check=self.check_cancelled, interrupt=self._interrupt
        )

    def take(self, sample_id: int) -> bool:
        """Reserve a sample for a file; return False if another file of this run has it."""
        with self._lock:
            is_free = sample_id not in self._taken
            self._taken.add(sample_id)
            return is_free

    def is_taken(self, sample_id: int) -> bool:
        """Return whether a sample was reserved for another file in this run."""
        return sample_id in self._taken

    def check_cancelled(self) -> None:
        """Raise an error if one of the clients was cancelled."""
        self.api.http.check_cancelled()
        self.ingestion.http.check_cancelled()

    def find(self, sample_id: int) -> Sample | None:
        """Get a sample by its id; None if it is gone, and not listed either.

        A service may refuse to show a sample that exists.
        """
        try:
            return self.api.get_sample(sample_id)
        except EdgeImpulseAuthError:
            raise
        except EdgeImpulseRefusedError:
            for category in CATEGORIES:
                for page in self.api.list_pages(category, min_id=sample_id, max_id=sample_id + 1):
                    if any(sample.id == sample_id for sample in page.items):
                        raise
            return None

    def requests(self) -> tuple[int, int]:
        """Return the numbers of requests and of retries so far."""
        clients = {self.api.http, self.ingestion.http}
        return sum(one.requests for one in clients), sum(one.retries for one in clients)

    def _interrupt(self) -> None:
        self.api.http.cancel()
        self.ingestion.http.cancel()
