"""Sends requests: one try after the other, until there is an answer, no try is left, or the task is told to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseServiceError
from airflow_provider_ei.studio.multipart import MultipartBody, OnRead, UploadFile
from airflow_provider_ei.studio.outcome import may_be_done, read_answer, read_failure, wants_new_try
from airflow_provider_ei.studio.retry import RetryBudget, asked_wait, retrying
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.studio.transport import open_session

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Traffic:
    """Counts requests, of several threads.

    :ivar requests: all of them.
    :ivar firsts: those that were no new try of an earlier one.
    """

    def __init__(self) -> None:
        self.requests = self.firsts = 0
        self._lock = threading.Lock()

    def add(self, *, requests: int = 0, firsts: int = 0) -> None:
        """Count some more."""
        with self._lock:
            self.requests += requests
            self.firsts += firsts


class Sender:
    """The part of the client that knows no operation of the API.

    :param settings: where to, with which key and time-outs.
    :param connections: connections kept open at once; one is enough for one thread.
    :param sleep: waits that many seconds between two tries; by default so that :meth:`cancel` ends it.
    """

    def __init__(
        self, settings: StudioSettings, *, connections: int = 1, sleep: Callable[[float], None] | None = None
    ) -> None:
        self.settings = settings
        self._sleep = sleep
        self._budget = RetryBudget()
        self._traffic = Traffic()
        self._cancelled = False  # no threading.Event: a signal handler that sets one can meet its own thread's lock
        self._session = open_session(settings.api_key, write_timeout=settings.write_timeout, connections=connections)

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._traffic.requests

    @property
    def retries(self) -> int:
        """How many of them were new tries."""
        return self._traffic.requests - self._traffic.firsts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def cancel(self) -> None:
        """End the request under way and refuse further ones; safe in a signal handler and from another thread."""
        self._cancelled = True
        self._session.abort()

    def check_cancelled(self) -> None:
        """Do nothing, unless the client was cancelled.

        :raises EdgeImpulseCancelledError: if it was.
        """
        if self._cancelled:
            raise EdgeImpulseCancelledError("The task was told to stop; the upload is not complete.")

    def sleep(self, seconds: float) -> None:
        """Wait.

        :raises EdgeImpulseCancelledError: when the client is cancelled meanwhile.
        """
        (self._sleep or self._sleep_until_cancelled)(seconds)  # as an attribute, our own would keep the client
        self.check_cancelled()

    def _sleep_until_cancelled(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._cancelled and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
        attempts: int | None = None,
    ) -> dict[str, Any]:
        return self._tries(
            lambda: self._send(operation, method, path, params=query, json=body),
            changes=method != "GET",
            idempotent=True,
            attempts=attempts,
        )

    def _upload(
        self,
        operation: str,
        path: str,
        fields: Sequence[tuple[str, str]],
        files: Sequence[UploadFile],
        on_read: OnRead | None,
        *,
        idempotent: bool,
    ) -> tuple[dict[str, Any], dict[str, str]]:
        def once() -> tuple[dict[str, Any], dict[str, str]]:
            with MultipartBody(fields, files, on_read) as body:  # a new one for each try: a sent body is spent
                answer = self._send(
                    operation, "POST", path, data=body.encoder, headers={"Content-Type": body.content_type}
                )
                return answer, body.sha256_by_name()

        return self._tries(once, changes=True, idempotent=idempotent)

    def _tries(self, call: Callable[[], _T], *, changes: bool, idempotent: bool, attempts: int | None = None) -> _T:
        def settling(error: BaseException | None) -> float:
            return self.settings.settle_seconds if changes and error is not None and may_be_done(error) else 0.0

        loop = retrying(
            attempts=attempts or self.settings.retry_attempts,
            wait=self.settings.retry_wait,
            budget=self._budget,
            may_retry=lambda error: wants_new_try(error, idempotent=idempotent),
            least_wait=settling,
            sleep=self.sleep,
        )
        self._traffic.add(firsts=1)
        try:
            return loop(call)
        except EdgeImpulseServiceError as error:
            # What is still on its way must not overtake whatever is done next, here or by the next run.
            if seconds := settling(error):
                self.sleep(max(seconds, asked_wait(error)))
            raise
        finally:
            loop.iter_state.reset()  # tenacity's loop refers to itself here, and by our sleep to this client

    def _send(self, operation: str, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        settings = self.settings
        self.check_cancelled()
        self._session.has_sent = False
        self._traffic.add(requests=1)
        try:
            response = self._session.request(
                method,
                settings.base_url + path,
                timeout=(settings.connect_timeout, settings.read_timeout),
                allow_redirects=False,
                **kwargs,
            )
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
            self.check_cancelled()
            # Three libraries' tracebacks would bury what the person who reads the task's log has to know.
            log.debug("%s failed", operation, exc_info=True)
            host = urlsplit(settings.base_url).netloc
            raise read_failure(error, operation, host, has_sent=self._session.has_sent) from None
        answer = read_answer(response, operation, settings.api_key)
        self._budget.succeeded()
        return answer
