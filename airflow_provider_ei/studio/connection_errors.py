"""Turns the exceptions of requests and urllib3 into errors that say what to do."""

from __future__ import annotations

import ssl

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

from airflow_provider_ei.exceptions import EdgeImpulseConfigError, EdgeImpulseError, EdgeImpulseUnavailableError
from airflow_provider_ei.redaction import know_proxies
from airflow_provider_ei.studio.reading import AnswerTooLargeError
from airflow_provider_ei.studio.responses import check_host, large_answer
from airflow_provider_ei.studio.server_text import printable_excerpt

_CHECK_PROXY = "Check the proxy in the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY)"

#: What requests and urllib3 raise for a proxy that they cannot use, before anything is sent.
_BAD_PROXIES = (
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
    ProxySchemeUnknown,
    ProxySchemeUnsupported,
)


def connection_error(error: Exception, operation: str, host: str, *, has_sent: bool) -> EdgeImpulseError:
    """Return the error for a request without a response.

    :param has_sent: whether any byte of the request was sent; if not, it certainly was not carried out.
    """
    know_proxies()
    cause = _root(error)
    words = printable_excerpt(str(cause)) or type(cause).__name__
    label = f"({operation})"
    if isinstance(cause, AnswerTooLargeError):
        return large_answer(operation, None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return EdgeImpulseConfigError(
            f"Check Host of the connection, or set REQUESTS_CA_BUNDLE for the workers to an authority of your own: the "
            f"certificate of {host} is not trusted: {cause.verify_message}. {label}"
        )
    if isinstance(cause, _BAD_PROXIES):
        return EdgeImpulseConfigError(f"{_CHECK_PROXY}: it cannot be used: {words} {label}")
    if isinstance(cause, requests.exceptions.InvalidURL | LocationValueError | UnicodeError):
        return EdgeImpulseConfigError(f"{check_host(operation)}: {host!r} is not a host name: {words}. {label}")
    if isinstance(error, TypeError | ValueError) and not isinstance(error, requests.RequestException):
        return EdgeImpulseConfigError(f"{_CHECK_PROXY}: it cannot be used: {words}. {label}")
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        # requests raises a plain OSError when a file named in the environment (such as REQUESTS_CA_BUNDLE) is missing.
        return EdgeImpulseConfigError(f"Check the environment of the worker: {words}. {label}")
    timed_out = False
    if isinstance(error, requests.exceptions.ProxyError):
        what = f"{_CHECK_PROXY}: the proxy on the way to {host} failed: {words}."
    elif isinstance(cause, NameResolutionError):
        what = f"{check_host(operation)}: the host name {host} is not known."
    elif isinstance(error, requests.exceptions.ConnectTimeout):
        what = f"{check_host(operation)}: no connection to {host} within the connect timeout."
    elif isinstance(cause, NewConnectionError):
        what = f"{check_host(operation)}: no connection to {host}: {words.rpartition(': ')[2]}."
    elif isinstance(cause, ssl.SSLError) and not has_sent:
        what = f"Is it http://? If so, write that before Host in the connection: {host} does not speak TLS: {words}."
    elif not has_sent:
        what = f"{check_host(operation)}: no connection to {host}: {words}."
    elif timed_out := isinstance(error, requests.exceptions.Timeout | ReadTimeoutError):
        what = f"Try again later: {host} did not answer within the read timeout."
    else:
        what = f"Try again: the connection to {host} was lost before the answer was complete: {words}."
    return EdgeImpulseUnavailableError(f"{what} {label}", ambiguous=has_sent, timed_out=timed_out, operation=operation)


def _root(error: BaseException) -> BaseException:
    """Return the root cause, which requests and urllib3 wrap two or three times, as an argument or as a reason."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in reversed(error.args) if isinstance(a, BaseException)), None)
        if inner is None or (isinstance(error, NewConnectionError) and isinstance(error, HTTPError)):
            return error
        error = inner
