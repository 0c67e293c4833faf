"""When a sync stops early, and when it must not."""

from __future__ import annotations

import pytest

from airflow_provider_ei.exceptions import (
    EdgeImpulseError,
    EdgeImpulseFileError,
    EdgeImpulseRateLimitError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.sync.dataset.tally import Tally

LIMIT = 3
DOWN = EdgeImpulseUnavailableError("502", status=502)
THROTTLED = [
    pytest.param(EdgeImpulseRateLimitError("429", status=429), id="429"),
    pytest.param(EdgeImpulseUnavailableError("503", status=503, retry_after=1.0), id="503 with Retry-After"),
]


def failed(*errors: EdgeImpulseError) -> Tally:
    tally = Tally(LIMIT)
    for number, error in enumerate(errors):
        tally.fail(f"item {number}", error)
    return tally


def reason(tally: Tally) -> str:
    tally.not_tried("left")
    return tally.failures[-1]["reason"]


def test_a_service_without_answers_is_taken_to_be_down() -> None:
    assert not failed(*[DOWN] * (LIMIT - 1)).service_down
    tally = failed(*[DOWN] * LIMIT)
    assert tally.service_down
    assert reason(tally) == "Not tried: the 3 data items before it had no usable answer."


@pytest.mark.parametrize("error", THROTTLED)
def test_throttling_does_not_count_as_an_outage(error: EdgeImpulseError) -> None:
    tally = failed(*[DOWN] * (LIMIT - 1), error)
    tally.done("another", "created")
    assert not tally.service_down
    tally = failed(error, *[DOWN] * (LIMIT - 1))
    assert reason(tally) == "Not tried: the service has throttled all requests for longer than throttle_patience."


@pytest.mark.parametrize("error", THROTTLED)
def test_when_patience_with_throttling_is_over_the_others_are_not_tried(error: EdgeImpulseError) -> None:
    tally = failed(error)
    assert tally.service_down
    assert reason(tally) == "Not tried: the service has throttled all requests for longer than throttle_patience."
    tally.answered()
    assert not tally.service_down


def test_an_error_of_a_file_says_nothing_about_the_service() -> None:
    assert not failed(DOWN, DOWN, EdgeImpulseFileError("gone"), DOWN).service_down
