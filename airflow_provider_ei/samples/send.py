"""Sends files to the ingestion service in several threads. What it refuses as a whole is divided and sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseCancelledError,
    EdgeImpulseConfigError,
    EdgeImpulseError,
    EdgeImpulseFileError,
    EdgeImpulseNotFoundError,
    EdgeImpulseRedirectError,
    EdgeImpulseRefusedError,
    EdgeImpulseTooLargeError,
)
from airflow_provider_ei.samples.batches import divide, label_files
from airflow_provider_ei.samples.sample_file import SampleFile
from airflow_provider_ei.samples.tally import Tally
from airflow_provider_ei.studio.api.ingestion import IngestedFile, IngestionApi, parse_duplicate
from airflow_provider_ei.sync.concurrency import run_in_threads

#: Errors that every other request would meet, too.
ENDS_ALL = (
    EdgeImpulseCancelledError,
    EdgeImpulseAuthError,
    EdgeImpulseConfigError,
    EdgeImpulseRedirectError,
    EdgeImpulseNotFoundError,
)


@dataclass
class Sent:
    """What became of the files that were sent.

    :ivar existing: ids of the samples that have a file's content already, by the file's source. Empty if unknown.
    :ivar hashes: SHA-256 in hex of each file that was sent, by source.
    """

    existing: dict[str, tuple[int, ...]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)


class Sender:
    """Sends files.

    :param workers: the number of requests at once.
    :param tally: counts the files that were created and those that failed.
    """

    def __init__(self, api: IngestionApi, tally: Tally, *, workers: int) -> None:
        self._api = api
        self._tally = tally
        self._workers = workers
        self.sent = Sent()

    def send(self, samples: Sequence[SampleFile]) -> Sent:
        """Send files, and return what became of them.

        :raises EdgeImpulseServiceError: when all files would fail for the same reason.
        """
        self._tally.expect(len(samples))
        http = self._api.http
        run_in_threads(
            divide(samples, self._workers),
            self._send,
            workers=self._workers,
            check=http.check_cancelled,
            interrupt=http.cancel,
        )
        return self.sent

    def _send(self, batch: list[SampleFile]) -> None:
        tally, wanted = self._tally, batch[0].wanted
        if (why := tally.why_stop) is not None:
            tally.not_tried(batch, why)
            return
        try:
            answers, digests = self._api.upload_files(
                wanted.category,
                batch,
                label_files(batch),
                label=wanted.label,
                unlabeled=wanted.unlabeled,
                metadata=dict(wanted.metadata),
            )
        except ENDS_ALL:
            raise
        except (EdgeImpulseRefusedError, EdgeImpulseFileError) as error:
            self._refused(batch, error)
        except EdgeImpulseError as error:
            tally.fail_all(batch, error)
        else:
            tally.sent(len(batch), sum(sample.size for sample in batch))
            for sample, answer in zip(batch, answers, strict=True):
                self.sent.hashes[sample.source] = digests[sample.name]
                self._record(sample, answer)

    def _refused(self, batch: list[SampleFile], error: EdgeImpulseRefusedError | EdgeImpulseFileError) -> None:
        """Find out which file of a refused request is the reason, and send the others."""
        if len(batch) > 1:
            half = len(batch) // 2
            self._send(batch[:half])
            self._send(batch[half:])
            return
        (sample,) = batch
        words = getattr(error, "server_text", None)
        if (ids := parse_duplicate(words)) is not None:
            self._tally.sent(1, sample.size)
            self.sent.existing[sample.source] = ids
        elif isinstance(error, EdgeImpulseTooLargeError):
            self._tally.fail(sample, error, f"The file is larger than the service, or a proxy, takes: {words or '413'}")
        else:
            self._tally.fail(sample, error)

    def _record(self, sample: SampleFile, answer: IngestedFile) -> None:
        if answer.success:
            self._tally.done("created")
        elif (ids := answer.duplicate_of) is not None:
            self.sent.existing[sample.source] = ids
        else:
            reason = f"Edge Impulse refused: {answer.error or 'it gave no reason'}"
            self._tally.refuse(sample, EdgeImpulseRefusedError(reason))
