"""Uploads files as samples: finds what is there, sends the rest, and changes what is there with other labels."""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseCancelledError,
    EdgeImpulseConflictError,
    EdgeImpulseError,
    EdgeImpulseInputError,
    EdgeImpulseResponseError,
    EdgeImpulseSamplesError,
)
from airflow_provider_ei.results import SAMPLE_COUNTS, SampleCounts, UploadSamplesResult
from airflow_provider_ei.samples.change import settle
from airflow_provider_ei.samples.options import UploadOptions
from airflow_provider_ei.samples.sample_file import SampleFile
from airflow_provider_ei.samples.send import Sender, Sent
from airflow_provider_ei.samples.stored import find_stored, list_range
from airflow_provider_ei.samples.tally import Tally
from airflow_provider_ei.studio.api.ingestion import IngestionApi
from airflow_provider_ei.studio.api.samples import Sample, SamplesApi
from airflow_provider_ei.studio.responses import UPLOAD_SAMPLES
from airflow_provider_ei.sync.concurrency import run_in_threads
from airflow_provider_ei.sync.digest import sha256_of
from airflow_provider_ei.sync.report_text import format_failures, format_work

log = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Maximum size of a file in bytes, and of one that Studio's CSV wizard may divide.
MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_CSV_BYTES = 2 * 1024 * 1024 * 1024


