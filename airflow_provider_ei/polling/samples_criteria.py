"""Criteria that the samples of a project must meet before a sensor or a trigger ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.numeric import read_number

if TYPE_CHECKING:
    from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook

#: Categories whose samples can be counted.
CATEGORIES = ("training", "testing", "anomaly")


@dataclass(frozen=True)
class SamplesCriteria:
    """Criteria for the numbers of a project's samples.

    :ivar at_least: minimum number of samples; or a minimum for each of several labels.
    :ivar category: count the samples of this category.
    :raises EdgeImpulseInputError: when a value is invalid.
    """

    at_least: int | Mapping[str, int] = 1
    category: str = "training"

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise EdgeImpulseInputError(f"category must be one of {', '.join(CATEGORIES)}, not {self.category!r}.")
        checked: int | dict[str, int]
        if isinstance(self.at_least, Mapping):
            if not self.at_least:
                raise EdgeImpulseInputError("Give at_least a number for at least one label: it is empty.")
            checked = {_label(label): _number(f"at_least[{label!r}]", one) for label, one in self.at_least.items()}
        else:
            checked = _number("at_least", self.at_least)
        object.__setattr__(self, "at_least", checked)

    def observe(self, hook: EdgeImpulseProjectHook) -> SamplesObservation:
        """Count the samples, with one request for each label (``countSamples``).

        :raises EdgeImpulseError: when they cannot be counted.
        """
        api = hook.samples_api
        if isinstance(self.at_least, Mapping):
            counts = {label: api.count_samples(self.category, labels=[label]) for label in self.at_least}
            met = all(counts[label] >= least for label, least in self.at_least.items())
        else:
            counts = {"": api.count_samples(self.category)}
            met = counts[""] >= self.at_least
        return SamplesObservation(self, counts, met, datetime.now(UTC))


@dataclass(frozen=True)
class SamplesObservation:
    """The result of one poll. Two are equal if only their times differ.

    :ivar counts: numbers of samples by label; under an empty string, of all samples.
    :ivar met: whether the criteria are met.
    :ivar at: when the samples were counted.
    """

    criteria: SamplesCriteria
    counts: Mapping[str, int]
    met: bool
    at: datetime = field(compare=False)

    def __str__(self) -> str:
        least = self.criteria.at_least
        if isinstance(least, Mapping):
            parts = ", ".join(f"{self.counts[label]} of {number} {label!r}" for label, number in least.items())
        else:
            parts = f"{self.counts['']} of {least} samples"
        return f"{parts} ({self.criteria.category})"


def _label(label: Any) -> str:
    from airflow_provider_ei.sources.names import check_text  # not while a DAG file is parsed

    return check_text("a label in at_least", label)


def _number(name: str, value: object) -> int:
    number = read_number(value)
    if number is None or number < 0 or number != int(number):
        raise EdgeImpulseInputError(f"{name} must be a whole number of at least 0, not {value!r}.")
    return int(number)
