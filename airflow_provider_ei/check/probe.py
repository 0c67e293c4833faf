"""Reads the service's responses as they are: status, headers, time and TLS, whether they report success or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from requests import Response

from airflow_provider_ei.studio.cancellation import CancelFlag
from airflow_provider_ei.studio.decoding import json_object
from airflow_provider_ei.studio.exchange import Exchange
from airflow_provider_ei.studio.reading import LISTING_BYTES, read_beginning, read_body
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.studio.transport import open_session


@dataclass(frozen=True)
class Seen:
    """A response.

    :ivar body: its JSON object; None for anything else.
    :ivar date: the header ``Date``.
    :ivar seconds: from the request to the end of the response.
    :ivar tls: the version of TLS; None without TLS.
    """

    status: int
    body: dict[str, Any] | None
    date: str | None
    seconds: float
    tls: str | None

    @property
    def succeeded(self) -> bool:
        """Whether the service reports success."""
        return 200 <= self.status < 300 and self.body is not None and self.body.get("success") is True

    @property
    def items(self) -> list[dict[str, Any]]:
        """The data items of a listing; empty if there are none."""
        data = (self.body or {}).get("data")
        return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []


class Probe:
    """Sends GET requests with one key, each once. As a context manager, it closes its connection.

    :param clock: seconds, for measuring.
    :ivar seen: all responses.
    """

    def __init__(self, settings: StudioSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._session = open_session(settings.api_key, write_timeout=settings.write_timeout, connections=1)
        self._exchange = Exchange(self._session, settings, CancelFlag())
        self.seen: list[Seen] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def get(self, operation: str, path: str, **query: object) -> Seen:
        """Send a request and return the response, whatever its status is.

        :param operation: operation id of the API, for errors.
        :raises EdgeImpulseError: when no complete response arrives.
        """
        begun = self._clock()

        def read(response: Response) -> Seen:
            tls = _tls_version(response)
            body = json_object(read_body(response, LISTING_BYTES))
            return Seen(response.status_code, body, response.headers.get("Date"), self._clock() - begun, tls)

        seen = self._exchange.send(operation, "GET", path, read, max_bytes=LISTING_BYTES, params=query)
        self.seen.append(seen)
        return seen

    def first_bytes(self, operation: str, path: str, count: int) -> bytes:
        """Return the beginning of a download; empty if it is refused.

        :raises EdgeImpulseError: when no response arrives.
        """

        def read(response: Response) -> bytes:
            return read_beginning(response, count)[:count] if response.status_code == 200 else b""

        return self._exchange.send(operation, "GET", path, read, max_bytes=None, headers={"Accept": "*/*"})


def _tls_version(response: Response) -> str | None:
    """Return the version of TLS of the connection that carries a response. Its body must not have been read."""
    connection = getattr(response.raw, "connection", None)
    version = getattr(getattr(connection, "sock", None), "version", None)
    return version() if version is not None else None
