"""In what a sample differs from what is wanted of it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_ei.samples.compare import differences
from airflow_provider_ei.samples.sample_file import Annotation, Box, Span
from airflow_provider_ei.studio.api.samples import BoundingBox, Sample, StructuredLabel


def sample(**facts: Any) -> Sample:
    return Sample(**{"id": 1, "filename": "a", "category": "training", "label": "idle", **facts})


BOXES = (BoundingBox(label="a", x=1, y=2, width=3, height=4), BoundingBox(label="b", x=5, y=6, width=7, height=8))
SPANS = (StructuredLabel(start_index=0, end_index=1, label="a"), StructuredLabel(start_index=2, end_index=9, label="b"))


@pytest.mark.parametrize(
    ("stored", "wanted"),
    [
        (sample(), Annotation("training", "idle")),
        (sample(), Annotation("training")),
        (sample(label="gr\u00f6\u00dfer"), Annotation("training", "gro\u0308\u00dfer")),
        (sample(label=""), Annotation("training", unlabeled=True)),
        (sample(category="testing"), Annotation("split", "idle")),
        (sample(category="post-processing"), Annotation("anomaly", "idle")),
        (sample(metadata={"a": "1", "by": "others"}), Annotation("training", metadata=(("a", "1"),))),
        (sample(metadata={"a": 1}), Annotation("training", metadata=(("a", "1"),))),
        (
            sample(bounding_boxes=BOXES),
            Annotation("training", boxes=(Box("b", 5.4, 6, 7, 8), Box("a", 1, 2, 3, 4))),
        ),
        (sample(bounding_boxes=BOXES), Annotation("training")),
        (
            sample(structured_labels=SPANS),
            Annotation("training", spans=(Span(0, 0, "a"), Span(1, 1, "a"), Span(2, 9, "b"))),
        ),
    ],
)
def test_a_sample_is_as_wanted(stored: Sample, wanted: Annotation) -> None:
    assert differences(stored, wanted) == []


@pytest.mark.parametrize(
    ("stored", "wanted", "words"),
    [
        (sample(), Annotation("training", "Idle"), ["label 'idle' instead of 'Idle'"]),
        (sample(), Annotation("training", unlabeled=True), ["label 'idle' instead of ''"]),
        (sample(), Annotation("anomaly"), ["category 'training' instead of 'anomaly'"]),
        (sample(category="anomaly"), Annotation("split"), ["category 'anomaly' instead of 'split'"]),
        (sample(), Annotation("training", metadata=(("a", "1"),)), ["metadata a=None instead of a='1'"]),
        (
            sample(bounding_boxes=BOXES),
            Annotation("training", boxes=(Box("a", 1, 2, 3, 4),)),
            ["bounding boxes 2 instead of the 1 given"],
        ),
        (sample(bounding_boxes=BOXES), Annotation("training", boxes=()), ["bounding boxes 2 instead of the 0 given"]),
        (
            sample(structured_labels=SPANS),
            Annotation("training", spans=(Span(0, 9, "a"),)),
            ["labels of parts 2 instead of the 1 given"],
        ),
        (
            sample(),
            Annotation("testing", "x"),
            ["label 'idle' instead of 'x'", "category 'training' instead of 'testing'"],
        ),
    ],
)
def test_what_is_different_is_named(stored: Sample, wanted: Annotation, words: list[str]) -> None:
    assert [str(one) for one in differences(stored, wanted)] == words
