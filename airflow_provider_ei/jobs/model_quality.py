"""Reads how good a model is, from the results of its last test: the cheapest answer of the service that says it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import (
    EdgeImpulseInputError,
    EdgeImpulseLargeResponseError,
    EdgeImpulseResponseError,
)
from airflow_provider_ei.studio.api.model_tests import ModelResultAnswer, ModelTestsApi, SampleCounts

log = logging.getLogger(__name__)

#: The message for a second test without results.
NO_RESULTS = (
    "Wait until nobody changes the thresholds of the model in Studio, and clear the task: they were changed after the "
    "test and again after its repetition, so that there are no results."
)

#: How far above 1 a rounding error can bring a share.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class ModelQuality:
    """What the test of one variant of a model has measured. Ignored samples are not part of any number but their own.

    :ivar accuracy: from 0 to 1; None when the service reports none, as for a regression.
    :ivar samples: number of samples that were classified right or wrong; None when only the accuracy was read.
    :ivar correct: number of samples that were classified right.
    :ivar ignored: number of samples that the accuracy leaves out, since the model does not know their label.
    :ivar classes: the numbers of right and wrong samples of each class.
    """

    variant: str
    accuracy: float | None
    samples: int | None = None
    correct: int | None = None
    ignored: int | None = None
    classes: Mapping[str, SampleCounts] = field(default_factory=dict)


def read_quality(
    api: ModelTestsApi, variant: str, impulse_id: int | None = None, *, needs_counts: bool
) -> ModelQuality | None:
    """Return what the last test has measured.

    :param needs_counts: whether the numbers of samples are needed, which only a large answer has.
    :return: None when the results no longer apply, since thresholds were changed after the test.
    :raises EdgeImpulseInputError: when there are results only of other variants.
    :raises EdgeImpulseServiceError: when the results cannot be read.
    """
    if not needs_counts and (quality := _read_metrics(api, variant, impulse_id)) is not None:
        return quality
    try:
        answer = api.get_result(variant, impulse_id)
    except EdgeImpulseLargeResponseError as error:
        # A second look, since only the counts are lost if the accuracy alone can be told.
        if needs_counts and (quality := _read_metrics(api, variant, impulse_id)) is not None:
            log.warning("The numbers of samples are not known: %s", error)
            return quality
        raise
    if answer.no_results_because_thresholds_changed:
        return None
    if answer.available_variants and variant not in answer.available_variants:
        raise EdgeImpulseInputError(
            f"Set variant to one of {', '.join(answer.available_variants)}: the test has no results of {variant!r}."
        )
    return _from_result(answer, variant)


def as_fraction(score: float, counts: SampleCounts | None, others: Iterable[float] = ()) -> float | None:
    """Return an accuracy as a number from 0 to 1, whether the service counts to 1 or to 100.

    More than 1 is a percentage. Otherwise, 0.9 may be 0.9 %, and 1.0 may be 1 %: the numbers of samples decide.

    :param others: scores of other variants in the same answer, which have the same unit.
    :return: None when it cannot be told.
    :raises ValueError: when the score is neither.
    """
    if not 0 <= score <= 100 * (1 + _ROUNDING):
        raise ValueError(f"{score!r} is not an accuracy")
    if max(score, *others, 0.0) > 1 + _ROUNDING:
        return min(score / 100, 1.0)
    tested = counts.good + counts.bad if counts else 0
    if score == 0 or not counts or not tested:
        return 0.0 if score == 0 else None
    share = counts.good / tested
    return min((min(score, 1.0), score / 100), key=lambda fraction: abs(fraction - share))


def _read_metrics(api: ModelTestsApi, variant: str, impulse_id: int | None) -> ModelQuality | None:
    """Return the accuracy alone; None when the service does not tell it, or not its unit."""
    metrics = api.get_metrics(impulse_id) or []
    scores = {one.variant: one.accuracy for one in metrics if one.accuracy is not None}
    score = scores.get(variant)
    if score is None:
        return None
    accuracy = _checked_fraction(score, None, scores.values(), "getClassifyMetricsAllVariants")
    return None if accuracy is None else ModelQuality(variant, accuracy)


def _from_result(answer: ModelResultAnswer, variant: str) -> ModelQuality:
    reported = answer.accuracy
    counts = reported.total_summary if reported else None
    score = reported.accuracy_score if reported else None
    accuracy: float | None = None
    if score is not None:
        accuracy = _checked_fraction(score, counts, (), "getClassifyJobResult")
    elif counts and counts.good + counts.bad:
        accuracy = counts.good / (counts.good + counts.bad)
    ignored = sum(one.prediction_correct is None and one.f1_score is None for one in answer.predictions)
    return ModelQuality(
        variant,
        accuracy,
        samples=counts.good + counts.bad if counts else 0,
        correct=counts.good if counts else 0,
        ignored=ignored,
        classes=reported.summary_per_class if reported else {},
    )


def _checked_fraction(
    score: float, counts: SampleCounts | None, others: Iterable[float], operation: str
) -> float | None:
    try:
        if not math.isfinite(score):
            raise ValueError(f"{score!r} is not an accuracy")
        return as_fraction(score, counts, others)
    except ValueError as error:
        raise EdgeImpulseResponseError(
            f"Look at the results in Studio, and ask Edge Impulse's support: {error}. ({operation})",
            operation=operation,
            status=200,
        ) from None
