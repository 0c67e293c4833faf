"""Turns HTTP responses into decoded responses or errors.

The status is checked first, then ``success is True``, because the service reports its own errors with status 200, and
proxies respond with HTML. Each error says first what to do, since log viewers truncate long lines; the operation and
the status are at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any

import requests

from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
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
from airflow_provider_ei.studio.decoding import decode_answer, json_object
from airflow_provider_ei.studio.models import AnswerT
from airflow_provider_ei.studio.reading import (
    AnswerTooLargeError,
    allowance_of,
    raw_blocks,
    read_beginning,
    read_body,
)
from airflow_provider_ei.studio.retry import parse_retry_after
from airflow_provider_ei.studio.server_text import printable_excerpt, server_text

#: Maximum number of bytes that are read of an error response.
ERROR_BYTES = 64 * 1024

#: Approximate maximum of bytes of memory that reading one JSON response may take.
MAX_JSON_MEMORY = 96 * 1024 * 1024

#: Id of the only operation of the ingestion service, which the API's description does not have.
UPLOAD_SAMPLES = "uploadSamples"

_CHECK_STUDIO = "Check Host (Studio base URL) of the connection, such as https://studio.edgeimpulse.com/v1"
_CHECK_INGESTION = "Check extra 'ingestion_host' of the connection, such as https://ingestion.edgeimpulse.com"

#: Content types of a downloaded file, unless told otherwise.
FILE_TYPES = ("application/octet-stream",)
_CHECK_KEY = "Check Password (API key) of the connection"


def read_answer(
    response: requests.Response, operation: str, max_bytes: int, kind: type[AnswerT]
) -> AnswerT | dict[str, Any]:
    """Return a successful response.

    :param max_bytes: maximum size of the body.
    :param kind: model of the response.
    :return: the decoded response; the plain JSON object if it does not match the model.
    :raises EdgeImpulseServiceError: a specific subclass for anything else.
    """
    status = response.status_code
    if not 200 <= status < 300:
        raise _refusal(response, operation)
    try:
        body = read_body(response, max_bytes)
        if _json_memory(body) > MAX_JSON_MEMORY:
            raise AnswerTooLargeError
    except AnswerTooLargeError:
        error: EdgeImpulseServiceError = large_answer(operation, status)
    else:
        answer = decode_answer(kind, body)
        if answer is not None and answer.success:
            return answer
        loose = json_object(body)
        if loose is not None and loose.get("success") is True:
            return loose
        error = _no_success(response, operation, loose, body)
    raise error


def read_file(
    response: requests.Response,
    operation: str,
    begin: Callable[[], Callable[[bytes], object]],
    check: Callable[[], None],
    *,
    file_types: Collection[str] = FILE_TYPES,
    on_headers: Callable[[Mapping[str, str]], None] = lambda headers: None,
) -> int:
    """Pass on the bytes of a file.

    The status and the headers distinguish a file from an error, not the content: a file may itself be JSON.

    :param begin: called before the first block; returns a function that is called with each block.
    :param check: called before each block; it may raise.
    :param file_types: content types of a file; any other one must come as an attachment.
    :param on_headers: called with the headers before ``begin``; it may raise.
    :return: the number of bytes.
    :raises EdgeImpulseServiceError: a specific subclass when the response is not a complete file.
    """
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    disposition = response.headers.get("Content-Disposition", "").partition(";")[0].strip().lower()
    if not 200 <= response.status_code < 300:
        raise _refusal(response, operation)
    is_file = kind in file_types or disposition == "attachment"
    if response.status_code != HTTPStatus.OK or not is_file:
        body = read_beginning(response, ERROR_BYTES)
        raise _no_success(response, operation, json_object(body), body)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    transfer = response.headers.get("Transfer-Encoding", "chunked").strip().lower()
    has_end = response.raw.chunked or response.raw.length_remaining is not None
    if encoding != "identity" or transfer != "chunked" or not has_end:
        raise EdgeImpulseResponseError(
            "Check for a proxy that changes responses: the file arrives without a length or in a compression that was "
            f"not requested, so it may be incomplete. {_label(operation, response.status_code)}",
            operation=operation,
            status=response.status_code,
        )
    on_headers(response.headers)
    on_block = begin()
    allowance = allowance_of(response)
    count = 0
    for block in raw_blocks(response):
        check()
        on_block(block)
        count += len(block)
        allowance.renew()  # for the next block: a large file may take its time
    return count


def _refusal(response: requests.Response, operation: str) -> EdgeImpulseServiceError:
    """Return the error for a status other than 2xx."""
    status = response.status_code
    body = read_beginning(response, ERROR_BYTES)
    words = server_text(json_object(body), body)
    said = f": {words}" if words else ""
    label = _label(operation, status)
    facts: dict[str, Any] = {"operation": operation, "status": status, "server_text": words or None}
    retry_after = parse_retry_after(response.headers.get("Retry-After"))
    if 300 <= status < 400:
        # The query is left out, since it may contain a token.
        target = printable_excerpt(response.headers.get("Location", "").partition("?")[0])
        return EdgeImpulseRedirectError(
            f"{check_host(operation)}: it redirects to {target or 'nowhere'}. Redirects are not followed, since the "
            f"key would travel along. {label}",
            **facts,
        )
    if status in (401, 403) or _is_about_the_key(words):
        return _wrong_key(response, words, label, facts)
    if status == 404:
        return EdgeImpulseNotFoundError(
            f"{_check_address(operation)}: not found{said}. {label}",
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
        # 408 and 5xx may come from a proxy that timed out while the service was still processing the request.
        return EdgeImpulseUnavailableError(
            f"Try again later: the service is not available{said}. {label}",
            ambiguous=True,
            retry_after=retry_after,
            timed_out=status == HTTPStatus.GATEWAY_TIMEOUT,
            **facts,
        )
    return EdgeImpulseRefusedError(f"Edge Impulse refused: {words or 'it gave no reason'}. {label}", **facts)


def _no_success(
    response: requests.Response, operation: str, answer: dict[str, Any] | None, body: bytes | bytearray
) -> EdgeImpulseServiceError:
    """Return the error for a 2xx response without ``success``."""
    words = server_text(answer, body)
    label = _label(operation, response.status_code)
    facts: dict[str, Any] = {
        "operation": operation,
        "status": response.status_code,
        "server_text": words or None,
    }
    if _is_about_the_key(words):
        return _wrong_key(response, words, label, facts)
    if answer is None:
        said = f": {words}" if words else ""
        return EdgeImpulseResponseError(
            f"{check_host(operation)}: the answer is not that of the API{said}. {label}", **facts
        )
    if answer.get("success") is not False:
        said = f": {words}" if words else ""
        return EdgeImpulseResponseError(
            f"{check_host(operation)}: the answer does not say whether it succeeded{said}. {label}", **facts
        )
    return EdgeImpulseRefusedError(f"Edge Impulse refused: {words or 'it gave no reason'}. {label}", **facts)


def _wrong_key(response: requests.Response, words: str, label: str, facts: dict[str, Any]) -> EdgeImpulseAuthError:
    said = f": {words}" if words else ""
    is_project = "/api/organizations" not in response.url
    owner = (
        "project (Studio: project, Dashboard, Keys)" if is_project else "organization (Studio: organization, API keys)"
    )
    return EdgeImpulseAuthError(
        f"{_CHECK_KEY}: it is refused{said}. It must be a key of the {owner} whose role may do this. {label}",
        **facts,
    )


def _is_about_the_key(server_text: str) -> bool:
    return "invalid api key" in server_text.lower()


def check_host(operation: str) -> str:
    """Return what to do when the host of an operation is probably not the right one."""
    return _CHECK_INGESTION if operation == UPLOAD_SAMPLES else _CHECK_STUDIO


def _check_address(operation: str) -> str:
    if operation == UPLOAD_SAMPLES:
        return _CHECK_INGESTION
    return "Check the organization id, and Host (Studio base URL) of the connection"


def large_answer(operation: str, status: int | None) -> EdgeImpulseLargeResponseError:
    """Return the error for a response that is larger than this client reads."""
    return EdgeImpulseLargeResponseError(
        f"{check_host(operation)}: the answer is larger than any that is expected there. {_label(operation, status)}",
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
    """Estimate the memory in bytes for decoding a JSON document: twice its text, and about 40 bytes for each value."""
    width = 1 if body.isascii() else 4
    return 2 * width * len(body) + 40 * sum(map(body.count, (b",", b":", b"[", b"{")))
