"""Decides what an answer, or the lack of one, means.

By status first, then by ``success is True``: the service reports its own errors with status 200, and proxies answer
in its place with HTML.
"""

from __future__ import annotations

import re
import ssl
from http import HTTPStatus
from typing import Any

import requests
from urllib3.exceptions import HTTPError, LocationValueError, NameResolutionError, NewConnectionError

from airflow_provider_ei.exceptions import (
    EdgeImpulseAnswerError,
    EdgeImpulseAuthError,
    EdgeImpulseConfigError,
    EdgeImpulseError,
    EdgeImpulseNotFoundError,
    EdgeImpulseRedirectError,
    EdgeImpulseRefusedError,
    EdgeImpulseServiceError,
    EdgeImpulseThrottledError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.studio.retry import parse_retry_after

#: How much of the service's own words an error carries, in characters.
SERVER_TEXT_LIMIT = 400

_CHECK_HOST = "Check Host (Studio base URL) of the connection, such as https://studio.edgeimpulse.com/v1."
_CHECK_KEY = (
    "Check Password (API key) of the connection: a key of the organization (Studio: organization, API keys) "
    "whose role may do this."
)


def read_answer(response: requests.Response, operation: str, api_key: str) -> dict[str, Any]:
    """Return the JSON object of a successful answer.

    :raises EdgeImpulseServiceError: the precise subclass for anything else.
    """
    status = response.status_code
    answer = _json_object(response)
    words = _server_text(response, answer, api_key)
    if 200 <= status < 300 and answer is not None and answer.get("success") is True:
        return answer
    label = f"{operation}: HTTP {status} {_phrase(status)}".rstrip()
    said = f"{label}: {words}" if words else label
    facts: dict[str, Any] = {"operation": operation, "status": status, "server_text": words or None}
    if 300 <= status < 400:
        # Without its query, which may carry a token.
        target = response.headers.get("Location", "").partition("?")[0].replace(api_key, "***")
        raise EdgeImpulseRedirectError(
            f"{label} to {target or 'nowhere'}. Redirects are not followed, since the key would travel along. "
            f"{_CHECK_HOST}",
            **facts,
        )
    if status in (401, 403) or "invalid api key" in words.lower():
        raise EdgeImpulseAuthError(f"{said}. {_CHECK_KEY}", **facts)
    if status == 404:
        raise EdgeImpulseNotFoundError(
            f"{said}. Check the organization id, and Host (Studio base URL) of the connection.", **facts
        )
    if status == 429:
        retry_after = parse_retry_after(response.headers.get("Retry-After"))
        raise EdgeImpulseThrottledError(f"{said}. The service is throttling.", retry_after=retry_after, **facts)
    if status == 413:
        raise EdgeImpulseRefusedError(f"{said}. The request is larger than the service takes.", **facts)
    if status in (408, 425) or (status >= 500 and status != 501):
        # 408 and 5xx may come from a proxy that lost patience while the service went on.
        retry_after = parse_retry_after(response.headers.get("Retry-After"))
        raise EdgeImpulseUnavailableError(f"{said}.", ambiguous=True, retry_after=retry_after, **facts)
    if 200 <= status < 300:
        if answer is None:
            raise EdgeImpulseAnswerError(f"{said}. The answer is not JSON. {_CHECK_HOST}", **facts)
        if answer.get("success") is not False:
            raise EdgeImpulseAnswerError(
                f"{said}. The answer does not say whether it succeeded. {_CHECK_HOST}", **facts
            )
        raise EdgeImpulseRefusedError(f"{operation}: Edge Impulse refused: {words or 'it gave no reason'}", **facts)
    raise EdgeImpulseRefusedError(f"{said}.", **facts)


def read_failure(error: Exception, operation: str, host: str, *, has_sent: bool) -> EdgeImpulseError:
    """Return the error that stands for a request without an answer.

    :param has_sent: whether any byte of it left; if none did, it certainly was not carried out.
    """
    cause = _root(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return EdgeImpulseConfigError(
            f"{operation}: the certificate of {host} is not trusted: {cause.verify_message}. Check Host of the "
            "connection; for an authority of your own set REQUESTS_CA_BUNDLE for the workers."
        )
    if isinstance(cause, requests.exceptions.InvalidURL | LocationValueError | UnicodeError):
        return EdgeImpulseConfigError(f"{operation}: {host!r} is no host name: {cause}. {_CHECK_HOST}")
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        # requests says so itself when a file that the environment names, such as REQUESTS_CA_BUNDLE, is not there.
        return EdgeImpulseConfigError(f"{operation}: {error}.")
    if isinstance(error, requests.exceptions.ProxyError):
        what = f"the proxy on the way to {host} failed: {cause}."
    elif isinstance(cause, NameResolutionError):
        what = f"the host name {host} is not known. {_CHECK_HOST}"
    elif isinstance(error, requests.exceptions.ConnectTimeout):
        what = f"no connection to {host} within the connect time-out. {_CHECK_HOST}"
    elif isinstance(cause, NewConnectionError):
        what = f"no connection to {host}: {str(cause).rpartition(': ')[2]}. {_CHECK_HOST}"
    elif not has_sent:
        what = f"no connection to {host}: {str(cause) or type(cause).__name__}. {_CHECK_HOST}"
    elif isinstance(error, requests.exceptions.Timeout):
        what = f"{host} did not answer within the read time-out."
    else:
        what = f"the connection to {host} was lost before the answer: {str(cause) or type(cause).__name__}."
    return EdgeImpulseUnavailableError(f"{operation}: {what}", ambiguous=has_sent, operation=operation)


def may_be_done(error: BaseException) -> bool:
    """Whether the service may have carried the request out, now or in a moment, although there was no usable answer."""
    if isinstance(error, EdgeImpulseUnavailableError):
        return error.ambiguous
    return isinstance(error, EdgeImpulseAnswerError)


def wants_new_try(error: BaseException, *, idempotent: bool) -> bool:
    """Whether the same request may be sent again.

    One that is not idempotent only when it certainly was not carried out.
    """
    passes = isinstance(error, EdgeImpulseServiceError) and not error.permanent
    return passes and (idempotent or not may_be_done(error))


def _json_object(response: requests.Response) -> dict[str, Any] | None:
    try:
        value = response.json()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _server_text(response: requests.Response, answer: dict[str, Any] | None, api_key: str) -> str:
    if answer is not None:
        text = str(answer.get("error") or answer.get("message") or "")
    else:
        text = re.sub(r"(?is)<(script|style).*?</\1>|<[^>]*>", " ", response.text)
    return shown(text, api_key)


def shown(text: str, api_key: str) -> str:
    """Return the service's words as an error may show them: on one line, shortened, without the key."""
    text = " ".join(text.split()).replace(api_key, "***")
    return text if len(text) <= SERVER_TEXT_LIMIT else text[:SERVER_TEXT_LIMIT] + "…"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _root(error: BaseException) -> BaseException:
    """Dig out what happened: requests and urllib3 wrap it in two or three layers, as argument or as reason."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in reversed(error.args) if isinstance(a, BaseException)), None)
        if inner is None or (isinstance(error, NewConnectionError) and isinstance(error, HTTPError)):
            return error
        error = inner
