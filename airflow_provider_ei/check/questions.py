"""Questions about a service: how to ask them, and what their answers mean for the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseError, EdgeImpulseServiceError

Value = str | int | float | bool

ServiceT = TypeVar("ServiceT")


class NotKnownError(Exception):
    """A question has no answer. The message says why, without any name, host or key."""


@dataclass(frozen=True)
class Question(Generic[ServiceT]):
    """A question about a service.

    :ivar id: names the answer in JSON; also the name of the emulator's setting, if there is one.
    :ivar text: the question as shown.
    :ivar ask: returns the answer; raises :class:`NotKnownError` if the service does not show it.
    :ivar meanings: what an answer means for the user, by answer.
    :ivar otherwise: what any other answer means.
    """

    id: str
    text: str
    ask: Callable[[ServiceT], Value] = field(repr=False)
    meanings: Mapping[Value, str] = field(default_factory=dict, repr=False)
    otherwise: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer to a question; ``value`` is None if it is not known.

    :ivar why: why it is not known. Like everything else here except ``detail``, it has no name, host or key.
    :ivar detail: the whole error message, for the person who runs the check only: it may have a host in it.
    """

    id: str
    text: str
    value: Value | None
    meaning: str
    why: str = ""
    detail: str = ""


def ask_all(questions: Sequence[Question[ServiceT]], service: ServiceT) -> list[Answer]:
    """Ask questions one after another. An error is the answer "not known" to one question, and ends nothing."""
    return [_ask(question, service) for question in questions]


def not_asked(questions: Sequence[Question[ServiceT]], why: str) -> list[Answer]:
    """Return the answers to questions that are not asked."""
    return [_unknown(question, why) for question in questions]


def _ask(question: Question[ServiceT], service: ServiceT) -> Answer:
    try:
        value = question.ask(service)
    except NotKnownError as reason:
        return _unknown(question, str(reason))
    except EdgeImpulseCancelledError:
        raise
    except EdgeImpulseError as error:
        return _unknown(question, describe_error(error), str(error))
    return Answer(question.id, question.text, value, question.meanings.get(value, question.otherwise))


def _unknown(question: Question[ServiceT], why: str, detail: str = "") -> Answer:
    return Answer(question.id, question.text, None, f"Not known: {why}.", why, detail)


def describe_error(error: EdgeImpulseError) -> str:
    """Describe an error without its message, which may contain a host or a name."""
    kind = type(error).__name__
    if not isinstance(error, EdgeImpulseServiceError):
        return kind
    facts = [error.operation, None if error.status is None else f"HTTP {error.status}"]
    told = ", ".join(fact for fact in facts if fact)
    return f"{kind} ({told})" if told else kind
