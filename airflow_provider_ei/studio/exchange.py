"""Sends one request and reads its response; turns the errors of the HTTP libraries into those of this package."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import urlsplit

from requests import RequestException, Response
from urllib3.exceptions import HTTPError

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.studio.cancellation import CancelFlag
from airflow_provider_ei.studio.connection_errors import connection_error
from airflow_provider_ei.studio.server_text import printable_excerpt
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.studio.transport import StudioSession

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Exchange:
    """Sends single requests through a session.

    :param settings: base URL and timeouts.
    :param cancelled: tells a request that was aborted from one that failed.
    """

    def __init__(self, session: StudioSession, settings: StudioSettings, cancelled: CancelFlag) -> None:
        self._session = session
        self._settings = settings
        self._cancelled = cancelled

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        read: Callable[[Response], _T],
        *,
        max_bytes: int | None,
        **kwargs: Any,
    ) -> _T:
        """Send a request, and return what ``read`` returns for the response.

        :param path: below the base URL.
        :param max_bytes: maximum size of the response; None for no limit.
        :param kwargs: the query, headers and body, passed to requests.
        :raises EdgeImpulseCancelledError: when the client was cancelled in the meantime.
        :raises EdgeImpulseError: when there is no response, or ``read`` raises one.
        """
        settings, session = self._settings, self._session
        session.has_sent = False
        session.expect(seconds=settings.read_timeout, most_bytes=max_bytes)
        try:
            with session.request(
                method,
                settings.base_url + path,
                timeout=(settings.connect_timeout, settings.read_timeout),
                allow_redirects=False,
                stream=True,
                **kwargs,
            ) as response:
                return read(response)
        except EdgeImpulseError:
            raise
        except (RequestException, HTTPError, HTTPException, OSError, UnicodeError) as error:
            failure: Exception = error
        except (TypeError, ValueError) as error:  # requests raises these for a proxy's address without a host
            if session.has_sent:
                raise
            failure = error
        self._cancelled.check()
        # Raised outside the except block: Python would attach the library's error, whose message may contain secrets.
        log.debug("%s: %s", operation, printable_excerpt(repr(failure)))
        host = urlsplit(settings.base_url).netloc
        raise connection_error(failure, operation, host, has_sent=session.has_sent)
