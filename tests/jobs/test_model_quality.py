"""How good a model is: the unit of its accuracy, its limits, and the messages when it misses them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseInputError, EdgeImpulseQualityError
from airflow_provider_ei.jobs.model_quality import ModelQuality, as_fraction
from airflow_provider_ei.jobs.quality_gate import QualityLimits, quality_error, quality_json
from airflow_provider_ei.studio.api.model_tests import SampleCounts


def counts(good: int, bad: int) -> SampleCounts:
    return SampleCounts(good=good, bad=bad)


@pytest.mark.parametrize(
    ("score", "good", "bad", "fraction"),
    [
        (0.9, 90, 10, 0.9),
        (90.0, 90, 10, 0.9),
        (0.9, 9, 991, 0.009),  # 0.9 %
        (1.0, 100, 0, 1.0),
        (1.0, 1, 99, 0.01),  # 1 %
        (100.0, 50, 0, 1.0),
        (0.0, 0, 50, 0.0),
        (0.5, 1, 1, 0.5),
        (0.5, 1, 199, 0.005),
        (1.0000001, 10, 0, 1.0),
        (0.83, 70, 30, 0.83),  # a score that is not the share of right samples
        (83.0, 70, 30, 0.83),
    ],
)
def test_the_numbers_of_samples_decide_whether_an_accuracy_is_a_percentage(
    score: float, good: int, bad: int, fraction: float
) -> None:
    assert as_fraction(score, counts(good, bad)) == pytest.approx(fraction)


def test_without_samples_only_more_than_1_can_be_told() -> None:
    assert as_fraction(0.9, None) is None
    assert as_fraction(1.0, counts(0, 0)) is None
    assert as_fraction(88.0, None) == pytest.approx(0.88)
    assert as_fraction(0.9, None, others=[88.0]) == pytest.approx(0.009)
    assert as_fraction(0.0, None) == 0.0


@pytest.mark.parametrize("score", [-0.1, 101.0, float("nan")])
def test_what_is_no_accuracy_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="is not an accuracy"):
        as_fraction(score, counts(1, 1))


def quality(good: int = 170, bad: int = 30, **values: Any) -> ModelQuality:
    known = {"accuracy": good / (good + bad), "samples": good + bad, "correct": good, "ignored": 0, "classes": {}}
    return ModelQuality("int8", **(known | values))


def check(limits: QualityLimits, measured: ModelQuality, last_accuracy: float | None) -> None:
    """Raise the error of a model that misses limits."""
    if missed := limits.find_missed(measured, last_accuracy):
        raise quality_error(measured, missed)


class TestLimits:
    @pytest.mark.parametrize(
        ("limits", "missed"),
        [
            ({"min_accuracy": 0.85}, None),
            ({"min_accuracy": "0.86"}, "min_accuracy 0.86"),
            ({"min_samples": 200}, None),
            ({"min_samples": "201"}, "min_samples 201"),
            ({"max_drop": 0.05}, None),
            ({"max_drop": 0.04}, "max_drop 0.04 below the last accepted accuracy, 0.9"),
        ],
    )
    def test_a_limit_is_missed_by_less_than_it_only(self, limits: dict[str, Any], missed: str | None) -> None:
        if missed is None:
            check(QualityLimits.read(**limits), quality(), 0.9)
        else:
            with pytest.raises(EdgeImpulseQualityError) as caught:
                check(QualityLimits.read(**limits), quality(), 0.9)
            assert str(caught.value) == (
                "Improve the data or the model and train again, or lower the limit: the int8 model is not accepted. "
                f"Measured: accuracy 0.85 over 200 samples. Missed: {missed}."
            )

    def test_ignored_samples_do_not_count(self) -> None:
        with pytest.raises(EdgeImpulseQualityError, match=r"over 200 samples, 60 ignored .* Missed: min_samples 250\."):
            check(QualityLimits.read(min_samples=250), quality(ignored=60), None)

    def test_nothing_tested_is_no_accuracy(self) -> None:
        nothing = quality(0, 1, accuracy=1.0, samples=0, correct=0)
        with pytest.raises(EdgeImpulseQualityError, match="since no sample was tested"):
            check(QualityLimits.read(min_accuracy=0.9), nothing, None)

    def test_a_model_without_an_accuracy_misses_every_limit_of_it(self) -> None:
        limits = QualityLimits.read(min_accuracy=0.9, max_drop=0.1)
        with pytest.raises(EdgeImpulseQualityError, match=r"no accuracy is reported for this kind.*; max_drop"):
            check(limits, quality(accuracy=None), 0.9)

    def test_a_number_is_the_limit_of_each_class(self) -> None:
        classes = {"idle": counts(9, 1), "walking": counts(5, 5), "running": counts(0, 0)}
        with pytest.raises(EdgeImpulseQualityError) as caught:
            check(QualityLimits.read(min_accuracy_by_class=0.8), quality(classes=classes), None)
        assert str(caught.value).endswith(
            "Missed: min_accuracy_by_class 0.8 of 'walking', which has 0.5 (5 of 10 samples); "
            "min_accuracy_by_class 0.8 of 'running', since no sample of that class was tested."
        )

    def test_a_dict_has_limits_of_some_classes(self) -> None:
        classes = {"idle": counts(9, 1), "walking": counts(5, 5)}
        check(QualityLimits.read(min_accuracy_by_class={"idle": "0.9"}), quality(classes=classes), None)
        with pytest.raises(EdgeImpulseQualityError, match="of 'fall', since no sample of that class"):
            check(QualityLimits.read(min_accuracy_by_class={"fall": 0.9}), quality(classes=classes), None)

    def test_a_message_names_ten_classes_at_most(self) -> None:
        classes = {f"class {number}": counts(0, 1) for number in range(100)}
        with pytest.raises(EdgeImpulseQualityError, match="of 90 more classes") as caught:
            check(QualityLimits.read(min_accuracy_by_class=0.5), quality(classes=classes), None)
        assert len(str(caught.value)) < 1500

    @pytest.mark.parametrize("field", ["min_accuracy", "min_accuracy_by_class", "max_drop"])
    @pytest.mark.parametrize("value", [90, "high", -0.1, True])
    def test_a_limit_must_be_a_fraction(self, field: str, value: Any) -> None:
        with pytest.raises(EdgeImpulseInputError, match=f"^{field} must be a number from 0 to 1, such as 0.9 for 90 %"):
            QualityLimits.read(**{field: value})


def test_the_result_of_many_classes_with_long_names_is_small() -> None:
    long = "\N{MUSICAL SYMBOL G CLEF}" * 100
    classes = {f"{long}{number}": counts(number, 1) for number in range(500)}
    result = quality_json(quality(classes=classes), QualityLimits(), 0.8, accepted=True)
    assert len(json.dumps(result)) < 3500
    assert result["last_accuracy"] == 0.8
