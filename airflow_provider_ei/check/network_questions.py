"""Questions about the way to the service: TLS, proxy, clock, time of a request."""

from __future__ import annotations

import os
import statistics
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from requests.utils import get_environ_proxies, select_proxy

from airflow_provider_ei.check.probe import Probe
from airflow_provider_ei.check.questions import NotKnownError, Question, Value
from airflow_provider_ei.studio.settings import StudioSettings


class Reached(Protocol):
    """What these questions need: an organization or a project under check."""

    settings: StudioSettings
    probe: Probe


def _tls(service: Reached) -> Value:
    if not service.probe.seen:
        raise NotKnownError("the service did not answer")
    return service.probe.seen[-1].tls or "none"


def _authorities(service: Reached) -> Value:
    if not service.settings.base_url.startswith("https:"):
        raise NotKnownError("the connection does not use TLS")
    is_own = any(os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    return "environment" if is_own else "default"


def _proxy(service: Reached) -> Value:
    url = service.settings.base_url
    return select_proxy(url, get_environ_proxies(url, no_proxy=None)) is not None


def _clock(service: Reached) -> Value:
    """Whole seconds: the header has no fractions."""
    for seen in reversed(service.probe.seen):
        try:
            date = parsedate_to_datetime(seen.date or "")
        except (TypeError, ValueError):
            continue
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        difference = (datetime.now(UTC) - date).total_seconds()
        return 0 if 0 <= difference < 2 else round(difference)
    raise NotKnownError("the service does not tell its time")


def _seconds(service: Reached) -> Value:
    if not service.probe.seen:
        raise NotKnownError("the service did not answer")
    return round(statistics.median(seen.seconds for seen in service.probe.seen), 3)


QUESTIONS: tuple[Question[Reached], ...] = (
    Question(
        "tls",
        "Is the connection encrypted?",
        _tls,
        {"none": "The API key travels in the clear: use https unless the service is on this machine."},
        "Yes, with this version of TLS.",
    ),
    Question(
        "authorities",
        "Whose certificates are trusted?",
        _authorities,
        {
            "default": "Those of the public authorities.",
            "environment": "Those of REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: set it on every worker and the triggerer.",
        },
    ),
    Question(
        "proxy",
        "Is there a proxy on the way?",
        _proxy,
        {
            True: "From the environment: set it on every worker and the triggerer. It may limit the size of requests.",
            False: "No.",
        },
    ),
    Question(
        "clock_difference",
        "By how many seconds do the clocks differ?",
        _clock,
        {0: "Not at all."},
        "Correct the clock of this machine, or the service's, if it is more than a few seconds.",
    ),
    Question(
        "request_seconds",
        "How many seconds does a request take?",
        _seconds,
        otherwise="A small upload takes three requests; workers send several items at once.",
    ),
)
