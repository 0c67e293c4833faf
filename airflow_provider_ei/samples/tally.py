"""Counts what the threads of an upload have done with each file, and logs it every few seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from airflow_provider_ei.exceptions import (
    EdgeImpulseError,
    EdgeImpulseRefusedError,
    EdgeImpulseServiceError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.results import MAX_DESCRIBED_FAILURES, MAX_REASON_LENGTH, Failure
from airflow_provider_ei.samples.sample_file import SampleFile
from airflow_provider_ei.sync.progress import LOG_INTERVAL_SECONDS, format_bytes, format_seconds

log = logging.getLogger(__name__)

#: After so many requests in a row without a usable response, the service counts as down.
MAX_FAILED_REQUESTS = 8

#: After so many files in a row that the service refused without having accepted any, it refuses all of them.
MAX_REFUSED_FILES = 20


class Tally:
    """Counts of an upload.

    :param clock: a clock in seconds.
    :ivar outcomes: number of files by outcome.
    :ivar failures: the first files that failed; ``failed`` counts all of them.
    :ivar retryable: whether a retry can fix any of them.
    :ivar files_sent: files whose arrival the service has confirmed; ``bytes_sent`` is their total size.
    :ivar bytes_hashed: bytes that were read without being sent.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.outcomes: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.failed = 0
        self.retryable = False
        self.files_sent = self.bytes_sent = self.bytes_hashed = 0
        self._total_files = 0
        self._failed_requests = 0
        self._refused_files = 0
        self._throttled = False
        self._clock = clock
        self._begun = self._told = clock()
        self._lock = threading.Lock()

    def expect(self, files: int) -> None:
        """Set how many files will be sent."""
        self._total_files = files
        self._begun = self._told = self._clock()

    @property
    def why_stop(self) -> str | None:
        """The reason not to try further files; None if there is none."""
        if self._throttled:
            return "the service has throttled all requests for longer than throttle_patience"
        if self._failed_requests >= MAX_FAILED_REQUESTS:
            return f"the {self._failed_requests} requests before it had no usable answer"
        if self._refused_files >= MAX_REFUSED_FILES and not self.files_sent:
            return f"the service has refused all {self._refused_files} files before it"
        return None

    def sent(self, files: int, size: int) -> None:
        """Count files that the service has answered for, and log the progress."""
        with self._lock:
            self._failed_requests = 0
            self.files_sent += files
            self.bytes_sent += size
            now = self._clock()
            if now - self._told >= LOG_INTERVAL_SECONDS:
                self._told = now
                log.info("%s", self._line(now - self._begun))

    def hashed(self, size: int) -> None:
        """Count bytes that were read without being sent."""
        with self._lock:
            self.bytes_hashed += size

    def done(self, outcome: str) -> None:
        """Count a file that is in the project as it should be, or that was left alone."""
        with self._lock:
            self.outcomes[outcome] += 1

    def fail(self, sample: SampleFile, error: EdgeImpulseError, reason: str | None = None) -> None:
        """Count a file that failed.

        :param reason: instead of the error's message.
        """
        self.fail_all([sample], error, reason)

    def refuse(self, sample: SampleFile, error: EdgeImpulseRefusedError) -> None:
        """Count a file that the service refused in a response that it gave for others, too."""
        log.error("%s: %s", sample.source, error)
        with self._lock:
            self._fail(sample, str(error))

    def fail_all(self, samples: list[SampleFile], error: EdgeImpulseError, reason: str | None = None) -> None:
        """Count the files of a request that failed."""
        reason = reason or str(error)
        log.error("%s%s: %s", samples[0].source, f" and {len(samples) - 1} more" * (len(samples) > 1), reason)
        with self._lock:
            if isinstance(error, EdgeImpulseServiceError) and error.throttled:
                # The client raises this only after all requests have been throttled for as long as the connection
                # allows. So the other files would fail as well. It is not an outage.
                self._throttled = True
            elif isinstance(error, EdgeImpulseUnavailableError):
                self._failed_requests += 1
            elif isinstance(error, EdgeImpulseRefusedError):
                self._failed_requests = 0
                self._refused_files += len(samples)
            self.retryable = self.retryable or error.retryable
            for sample in samples:
                self._fail(sample, reason)

    def not_tried(self, samples: list[SampleFile], why: str) -> None:
        """Count files that were not tried."""
        with self._lock:
            self.retryable = True
            for sample in samples:
                self._fail(sample, f"Not tried: {why}.")

    def _fail(self, sample: SampleFile, reason: str) -> None:
        self.failed += 1
        if len(self.failures) < MAX_DESCRIBED_FAILURES:
            short = reason if len(reason) <= MAX_REASON_LENGTH else reason[: MAX_REASON_LENGTH - 1] + "…"
            self.failures.append(Failure(name=_unicode(sample.source), reason=_unicode(short)))

    def _line(self, seconds: float) -> str:
        done = self.files_sent
        return (
            f"{done:,} of {self._total_files:,} files, {format_bytes(self.bytes_sent)}, "
            f"{format_bytes(self.bytes_sent / seconds)}/s, about "
            f"{format_seconds((self._total_files - done) * seconds / done)} left."
        )


def _unicode(text: str) -> str:
    """Escape invalid Unicode: a file name on disk can have any bytes, which XCom cannot store."""
    return text.encode(errors="backslashreplace").decode()
