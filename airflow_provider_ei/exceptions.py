"""What can go wrong between a task and Edge Impulse.

Every error is an :class:`EdgeImpulseError`; its text says what was wrong, where, and what to do. ``retryable``
tells whether trying again can help: the operators turn a permanent error into ``AirflowFailException``, so that
Airflow does not spend a task's retries on it, and let a passing one through, so that it does.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_ei.redaction import safe_text


class EdgeImpulseError(Exception):
    """Anything that this package raises on its own account.

    Its text shows no secret and no control character, whatever it was made of.
    """

    #: True when the same call fails again however often it is tried.
    retryable: bool = True

    def __init__(self, message: object = "", *args: object) -> None:
        super().__init__(safe_text(message) if isinstance(message, str) else message, *args)

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is otherwise made again by calling its class with nothing but its text, which fails for a
        # class that needs more, and loses what the text does not say.
        return copyreg.__newobj__, (type(self), *self.args), vars(self) or None  # type: ignore[attr-defined]

    def to_event(self) -> dict[str, Any]:
        """Return the error as a JSON object, for the event of a trigger; :meth:`from_event` makes it again."""
        facts = {name: value for name, value in vars(self).items() if isinstance(value, str | int | float | None)}
        return {"error": str(self), "kind": type(self).__name__, "retryable": self.retryable, "facts": facts}

    @staticmethod
    def from_event(event: Mapping[str, Any]) -> EdgeImpulseError:
        """Make the error of an event again, of its own class.

        A class that this version does not know becomes an :class:`EdgeImpulseError`.
        """
        kinds = {kind.__name__: kind for kind in _this_and_below(EdgeImpulseError)}
        kind = kinds.get(event.get("kind", ""), EdgeImpulseError)
        error = kind.__new__(kind, event["error"])
        vars(error).update(event.get("facts", {}))
        if error.retryable != event["retryable"]:
            error.retryable = event["retryable"]
        return error


class EdgeImpulseConfigError(EdgeImpulseError):
    """The Airflow connection is incomplete or contradicts itself; nothing was sent."""

    retryable = False


class EdgeImpulseInputError(EdgeImpulseError, ValueError):
    """A name, a file, a metadata value or a parameter cannot be uploaded as given; nothing was sent."""

    retryable = False


class EdgeImpulseConflictError(EdgeImpulseError):
    """A data item of that name is there already and ``if_exists`` does not allow to touch it."""

    retryable = False


class EdgeImpulseFileError(EdgeImpulseError):
    """A source file changed, vanished or could not be read while it was being sent.

    It is no ``OSError``, because HTTP libraries report those as a fault of the network. The request is cut off,
    so that the service never stores half a file. It passes: by the next try the file may be at rest.
    """


class EdgeImpulseCancelledError(EdgeImpulseError):
    """The task was told to stop. An item that was being uploaded stays pending, and the next run completes it."""


class EdgeImpulseDeleteLimitError(EdgeImpulseError):
    """A sync would delete more data items than it may; nothing was changed."""

    retryable = False


class EdgeImpulseSyncError(EdgeImpulseError):
    """Some data items of a sync have failed; the others are in step. The next run does only what is left.

    :ivar summary: what the sync has done, with the names and reasons of what failed.
    """

    def __init__(self, message: str, *, summary: Mapping[str, Any], retryable: bool) -> None:
        super().__init__(message)
        self.summary = summary
        self.retryable = retryable


class EdgeImpulseServiceError(EdgeImpulseError):
    """The service refused, failed or could not be reached.

    :ivar operation: operation id of the API, for instance ``addOrganizationDataItem``.
    :ivar status: HTTP status, or None when no answer arrived.
    :ivar server_text: the service's own words, shortened, or None.
    """

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


class EdgeImpulseAuthError(EdgeImpulseServiceError):
    """The API key is wrong, or it may not do this (401, 403, or "Invalid API key" with any status)."""

    retryable = False


class EdgeImpulseRefusedError(EdgeImpulseServiceError):
    """The service understood and said no: ``success: false``, or a 4xx that no new try can change."""

    retryable = False


class EdgeImpulseTooLargeError(EdgeImpulseRefusedError):
    """413: the request is larger than the service, or a proxy before it, takes. A smaller one may pass."""


class EdgeImpulseNotFoundError(EdgeImpulseRefusedError):
    """404: no such organization, dataset or data item, or the connection's host is not Edge Impulse Studio."""


class EdgeImpulseRedirectError(EdgeImpulseServiceError):
    """The host answered with a redirect. None is followed: it would drop the body or carry the key elsewhere."""

    retryable = False


class EdgeImpulseRateLimitError(EdgeImpulseServiceError):
    """429: too many requests.

    :ivar retry_after: seconds that the service asked to wait, or None when it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, **kwargs: object) -> None:
        super().__init__(message, **kwargs)  # type: ignore[arg-type]
        self.retry_after = retry_after


class EdgeImpulseUnavailableError(EdgeImpulseServiceError):
    """No usable answer: a connection or timeout fault, or a 5xx.

    :ivar ambiguous: True when the service may have carried the request out all the same.
    :ivar retry_after: seconds that the service asked to wait, or None.
    """

    def __init__(
        self, message: str, *, ambiguous: bool = True, retry_after: float | None = None, **kwargs: object
    ) -> None:
        super().__init__(message, **kwargs)  # type: ignore[arg-type]
        self.ambiguous = ambiguous
        self.retry_after = retry_after


class EdgeImpulseResponseError(EdgeImpulseServiceError):
    """The answer arrived with a 2xx but is not what the API promises: no JSON, a field missing, a short listing."""


class EdgeImpulseLargeResponseError(EdgeImpulseResponseError):
    """The answer is larger than this client reads. Ask for less at once; the same request is not tried again."""


def _this_and_below(kind: type[EdgeImpulseError]) -> Iterator[type[EdgeImpulseError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _this_and_below(below)
