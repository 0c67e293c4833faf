"""Errors of this package.

::

    EdgeImpulseError
    ├── EdgeImpulseConfigError             the Airflow connection
    ├── EdgeImpulseInputError              an argument, a file, a metadata value
    ├── EdgeImpulseConflictError           the data item exists
    ├── EdgeImpulseFileError               a file changed or failed while it was sent
    ├── EdgeImpulseCancelledError          the task was killed
    ├── EdgeImpulseDeleteLimitError        a sync would delete too much
    ├── EdgeImpulseSyncError               data items of a sync failed
    ├── EdgeImpulseSamplesError            files of an upload to a project failed
    ├── EdgeImpulseJobError                a job failed, was cancelled, or is gone
    │   └── EdgeImpulseJobTimeoutError         a job did not end in time
    ├── EdgeImpulseQualityError            a model is not good enough
    ├── EdgeImpulseJobConflictError        which job is the task's own cannot be told
    └── EdgeImpulseServiceError            the service, or the way to it
        ├── EdgeImpulseAuthError               401, 403
        ├── EdgeImpulseRefusedError            success: false, other 4xx
        │   ├── EdgeImpulseNotFoundError           404
        │   └── EdgeImpulseTooLargeError           413
        ├── EdgeImpulseRedirectError           3xx
        ├── EdgeImpulseRateLimitError          429
        ├── EdgeImpulseUnavailableError        no answer, 5xx
        └── EdgeImpulseResponseError           an answer that is not what the API promises
            ├── EdgeImpulseFilterError             a filter that the service cannot parse
            └── EdgeImpulseLargeResponseError      an answer that is too large

Each message says what to do, then what is wrong. ``retryable`` says whether a retry can succeed: the operators raise
permanent errors as ``AirflowFailException``, so that Airflow does not retry the task, and transient errors as they are.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from airflow_provider_ei.redaction import safe_text

#: Longest wait before a retry in seconds, whatever ``Retry-After`` asks for.
MAX_RETRY_WAIT = 60.0


class EdgeImpulseError(Exception):
    """Base class of all errors that this package raises.

    The message contains no secret and no control character, whatever it was made of.
    """

    #: False when the same call fails however often it is retried.
    retryable: bool = True

    def __init__(self, message: object = "", *args: object) -> None:
        super().__init__(safe_text(message) if isinstance(message, str) else message, *args)

    def __reduce__(self) -> tuple[Any, ...]:
        # By default, unpickling calls the class with the message alone. That fails for a class that requires more
        # arguments, and loses the attributes.
        return copyreg.__newobj__, (type(self), *self.args), vars(self) or None  # type: ignore[attr-defined]

    def to_event(self) -> dict[str, Any]:
        """Return the error as a JSON object for the event of a trigger; :meth:`from_event` restores it."""
        facts = {name: value for name, value in vars(self).items() if isinstance(value, str | int | float | None)}
        return {"error": str(self), "kind": type(self).__name__, "retryable": self.retryable, "facts": facts}

    @staticmethod
    def from_event(event: Mapping[str, Any]) -> EdgeImpulseError:
        """Restore the error of an event, with its class.

        A class that this version does not know becomes an :class:`EdgeImpulseError`.
        """
        kinds = {kind.__name__: kind for kind in _with_subclasses(EdgeImpulseError)}
        kind = kinds.get(event.get("kind", ""), EdgeImpulseError)
        error = kind.__new__(kind, event["error"])
        vars(error).update(event.get("facts", {}))
        if error.retryable != event["retryable"]:
            error.retryable = event["retryable"]
        return error


class EdgeImpulseConfigError(EdgeImpulseError):
    """The Airflow connection is incomplete or contradicts itself. Nothing was sent."""

    retryable = False


class EdgeImpulseInputError(EdgeImpulseError, ValueError):
    """A name, a file, a metadata value or another argument cannot be used. Nothing was sent."""

    retryable = False


class EdgeImpulseConflictError(EdgeImpulseError):
    """A data item with that name exists, and ``if_exists`` or its owner does not allow changing it."""

    retryable = False


class EdgeImpulseFileError(EdgeImpulseError):
    """A source file changed, vanished or could not be read while it was sent.

    Not an ``OSError``, which HTTP libraries report as a network fault. The request is aborted, so the service never
    stores half a file. Retryable: by the next try, nothing may be writing to the file.
    """


class EdgeImpulseCancelledError(EdgeImpulseError):
    """The task was killed. A data item that was being uploaded stays pending, and the next run completes it."""


class EdgeImpulseDeleteLimitError(EdgeImpulseError):
    """A sync would delete more data items than allowed. Nothing was changed."""

    retryable = False


class EdgeImpulseSyncError(EdgeImpulseError):
    """Some data items of a sync failed; the others are up to date. The next run does only what is left.

    :ivar summary: what the sync did, with the names of the failed items and the reasons.
    """

    def __init__(self, message: str, *, summary: Mapping[str, Any], retryable: bool) -> None:
        super().__init__(message)
        self.summary = summary
        self.retryable = retryable


class EdgeImpulseSamplesError(EdgeImpulseError):
    """Some files of an upload to a project failed; the others are there. The next run sends only what is left.

    :ivar summary: what the upload did, with the names of the first failed files and the reasons.
    """

    def __init__(self, message: str, *, summary: Mapping[str, Any], retryable: bool) -> None:
        super().__init__(message)
        self.summary = summary
        self.retryable = retryable


class EdgeImpulseJobError(EdgeImpulseError):
    """A job failed, was cancelled, or is gone. The next try starts a new one.

    :ivar job_id: id of the job.
    :ivar state: its state; see :class:`~airflow_provider_ei.jobs.state.JobStatus`.
    """

    def __init__(self, message: str, *, job_id: int, state: str) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.state = state


class EdgeImpulseJobTimeoutError(EdgeImpulseJobError):
    """A job did not end within the timeout. It was cancelled, unless ``cancel_on_kill`` is false."""


class EdgeImpulseJobConflictError(EdgeImpulseError):
    """Which job, or which build, is the task's own cannot be told. Nothing more was started or saved."""

    retryable = False