class SampleUpload:
    """One upload of files to a project.

    :param api: the operations on the project's samples.
    :param ingestion: the service that takes the files, with at least one connection per worker.
    :param samples: files with different sources.
    :param url: page of the project's data in Studio, for the result.
    """

    def __init__(
        self,
        api: SamplesApi,
        ingestion: IngestionApi,
        samples: Sequence[SampleFile],
        options: UploadOptions,
        *,
        url: str,
    ) -> None:
        self._api = api
        self._ingestion = ingestion
        self._samples = samples
        self._options = options
        self._url = url
        self._tally = Tally()
        self._hashes: dict[str, str] = {}
        self._begun = time.monotonic()
        self._before = self._requests()

    def run(self) -> UploadSamplesResult:
        """Upload the files, and return what was done.

        :raises EdgeImpulseSamplesError: when files have failed, after all others are in the project.
        :raises EdgeImpulseError: when the upload cannot continue.
        """
        small = [sample for sample in self._samples if not self._is_too_large(sample)]
        stored = find_stored(self._api, small, self._hash)
        sent = Sender(self._ingestion, self._tally, workers=self._options.workers).send(
            [sample for sample in small if sample.source not in stored]
        )
        self._hashes |= sent.hashes
        self._settle_existing(stored, sent)
        result = self._result()
        owner = f"Project {result['project_id']}"
        log.info("%s", format_work(owner, result, SAMPLE_COUNTS, nothing="no files"))
        if self._tally.failed:
            raise EdgeImpulseSamplesError(
                format_failures(result["failed"], len(self._samples), "files", result["failures"]),
                summary=result,
                retryable=self._tally.retryable,
            )
        return result

    def _is_too_large(self, sample: SampleFile) -> bool:
        is_csv = os.path.splitext(sample.name)[1].lower() in (".csv", ".txt")
        limit = MAX_CSV_BYTES if is_csv else MAX_FILE_BYTES
        if sample.size > limit:
            error = EdgeImpulseInputError(
                f"Divide the file: it has {sample.size} bytes, and the service takes {limit}."
            )
            self._tally.fail(sample, error)
        return sample.size > limit

    def _hash(self, samples: Sequence[SampleFile]) -> dict[str, str]:
        """Read files, and return their SHA-256 by source; a file that cannot be read is left to the sender."""
        hashes: dict[str, str] = {}

        def hash_one(sample: SampleFile) -> None:
            try:
                hashes[sample.source] = sha256_of(sample, self._api.http.check_cancelled)
            except EdgeImpulseCancelledError:
                raise
            except EdgeImpulseError as error:
                log.debug("%s could not be read to compare it: %s", sample.source, error)
                return
            self._tally.hashed(sample.size)

        self._in_threads(samples, hash_one)
        self._hashes |= hashes
        return hashes

    # --- files whose content is in the project already ----------------------------------------------------

    def _settle_existing(self, stored: dict[str, list[Sample]], sent: Sent) -> None:
        by_source = {sample.source: sample for sample in self._samples}
        existing = [by_source[source] for source in sorted({*stored, *sent.existing})]
        contradictions = self._contradictions()
        known = self._known({sample_id for ids in sent.existing.values() for sample_id in ids})

        def settle_one(sample: SampleFile) -> None:
            try:
                if (other := contradictions.get(sample.source)) is not None:
                    raise EdgeImpulseConflictError(
                        f"Give files with the same content the same label, category and metadata: the content is that "
                        f"of {other!r}, and a project has each content only once."
                    )
                samples = stored.get(sample.source) or self._get(sent.existing[sample.source], known)
                self._tally.done(settle(self._api, samples, sample.wanted, self._options.if_exists))
            except EdgeImpulseCancelledError:
                raise
            except EdgeImpulseAuthError as error:  # a key that may only upload
                if self._options.if_exists == "skip":
                    self._tally.done("skipped")
                else:
                    self._tally.fail(sample, error)
            except EdgeImpulseError as error:
                self._tally.fail(sample, error)

        self._in_threads(existing, settle_one)

    def _contradictions(self) -> dict[str, str]:
        """Return the sources of files whose content another file has with another label, and that file's source."""
        same: dict[str, list[SampleFile]] = defaultdict(list)
        for sample in self._samples:
            if (sha256 := self._hashes.get(sample.source)) is not None:
                same[sha256].append(sample)
        found = {}
        for samples in same.values():
            for sample in samples:
                other = next((one for one in samples if one.wanted != sample.wanted), None)
                if other is not None:
                    found[sample.source] = other.source
        return found

    def _known(self, ids: Collection[int]) -> dict[int, Sample]:
        """Return samples by id from a listing, if there are so many that it takes fewer requests."""
        if len(ids) <= self._options.workers:
            return {}
        try:
            return list_range(self._api, ids)
        except EdgeImpulseAuthError:  # a key that may only upload: said for each file
            return {}

    def _get(self, ids: Iterable[int], known: dict[int, Sample]) -> list[Sample]:
        samples = [known.get(sample_id) or self._api.get_sample(sample_id) for sample_id in ids]
        if not samples:
            raise EdgeImpulseResponseError(
                "Compare the sample in Studio: the service says that it has this content, and not in which sample, so "
                "its label cannot be compared.",
                operation=UPLOAD_SAMPLES,
                status=200,
            )
        return samples

    # --- the result ---------------------------------------------------------------------------------------

    def _in_threads(self, pieces: Iterable[_T], work: Callable[[_T], object]) -> None:
        http = self._api.http
        run_in_threads(pieces, work, workers=self._options.workers, check=http.check_cancelled, interrupt=http.cancel)

    def _requests(self) -> tuple[int, int]:
        clients = {self._api.http, self._ingestion.http}
        return sum(one.requests for one in clients), sum(one.retries for one in clients)

    def _result(self) -> UploadSamplesResult:
        tally = self._tally
        requests, retries = self._requests()
        return UploadSamplesResult(
            **_counts(tally),
            project_id=self._api.project_id,
            categories=sorted({sample.wanted.category for sample in self._samples}),
            files_sent=tally.files_sent,
            bytes_sent=tally.bytes_sent,
            bytes_hashed=tally.bytes_hashed,
            requests=requests - self._before[0],
            retries=retries - self._before[1],
            seconds=round(time.monotonic() - self._begun, 3),
            failures=tally.failures,
            url=self._url,
        )


def _counts(tally: Tally) -> SampleCounts:
    outcomes = tally.outcomes
    return SampleCounts(
        created=outcomes["created"],
        updated=outcomes["updated"],
        unchanged=outcomes["unchanged"],
        skipped=outcomes["skipped"],
        failed=tally.failed,
    )
