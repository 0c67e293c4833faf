"""Sends requests, and retries them until there is a response, no try is left, or the task is cancelled."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self, TypeVar

from requests import Response

from airflow_provider_ei.exceptions import MAX_RETRY_WAIT, EdgeImpulseServiceError
from airflow_provider_ei.redaction import know_secret
from airflow_provider_ei.studio.abilities import Abilities
from airflow_provider_ei.studio.cancellation import CancelFlag
from airflow_provider_ei.studio.clock import Clock
from airflow_provider_ei.studio.counter import RequestCounter
from airflow_provider_ei.studio.decoding import Repair, convert_answer
from airflow_provider_ei.studio.exchange import Exchange
from airflow_provider_ei.studio.files import OnRead, UploadFile
from airflow_provider_ei.studio.gate import Gate
from airflow_provider_ei.studio.models import Answer, AnswerT
from airflow_provider_ei.studio.multipart import MultipartBody
from airflow_provider_ei.studio.reading import ANSWER_BYTES
from airflow_provider_ei.studio.responses import FILE_TYPES, read_answer, read_file
from airflow_provider_ei.studio.retry import Retries, RetryBudget, may_be_done, wants_new_try
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.studio.transport import open_session

log = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Called with the failure before a request is tried again; what it raises ends the tries.
BeforeRetry = Callable[[EdgeImpulseServiceError], None]


class HttpClient:
    """Client for one host and one key; the classes in ``studio.api`` implement its operations.

    As a context manager, it closes the connections on exit.

    :param settings: base URL, key and timeouts.
    :param connections: maximum number of open connections; one is enough for one thread.
    :param sleep: waits between two tries; the default can be interrupted by :meth:`cancel`.
    :ivar abilities: what the service cannot do.
    """

    def __init__(
        self, settings: StudioSettings, *, connections: int = 1, sleep: Callable[[float], None] | None = None
    ) -> None:
        know_secret(settings.api_key)
        self.settings = settings
        self.abilities = Abilities(settings.service)
        self._cancelled = CancelFlag()
        self._clock = Clock(sleep or self._cancelled.sleep)
        self._budget = RetryBudget()
        self._gate = Gate(
            max_wait=min(MAX_RETRY_WAIT, settings.throttle_patience), clock=self._clock, cancelled=self._cancelled
        )
        self._counter = RequestCounter()
        self._session = open_session(settings.api_key, write_timeout=settings.write_timeout, connections=connections)
        self._exchange = Exchange(self._session, settings, self._cancelled)

    @property
    def requests(self) -> int:
        """The number of requests that were sent so far."""
        return self._counter.requests

    @property
    def retries(self) -> int:
        """The number of those requests that were retries."""
        return self._counter.requests - self._counter.first_tries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def cancel(self) -> None:
        """Abort the current requests and refuse further ones; safe in a signal handler and from another thread."""
        self._cancelled.set()
        self._session.abort()

    def check_cancelled(self) -> None:
        """Raise an error if the client was cancelled.

        :raises EdgeImpulseCancelledError: if the client was cancelled.
        """
        self._cancelled.check()

    def sleep(self, seconds: float) -> None:
        """Wait for that many seconds.

        :raises EdgeImpulseCancelledError: when the client is cancelled in the meantime.
        """
        self._clock.sleep(seconds)
        self._cancelled.check()

    def request_json(
        self,
        operation: str,
        method: str,
        path: str,
        kind: type[AnswerT] = Answer,  # type: ignore[assignment]
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        idempotent: bool = True,
        before_retry: BeforeRetry | None = None,
        max_bytes: int = ANSWER_BYTES,
        repair: Repair[AnswerT] | None = None,
    ) -> AnswerT:
        """Send a request, and return the decoded response.

        :param operation: operation id of the API, for errors.
        :param path: path below the base URL.
        :param kind: model of the response.
        :param idempotent: whether to retry the request even if it may have been carried out.
        :param before_retry: called before each retry.
        :param max_bytes: maximum size of the response; a longer one is an error.
        :param repair: reads a response that does not match the model, which otherwise is an error.
        :raises EdgeImpulseResponseError: when the response cannot be used.
        :raises EdgeImpulseServiceError: when the service refuses, fails or cannot be reached, after the tries that the
            settings allow.
        """

        def read(response: Response) -> AnswerT | dict[str, Any]:
            return read_answer(response, operation, max_bytes, kind)

        answer = self._with_retries(
            lambda: self._send(operation, method, path, read, max_bytes=max_bytes, params=query, json=body),
            changes=method != "GET",
            idempotent=idempotent,
            before_retry=before_retry,
        )
        if not isinstance(answer, dict):
            return answer
        return convert_answer(kind, answer, operation) if repair is None else repair(answer, operation)

    def upload(
        self,
        operation: str,
        path: str,
        kind: type[AnswerT],
        fields: Sequence[tuple[str, str]],
        files: Sequence[UploadFile],
        on_read: OnRead | None,
        *,
        idempotent: bool,
        before_retry: BeforeRetry | None = None,
        headers: Mapping[str, str] | None = None,
        part: str = "files[]",
        max_bytes: int = ANSWER_BYTES,
    ) -> tuple[AnswerT, dict[str, str]]:
        """Send fields and files as one multipart form.

        :param kind: model of the response.
        :param on_read: called with a file's name and progress before each of its blocks is sent.
        :param idempotent: whether to retry the request even if it may have been carried out.
        :param before_retry: called before each retry.
        :param headers: additional headers.
        :param part: name of the files' parts.
        :param max_bytes: maximum size of the response; a longer one is an error.
        :return: the response, and the SHA-256 of each file that was sent, by name.
        :raises EdgeImpulseFileError: when a file changed while it was being sent.
        :raises EdgeImpulseServiceError: as :meth:`request_json` does.
        """

        def read(response: Response) -> AnswerT | dict[str, Any]:
            return read_answer(response, operation, max_bytes, kind)

        def attempt() -> tuple[AnswerT | dict[str, Any], dict[str, str]]:
            # A new body for each try: it cannot be sent twice.
            with MultipartBody(fields, files, on_read, part=part) as body:
                all_headers = {**(headers or {}), "Content-Type": body.content_type}
                answer = self._send(operation, "POST", path, read, max_bytes=max_bytes, data=body, headers=all_headers)
                return answer, body.sha256_by_name()

        answer, digests = self._with_retries(attempt, changes=True, idempotent=idempotent, before_retry=before_retry)
        return convert_answer(kind, answer, operation) if isinstance(answer, dict) else answer, digests

    def download(
        self,
        operation: str,
        path: str,
        query: Mapping[str, object],
        begin: Callable[[], Callable[[bytes], object]],
        *,
        file_types: Collection[str] = FILE_TYPES,
        on_headers: Callable[[Mapping[str, str]], None] = lambda headers: None,
    ) -> int:
        """Download a file block by block, without keeping it.

        :param begin: called before the first block of each try; returns a function that is called with each block.
        :param file_types: content types of a file; any other one must come as an attachment.
        :param on_headers: called with the response's headers before ``begin``; it may raise.
        :return: the file's length in bytes.
        :raises EdgeImpulseResponseError: when the response is not a file, or may be incomplete.
        :raises EdgeImpulseServiceError: as :meth:`request_json` does.
        """

        def read(response: Response) -> int:
            return read_file(
                response, operation, begin, self.check_cancelled, file_types=file_types, on_headers=on_headers
            )

        # Request the file's own bytes, not compressed ones.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        return self._with_retries(
            lambda: self._send(operation, "GET", path, read, max_bytes=None, params=query, headers=headers),
            changes=False,
            idempotent=True,
        )

    def _with_retries(
        self,
        attempt: Callable[[], _T],
        *,
        changes: bool,
        idempotent: bool,
        before_retry: BeforeRetry | None = None,
    ) -> _T:
        settings = self.settings
        retries = Retries(attempts=settings.retry_attempts, wait=settings.retry_wait, budget=self._budget)
        self._counter.add(first_tries=1)
        failure: EdgeImpulseServiceError | None = None
        refused_since: float | None = None
        while True:
            try:
                if failure is not None and before_retry is not None:
                    before_retry(failure)
                return attempt()
            except EdgeImpulseServiceError as error:
                failure = error
            settling = settings.settle_seconds if changes and may_be_done(failure) else 0.0
            wait: float | None = None
            if not wants_new_try(failure, idempotent=idempotent):
                pass
            elif failure.throttled:
                # The gate makes the next try wait; a refusal does not count as a failure. The patience also applies to
                # this request alone: a service may refuse all changes and still grant the reads before each of them.
                now = self._clock.now()
                refused_since = now if refused_since is None else refused_since
                refused_for = max(self._gate.refused_for(), now - refused_since)
                wait = None if refused_for > settings.throttle_patience else settling
            elif (drawn := retries.wait_after_failure(self._clock.now())) is not None:
                wait = max(drawn, failure.requested_wait, settling)
                log.warning("%s Trying again in %.1f s (%d of %d).", failure, wait, retries.failures, retries.attempts)
            if wait is None:
                # A request that is still on its way must not overtake what is done next, here or by the next run.
                if settling:
                    self.sleep(max(settling, failure.requested_wait))
                raise failure
            if wait:
                self.sleep(wait)

    def _send(
        self,
        operation: str,
        method: str,
        path: str,
        read: Callable[[Response], _T],
        *,
        max_bytes: int | None = ANSWER_BYTES,
        **kwargs: Any,
    ) -> _T:
        """Send a request when the gate admits it, and return what ``read`` returns for the response."""
        begun = self._gate.enter()
        self._counter.add(requests=1)
        try:
            result = self._exchange.send(operation, method, path, read, max_bytes=max_bytes, **kwargs)
        except EdgeImpulseServiceError as error:
            if error.throttled:
                self._gate.refused(begun, error.retry_after)
            elif error.status is not None:
                self._gate.granted()
            raise
        finally:
            self._gate.leave()
        self._gate.granted()
        self._budget.succeeded()
        return result