class EdgeImpulseQualityError(EdgeImpulseError):
    """A model misses a limit that its test has to reach. The message says what was measured, and which limit."""

    retryable = False


class EdgeImpulseServiceError(EdgeImpulseError):
    """The service refused, failed or could not be reached.

    :ivar operation: operation id of the API, for instance ``addOrganizationDataItem``.
    :ivar status: HTTP status, or None when no response arrived.
    :ivar server_text: the message of the service, shortened, or None.
    """

    #: Seconds that the service asked to wait (``Retry-After``), or None.
    retry_after: float | None = None

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        status: int | None = None,
        server_text: str | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.status = status
        self.server_text = server_text

    @property
    def requested_wait(self) -> float:
        """Seconds that the service asked to wait, at most :data:`MAX_RETRY_WAIT`; 0 when it did not ask."""
        return min(self.retry_after or 0.0, MAX_RETRY_WAIT)

    @property
    def throttled(self) -> bool:
        """Whether the service asked for fewer requests: 429, or 503 with ``Retry-After``."""
        return False


class EdgeImpulseAuthError(EdgeImpulseServiceError):
    """The API key is wrong or lacks the permission (401, 403, or "Invalid API key" with any status)."""

    retryable = False


class EdgeImpulseRefusedError(EdgeImpulseServiceError):
    """The service rejected the request: ``success: false``, or a 4xx that a retry cannot change."""

    retryable = False


class EdgeImpulseTooLargeError(EdgeImpulseRefusedError):
    """413: the request is larger than the service, or a proxy in front of it, accepts."""


class EdgeImpulseNotFoundError(EdgeImpulseRefusedError):
    """404: no such organization, dataset or data item, or the connection's host is not Edge Impulse Studio."""


class EdgeImpulseRedirectError(EdgeImpulseServiceError):
    """The host redirected. Redirects are not followed: they would drop the body or send the key elsewhere."""

    retryable = False


class EdgeImpulseRateLimitError(EdgeImpulseServiceError):
    """429: too many requests.

    :ivar retry_after: seconds that the service asked to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **kwargs: object) -> None:
        super().__init__(message, **kwargs)  # type: ignore[arg-type]
        self.retry_after = retry_after

    @property
    def throttled(self) -> bool:
        """True: the service asked for fewer requests."""
        return True


class EdgeImpulseUnavailableError(EdgeImpulseServiceError):
    """No usable response: a connection error, a timeout, or a 5xx.

    :ivar ambiguous: True when the service may have carried out the request all the same.
    :ivar retry_after: seconds that the service asked to wait, or None.
    :ivar timed_out: True when the service took too long for this request: it may still answer another one.
    """

    def __init__(
        self,
        message: str,
        *,
        ambiguous: bool = True,
        retry_after: float | None = None,
        timed_out: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(message, **kwargs)  # type: ignore[arg-type]
        self.ambiguous = ambiguous
        self.retry_after = retry_after
        self.timed_out = timed_out

    @property
    def throttled(self) -> bool:
        """Whether the service asked for fewer requests: 503 with ``Retry-After``."""
        return self.status == HTTPStatus.SERVICE_UNAVAILABLE and self.retry_after is not None


class EdgeImpulseResponseError(EdgeImpulseServiceError):
    """A 2xx response is not what the API promises: not JSON, a missing field, an incomplete listing."""


class EdgeImpulseFilterError(EdgeImpulseResponseError):
    """The service cannot parse the filter of a listing."""


class EdgeImpulseLargeResponseError(EdgeImpulseResponseError):
    """The response is larger than this client reads. Ask for less at once; the same request is not retried."""


def _with_subclasses(kind: type[EdgeImpulseError]) -> Iterator[type[EdgeImpulseError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _with_subclasses(subclass)
