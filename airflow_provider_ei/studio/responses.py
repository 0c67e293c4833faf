"""Decides what an answer, or the lack of one, means.

By status first, then by ``success is True``: the service reports its own errors with status 200, and proxies answer
in its place with HTML. Each error says first what to do, since a log's view cuts long lines; operation and status stand
at the end.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import requests
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ProxySchemeUnknown,
    ProxySchemeUnsupported,
    ReadTimeoutError,
)

from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseConfigError,
    EdgeImpulseError,
    EdgeImpulseLargeResponseError,
    EdgeImpulseNotFoundError,
    EdgeImpulseRateLimitError,
    EdgeImpulseRedirectError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseServiceError,
    EdgeImpulseTooLargeError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.redaction import know_proxies, longest_secret, safe_text
from airflow_provider_ei.studio.reading import (
    AnswerTooLargeError,
    allowance_of,
    raw_blocks,
    read_beginning,
    read_body,
)
from airflow_provider_ei.studio.retry import parse_retry_after

#: How much of the service's own words an error carries, in characters.
SERVER_TEXT_LIMIT = 400

#: How much of a text of theirs is looked at, in characters.
SEARCHED_CHARACTERS = 4096

#: How much of an answer that is an error is read, in bytes.
ERROR_BYTES = 64 * 1024

#: Bytes of memory that reading one JSON answer may take, about.
MAX_JSON_MEMORY = 96 * 1024 * 1024

_CHECK_HOST = "Check Host (Studio base URL) of the connection, such as https://studio.edgeimpulse.com/v1"
_CHECK_KEY = "Check Password (API key) of the connection"
_CHECK_PROXY = "Check the proxy in the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY)"
_TAG = re.compile(r"(<[^<>]*>)")


def read_answer(response: requests.Response, operation: str, max_bytes: int) -> dict[str, Any]:
    """Return the JSON object of a successful answer.

    :param max_bytes: of the body.
    :raises EdgeImpulseServiceError: the precise subclass for anything else.
    """
    status = response.status_code
    if not 200 <= status < 300:
        raise _refusal(response, operation)
    try:
        body = read_body(response, max_bytes)
        if _json_memory(body) > MAX_JSON_MEMORY:
            raise AnswerTooLargeError
    except AnswerTooLargeError:
        error: EdgeImpulseServiceError = _large_answer(operation, status)
    else:
        answer = _json_object(body)
        if answer is not None and answer.get("success") is True:
            return answer
        error = _no_success(response, operation, answer, body)
    raise error


def read_file(
    response: requests.Response, operation: str, on_block: Callable[[bytes], object], check: Callable[[], None]
) -> int:
    """Hand on the bytes of a file.

    The status and the headers tell a file from an error, not the content: a file may itself be JSON.

    :param check: called before each block; it may raise.
    :return: the number of bytes.
    :raises EdgeImpulseServiceError: the precise subclass when the answer is not a whole file.
    """
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    disposition = response.headers.get("Content-Disposition", "").partition(";")[0].strip().lower()
    if not 200 <= response.status_code < 300:
        raise _refusal(response, operation)
    is_file = kind == "application/octet-stream" or disposition == "attachment"
    if response.status_code != HTTPStatus.OK or not is_file:
        body = read_beginning(response, ERROR_BYTES)
        raise _no_success(response, operation, _json_object(body), body)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    transfer = response.headers.get("Transfer-Encoding", "chunked").strip().lower()
    has_end = response.raw.chunked or response.raw.length_remaining is not None
    if encoding != "identity" or transfer != "chunked" or not has_end:
        raise EdgeImpulseResponseError(
            "Look for a proxy that changes answers: the file arrives without a length or in a compression that was not "
            f"asked for, so that nobody can tell whether it is whole. {_label(operation, response.status_code)}",
            operation=operation,
            status=response.status_code,
        )
    allowance = allowance_of(response)
    count = 0
    for block in raw_blocks(response):
        check()
        on_block(block)
        count += len(block)
        allowance.renew()  # for the next block: a large file may take its time
    return count


def read_failure(error: Exception, operation: str, host: str, *, has_sent: bool) -> EdgeImpulseError:
    """Return the error that stands for a request without an answer.

    :param has_sent: whether any byte of it left; if none did, it certainly was not carried out.
    """
    know_proxies()
    cause = _root(error)
    words = printable(str(cause)) or type(cause).__name__
    label = f"({operation})"
    if isinstance(cause, AnswerTooLargeError):
        return _large_answer(operation, None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return EdgeImpulseConfigError(
            f"Check Host of the connection, or set REQUESTS_CA_BUNDLE for the workers to an authority of your own: the "
            f"certificate of {host} is not trusted: {cause.verify_message}. {label}"
        )
    if isinstance(cause, _BAD_PROXIES):
        return EdgeImpulseConfigError(f"{_CHECK_PROXY}: it cannot be used: {words} {label}")
    if isinstance(cause, requests.exceptions.InvalidURL | LocationValueError | UnicodeError):
        return EdgeImpulseConfigError(f"{_CHECK_HOST}: {host!r} is not a host name: {words}. {label}")
    if isinstance(error, TypeError | ValueError) and not isinstance(error, requests.RequestException):
        return EdgeImpulseConfigError(f"{_CHECK_PROXY}: it cannot be used: {words}. {label}")
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        # requests says so itself when a file that the environment names, such as REQUESTS_CA_BUNDLE, is not there.
        return EdgeImpulseConfigError(f"Check the environment of the worker: {words}. {label}")
    if isinstance(error, requests.exceptions.ProxyError):
        what = f"{_CHECK_PROXY}: the proxy on the way to {host} failed: {words}."
    elif isinstance(cause, NameResolutionError):
        what = f"{_CHECK_HOST}: the host name {host} is not known."
    elif isinstance(error, requests.exceptions.ConnectTimeout):
        what = f"{_CHECK_HOST}: no connection to {host} within the connect timeout."
    elif isinstance(cause, NewConnectionError):
        what = f"{_CHECK_HOST}: no connection to {host}: {words.rpartition(': ')[2]}."
    elif isinstance(cause, ssl.SSLError) and not has_sent:
        what = f"Is it http://? If so, write that before Host in the connection: {host} does not speak TLS: {words}."
    elif not has_sent:
        what = f"{_CHECK_HOST}: no connection to {host}: {words}."
    elif isinstance(error, requests.exceptions.Timeout | ReadTimeoutError):
        what = f"Try again later: {host} did not answer within the read timeout."
    else:
        what = f"Try again: the connection to {host} was lost before the answer was complete: {words}."
    return EdgeImpulseUnavailableError(f"{what} {label}", ambiguous=has_sent, operation=operation)


#: What requests and urllib3 raise for a proxy that they cannot use, before anything is sent.
_BAD_PROXIES = (
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
    ProxySchemeUnknown,
    ProxySchemeUnsupported,
)


def may_be_done(error: BaseException) -> bool:
    """Whether the service may have carried the request out, now or in a moment, although there was no usable answer."""
    if isinstance(error, EdgeImpulseUnavailableError):
        return error.ambiguous
    return isinstance(error, EdgeImpulseResponseError)


def wants_new_try(error: BaseException, *, idempotent: bool) -> bool:
    """Whether the same request may be sent again.

    One that is not idempotent only when it certainly was not carried out.
    """
    passes = isinstance(error, EdgeImpulseServiceError) and error.retryable
    return passes and not isinstance(error, EdgeImpulseLargeResponseError) and (idempotent or not may_be_done(error))


def printable(text: str) -> str:
    """Return words of a server as an error may show them: on one line, shortened, without secrets and controls."""
    words = " ".join(safe_text(text[:SEARCHED_CHARACTERS]).split())
    if len(text) > SEARCHED_CHARACTERS:
        words = words[: -max(1, longest_secret())]  # the half of a secret at the cut
    return words if len(words) <= SERVER_TEXT_LIMIT else words[:SERVER_TEXT_LIMIT] + "…"


def _refusal(response: requests.Response, operation: str) -> EdgeImpulseServiceError:
    """Return the error for a status other than 2xx."""
    status = response.status_code
    body = read_beginning(response, ERROR_BYTES)
    words = _server_text(_json_object(body), body)
    said = f": {words}" if words else ""
    label = _label(operation, status)
    facts: dict[str, Any] = {"operation": operation, "status": status, "server_text": words or None}
    retry_after = parse_retry_after(response.headers.get("Retry-After"))
    if 300 <= status < 400:
        # Without its query, which may carry a token.
        target = printable(response.headers.get("Location", "").partition("?")[0])
        return EdgeImpulseRedirectError(
            f"{_CHECK_HOST}: it redirects to {target or 'nowhere'}. Redirects are not followed, since the key would "
            f"travel along. {label}",
            **facts,
        )
    if status in (401, 403) or _is_about_the_key(words):
        return _wrong_key(words, label, facts)
    if status == 404:
        return EdgeImpulseNotFoundError(
            f"Check the organization id, and Host (Studio base URL) of the connection: not found{said}. {label}",
            **facts,
        )
    if status == 413:
        return EdgeImpulseTooLargeError(
            "Lower batch_bytes or batch_files of the connection: the request is larger than the service, or a proxy "
            f"before it, takes{said}. {label}",
            **facts,
        )
    if status == 429:
        return EdgeImpulseRateLimitError(
            "Send fewer requests at once (workers, a pool), or raise throttle_patience of the connection: "
            f"the service is throttling{said}. {label}",
            retry_after=retry_after,
            **facts,
        )
    if status in (408, 425) or (status >= 500 and status != 501):
        # 408 and 5xx may come from a proxy that lost patience while the service went on.
        return EdgeImpulseUnavailableError(
            f"Try again later: the service is not available{said}. {label}",
            ambiguous=True,
            retry_after=retry_after,
            **facts,
        )
    return EdgeImpulseRefusedError(f"Edge Impulse refused: {words or 'it gave no reason'}. {label}", **facts)


def _no_success(
    response: requests.Response, operation: str, answer: dict[str, Any] | None, body: bytes | bytearray
) -> EdgeImpulseServiceError:
    """Return the error for a 2xx that is no success."""
    words = _server_text(answer, body)
    label = _label(operation, response.status_code)
    facts: dict[str, Any] = {
        "operation": operation,
        "status": response.status_code,
        "server_text": words or None,
    }
    if _is_about_the_key(words):
        return _wrong_key(words, label, facts)
    if answer is None:
        said = f": {words}" if words else ""
        return EdgeImpulseResponseError(f"{_CHECK_HOST}: the answer is not that of the API{said}. {label}", **facts)
    if answer.get("success") is not False:
        said = f": {words}" if words else ""
        return EdgeImpulseResponseError(
            f"{_CHECK_HOST}: the answer does not say whether it succeeded{said}. {label}", **facts
        )
    return EdgeImpulseRefusedError(f"Edge Impulse refused: {words or 'it gave no reason'}. {label}", **facts)


def _wrong_key(words: str, label: str, facts: dict[str, Any]) -> EdgeImpulseAuthError:
    said = f": {words}" if words else ""
    return EdgeImpulseAuthError(
        f"{_CHECK_KEY}: it is refused{said}. It has to be a key of the organization (Studio: organization, API keys) "
        f"whose role may do this. {label}",
        **facts,
    )


def _is_about_the_key(words: str) -> bool:
    return "invalid api key" in words.lower()


def _large_answer(operation: str, status: int | None) -> EdgeImpulseLargeResponseError:
    return EdgeImpulseLargeResponseError(
        f"{_CHECK_HOST}: the answer is larger than any that is expected there. {_label(operation, status)}",
        operation=operation,
        status=status,
    )


def _label(operation: str, status: int | None) -> str:
    if status is None:
        return f"({operation})"
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"({operation}, HTTP {status} {phrase}".rstrip() + ")"


def _json_memory(body: bytearray) -> int:
    """Estimate the bytes that a JSON text takes once it is read: twice as text, and about 40 for each value."""
    width = 1 if body.isascii() else 4
    return 2 * width * len(body) + 40 * sum(map(body.count, (b",", b":", b"[", b"{")))


def _json_object(body: bytes | bytearray) -> dict[str, Any] | None:
    """Read JSON, which is UTF-8 whatever a header says, with or without a byte order mark."""
    try:
        value = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _server_text(answer: dict[str, Any] | None, body: bytes | bytearray) -> str:
    if answer is not None:
        return printable(str(answer.get("error") or answer.get("message") or ""))
    beginning = body[: 4 * SEARCHED_CHARACTERS].decode("utf-8-sig", errors="replace")
    return printable(_page_text(beginning[:SEARCHED_CHARACTERS]))


def _page_text(text: str) -> str:
    """Return what a page shows, without its tags, scripts and styles."""
    parts: list[str] = []
    hidden = ""
    for part in _TAG.split(text):
        name = part[1:].lstrip("/").partition(" ")[0].rstrip(">").lower() if part.startswith("<") else None
        if hidden:
            hidden = "" if part.startswith("</") and name == hidden else hidden
        elif name in ("script", "style") and not part.startswith("</"):
            hidden = str(name)
        else:
            parts.append(" " if part.startswith("<") and part.endswith(">") else part)
    return "".join(parts)


def _root(error: BaseException) -> BaseException:
    """Dig out what happened: requests and urllib3 wrap it in two or three layers, as argument or as reason."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in reversed(error.args) if isinstance(a, BaseException)), None)
        if inner is None or (isinstance(error, NewConnectionError) and isinstance(error, HTTPError)):
            return error
        error = inner
