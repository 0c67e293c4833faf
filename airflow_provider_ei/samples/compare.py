"""Compares a sample with what the project should know about a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_ei.samples.sample_file import Annotation, Span
from airflow_provider_ei.studio.api.samples import Sample
from airflow_provider_ei.studio.spelling import may_be_stored_as

#: Categories that satisfy what a file is uploaded to; any other one only satisfies itself.
_SATISFIED_BY = {"split": ("training", "testing"), "anomaly": ("anomaly", "post-processing")}


@dataclass(frozen=True)
class Difference:
    """What is different about a sample.

    :ivar what: ``label``, ``category``, ``metadata``, ``bounding boxes`` or ``labels of parts``.
    """

    what: str
    stored: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.what} {self.stored} instead of {self.wanted}"


def differences(sample: Sample, wanted: Annotation) -> list[Difference]:
    """Return in what a sample differs. Metadata under other keys, which others may have added, do not count."""
    found = []
    label = "" if wanted.unlabeled else wanted.label
    if label is not None and not may_be_stored_as(label, sample.label):
        found.append(Difference("label", repr(sample.label), repr(label)))
    if sample.category not in _SATISFIED_BY.get(wanted.category, (wanted.category,)):
        found.append(Difference("category", repr(sample.category), repr(wanted.category)))
    stored = strings(sample.metadata)
    if missing := {key: value for key, value in wanted.metadata if stored.get(key) != value}:
        found.append(Difference("metadata", _shown({key: stored.get(key) for key in missing}), _shown(missing)))
    if wanted.boxes is not None and _boxes(sample) != sorted(map(_box_key, wanted.boxes)):
        found.append(
            Difference("bounding boxes", str(len(sample.bounding_boxes or ())), f"the {len(wanted.boxes)} given")
        )
    if wanted.spans is not None and _merged(_spans(sample)) != _merged(wanted.spans):
        found.append(
            Difference("labels of parts", str(len(sample.structured_labels or ())), f"the {len(wanted.spans)} given")
        )
    return found


def strings(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Return a sample's metadata; a value that is not a string, which only the service can have stored, as JSON."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in (metadata or {}).items()
    }


def _shown(metadata: Mapping[str, str | None]) -> str:
    text = ", ".join(f"{key}={value!r}" for key, value in metadata.items())
    return text if len(text) <= 120 else text[:119] + "…"


def _boxes(sample: Sample) -> list[tuple[object, ...]]:
    return sorted(_box_key(box) for box in sample.bounding_boxes or ())


def _box_key(box: Any) -> tuple[object, ...]:
    """Return a box as it can be compared: a service may round to whole pixels."""
    return box.label, int(box.x), int(box.y), int(box.width), int(box.height)


def _spans(sample: Sample) -> list[Span]:
    return [Span(one.start_index, one.end_index, one.label) for one in sample.structured_labels or ()]


def _merged(spans: Iterable[Span]) -> Sequence[tuple[int, int, str]]:
    """Return spans with neighbors of the same label merged, as the service stores them."""
    merged: list[tuple[int, int, str]] = []
    for span in sorted(spans, key=lambda one: one.start_index):
        if merged and merged[-1][2] == span.label and span.start_index <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], span.end_index), span.label)
        else:
            merged.append((span.start_index, span.end_index, span.label))
    return merged
