"""Decides whether a model is good enough, by the limits that a task gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError, EdgeImpulseQualityError
from airflow_provider_ei.jobs.model_quality import ModelQuality
from airflow_provider_ei.numeric import read_number, whole_number
from airflow_provider_ei.studio.api.model_tests import SampleCounts

#: Limits of a result, so that it fits into an XCom: the classes that it lists, and the bytes of their names as JSON.
MAX_CLASSES = 20
MAX_CLASS_NAME = 80

#: Missed limits of classes that a message names.
MAX_NAMED_CLASSES = 10

#: Differences of floating-point numbers below this one do not count.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class QualityLimits:
    """What a model has to achieve. None means no limit. Accuracies are numbers from 0 to 1.

    :ivar min_samples: how many samples must have been classified right or wrong; ignored ones do not count.
    :ivar min_accuracy_by_class: one limit for each class of the test set, or a limit for some classes by name.
    :ivar max_drop: how far the accuracy may be below the last accepted one.
    """

    min_accuracy: float | None = None
    min_samples: int | None = None
    min_accuracy_by_class: float | Mapping[str, float] | None = None
    max_drop: float | None = None

    @classmethod
    def read(
        cls,
        *,
        min_accuracy: Any = None,
        min_samples: Any = None,
        min_accuracy_by_class: Any = None,
        max_drop: Any = None,
    ) -> QualityLimits:
        """Read limits that may be strings, as templates render them.

        :raises EdgeImpulseInputError: when one of them cannot be used.
        """
        by_class: float | dict[str, float] | None
        if isinstance(min_accuracy_by_class, Mapping):
            by_class = {
                str(name): limit
                for name, value in min_accuracy_by_class.items()
                if (limit := _read_fraction(f"min_accuracy_by_class[{name!r}]", value)) is not None
            }
        else:
            by_class = _read_fraction("min_accuracy_by_class", min_accuracy_by_class)
        return cls(
            min_accuracy=_read_fraction("min_accuracy", min_accuracy),
            min_samples=whole_number("min_samples", min_samples),
            min_accuracy_by_class=by_class,
            max_drop=_read_fraction("max_drop", max_drop),
        )

    @property
    def needs_counts(self) -> bool:
        """Whether the numbers of samples are needed to decide."""
        return self.min_samples is not None or self.min_accuracy_by_class is not None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self != QualityLimits()

    def find_missed(self, quality: ModelQuality, last_accuracy: float | None) -> list[str]:
        """Return which limits a model misses, as phrases for a message.

        :param last_accuracy: of the last model that was accepted; None when there is none.
        """
        return list(self._missed(quality, last_accuracy))

    def _missed(self, quality: ModelQuality, last_accuracy: float | None) -> Iterator[str]:
        accuracy = quality.accuracy
        if self.min_accuracy is not None:
            if accuracy is None:
                yield f"min_accuracy {self.min_accuracy:g}, since no accuracy is reported for this kind of model"
            elif quality.samples == 0:
                yield f"min_accuracy {self.min_accuracy:g}, since no sample was tested"
            elif accuracy < self.min_accuracy - _TOLERANCE:
                yield f"min_accuracy {self.min_accuracy:g}"
        if self.min_samples is not None:
            if quality.samples is None:
                yield f"min_samples {self.min_samples}, since the number of samples is not known"
            elif quality.samples < self.min_samples:
                yield f"min_samples {self.min_samples}"
        yield from self._missed_by_class(quality)
        if self.max_drop is not None and last_accuracy is not None:
            limit = f"max_drop {self.max_drop:g} below the last accepted accuracy, {last_accuracy:.4g}"
            if accuracy is None:
                yield f"{limit}, since no accuracy is reported"
            elif accuracy < last_accuracy - self.max_drop - _TOLERANCE:
                yield limit

    def _missed_by_class(self, quality: ModelQuality) -> Iterator[str]:
        limits = self.min_accuracy_by_class
        if limits is None:
            return
        if not isinstance(limits, Mapping):
            if not quality.classes:
                yield f"min_accuracy_by_class {limits:g}, since no class was tested"
            limits = dict.fromkeys(quality.classes, limits)
        missed = []
        for name, limit in limits.items():
            counts = quality.classes.get(name)
            accuracy = class_accuracy(counts)
            if counts is None or accuracy is None:
                missed.append(f"{limit:g} of {name!r}, since no sample of that class was tested")
            elif accuracy < limit - _TOLERANCE:
                missed.append(f"{limit:g} of {name!r}, which has {_share(counts)}")
        yield from (f"min_accuracy_by_class {one}" for one in missed[:MAX_NAMED_CLASSES])
        if len(missed) > MAX_NAMED_CLASSES:
            yield f"min_accuracy_by_class of {len(missed) - MAX_NAMED_CLASSES} more classes"


def quality_error(quality: ModelQuality, missed: list[str]) -> EdgeImpulseQualityError:
    """Return the error for a model that is not accepted.

    :param missed: the limits that it misses.
    """
    return EdgeImpulseQualityError(
        "Improve the data or the model and train again, or lower the limit: the "
        f"{quality.variant} model is not accepted. Measured: {describe(quality)}. Missed: {'; '.join(missed)}."
    )


def describe(quality: ModelQuality) -> str:
    """Return what was measured, as a phrase."""
    accuracy = "no accuracy" if quality.accuracy is None else f"accuracy {quality.accuracy:.4g}"
    if quality.samples is None:
        return accuracy
    samples = "1 sample" if quality.samples == 1 else f"{quality.samples} samples"
    ignored = f", {quality.ignored} ignored because the model does not know their label" if quality.ignored else ""
    return f"{accuracy} over {samples}{ignored}"


def quality_json(
    quality: ModelQuality, limits: QualityLimits, last_accuracy: float | None, *, accepted: bool
) -> dict[str, Any]:
    """Return what was measured as small JSON; of many classes, those with the lowest accuracies."""
    accuracies = {
        name: accuracy for name, counts in quality.classes.items() if (accuracy := class_accuracy(counts)) is not None
    }
    worst = sorted(accuracies, key=lambda name: (accuracies[name], name))[:MAX_CLASSES]
    return {
        "variant": quality.variant,
        "accuracy": quality.accuracy,
        "samples": quality.samples,
        "correct": quality.correct,
        "ignored": quality.ignored,
        "accuracy_by_class": {_short(name): round(accuracies[name], 6) for name in sorted(worst)},
        "min_accuracy": limits.min_accuracy,
        "last_accuracy": last_accuracy,
        "accepted": accepted,
    }


def class_accuracy(counts: SampleCounts | None) -> float | None:
    """Return the accuracy of a class, from 0 to 1; None without samples."""
    tested = counts.good + counts.bad if counts else 0
    return counts.good / tested if counts and tested else None


def _share(counts: SampleCounts) -> str:
    tested = counts.good + counts.bad
    return f"{counts.good / tested:.4g} ({counts.good} of {tested} samples)"


def _short(name: str) -> str:
    short = name
    while len(json.dumps(short)) > MAX_CLASS_NAME:
        short = f"{short[:-2]}…"
    return short


def _read_fraction(field: str, value: object) -> float | None:
    if value is None or value == "":
        return None
    number = read_number(value)
    if number is None or not 0 <= number <= 1:
        raise EdgeImpulseInputError(f"{field} must be a number from 0 to 1, such as 0.9 for 90 %, not {value!r}.")
    return float(number)
