"""Every error of the package is the same error after a journey through a process pool, a log handler or a copy."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseError

#: A value for each argument of a constructor; a new argument of a new error needs one, too.
ARGUMENTS: dict[str, Any] = {
    "summary": {"failed": 1, "failures": [{"name": "run-1", "reason": "gone"}]},
    "retryable": False,
    "operation": "addOrganizationDataItem",
    "status": 503,
    "server_text": "come back later",
    "ambiguous": False,
    "timed_out": True,
    "retry_after": 7.5,
    "job_id": 5,
    "state": "failed",
}

JOURNEYS: dict[str, Callable[[EdgeImpulseError], EdgeImpulseError]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


def kinds(base: type[EdgeImpulseError] = EdgeImpulseError) -> Iterator[type[EdgeImpulseError]]:
    yield base
    for kind in base.__subclasses__():
        if kind.__module__.startswith("airflow_provider_ei."):
            yield from kinds(kind)


def accepted(kind: type[EdgeImpulseError]) -> dict[str, Any]:
    """Return the keyword arguments that a kind or one of its bases takes, each with a value of its own."""
    names: set[str] = set()
    for base in kind.__mro__:
        if issubclass(base, EdgeImpulseError) and "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            names |= {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    return {name: ARGUMENTS[name] for name in names}


@pytest.mark.parametrize("journey", JOURNEYS)
@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_keeps_its_kind_text_and_attributes(kind: type[EdgeImpulseError], journey: str) -> None:
    error = kind("Too many requests.", **accepted(kind))
    error.add_note("while run-1 was uploaded")
    arrived = JOURNEYS[journey](error)
    assert type(arrived) is kind
    assert (str(arrived), arrived.args) == (str(error), error.args)
    assert vars(arrived) == vars(error)
    assert {name: getattr(arrived, name) for name in accepted(kind)} == accepted(kind)
    assert arrived.retryable == error.retryable
    assert arrived is not error


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_is_the_same_error_after_the_event_of_a_trigger(kind: type[EdgeImpulseError]) -> None:
    error = kind("Too many requests.", **accepted(kind))
    arrived = EdgeImpulseError.from_event(json.loads(json.dumps(error.to_event())))
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    plain = {name: value for name, value in accepted(kind).items() if name != "summary"}
    assert {name: getattr(arrived, name) for name in plain} == plain
    assert arrived.retryable == error.retryable


def test_an_event_of_another_version_is_still_an_error() -> None:
    error = EdgeImpulseError.from_event({"error": "text", "retryable": False, "kind": "EdgeImpulseErrorOfTomorrow"})
    assert (type(error), str(error), error.retryable) == (EdgeImpulseError, "text", False)
    assert EdgeImpulseError.from_event({"error": "text", "retryable": True}).retryable is True


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_a_deep_copy_shares_nothing(kind: type[EdgeImpulseError]) -> None:
    error = kind("text", **copy.deepcopy(accepted(kind)))
    copied = copy.deepcopy(error)
    if "summary" in accepted(kind):
        copied.summary["failures"].clear()  # type: ignore[attr-defined]
        assert error.summary["failures"]  # type: ignore[attr-defined]
    assert copied.args == error.args


def test_an_error_that_was_changed_after_it_was_made_keeps_the_change() -> None:
    error = EdgeImpulseError("text")
    error.retryable = False
    assert pickle.loads(pickle.dumps(error)).retryable is False


class OfSomeoneElse(EdgeImpulseError):
    """An error with a constructor of its own, as a user's subclass may have."""

    def __init__(self, item: str, *, attempts: int) -> None:
        super().__init__(f"{item}: {attempts} attempts")
        self.attempts = attempts


@pytest.mark.parametrize("journey", JOURNEYS)
def test_a_subclass_needs_no_method_of_its_own(journey: str) -> None:
    arrived = JOURNEYS[journey](OfSomeoneElse("run-1", attempts=3))
    assert isinstance(arrived, OfSomeoneElse)
    assert (str(arrived), arrived.attempts) == ("run-1: 3 attempts", 3)
