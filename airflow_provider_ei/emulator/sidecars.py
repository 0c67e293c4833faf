"""The files of an ingestion request that describe its other files: ``bounding_boxes.labels`` and the like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_provider_ei.emulator.sample_files import SampleFacts
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.stored_samples import SampleLabels

BOUNDING_BOXES = "bounding_boxes.labels"
STRUCTURED_LABELS = "structured_labels.labels"
LABEL_MAP = "label_map.labels"
ATTACHMENTS = "attachments.labels"
MAX_BYTES = 32 << 20

# The type and the member of each file, as the official uploader writes them.
_FORMS = {
    BOUNDING_BOXES: ("bounding-box-labels", "boundingBoxes"),
    STRUCTURED_LABELS: ("structured-labels", "structuredLabels"),
    LABEL_MAP: ("label-map-labels", "labels"),
    ATTACHMENTS: ("attachments", "attachments"),
}
NAMES = frozenset(_FORMS)


class Sidecars:
    """The sidecars of one request.

    :raises StoreError: from every method, for an invalid sidecar.
    """

    def __init__(self) -> None:
        self._members: dict[str, dict[str, Any]] = {name: {} for name in NAMES}

    def read(self, name: str, content: bytes) -> None:
        """Read one sidecar."""
        kind, member = _FORMS[name]
        try:
            sidecar = json.loads(content)
        except (ValueError, RecursionError):
            raise StoreError(f"{name} is not valid JSON") from None
        if not isinstance(sidecar, dict) or sidecar.get("version") != 1:
            raise StoreError(f"{name}: Invalid version")
        if sidecar.get("type") != kind:
            raise StoreError(f"{name}: Invalid type, expected {kind!r} but was {sidecar.get('type')!r:.100}")
        if not isinstance(sidecar.get(member), dict):
            raise StoreError(f"{name}: {member} is not an object")
        self._members[name].update(sidecar[member])

    def check_names(self, sent: frozenset[str]) -> None:
        """Check that each file they name has been sent."""
        named = {file: name for name, files in self._members.items() for file in files}
        named |= {file: ATTACHMENTS for file in self.attached()}
        for file, name in named.items():
            if file not in sent:
                raise StoreError(f"{name} names {file!r:.200}, which is not in the request")

    def attached(self) -> frozenset[str]:
        """Return the names of the files that are attached to others, and are not samples themselves."""
        names = []
        for file, attachments in self._members[ATTACHMENTS].items():
            if not isinstance(attachments, list):
                raise StoreError(f"attachments[{file}] is not an array")
            for each in attachments:
                if not isinstance(each, dict) or not isinstance(each.get("filename"), str):
                    raise StoreError(f"attachments[{file}].filename is not a string")
                names.append(each["filename"])
        return frozenset(names)

    def labels_of(self, file: str, facts: SampleFacts) -> SampleLabels:
        """Return the labels of a file that is a sample."""
        boxes = self._members[BOUNDING_BOXES].get(file, [])
        structured = self._members[STRUCTURED_LABELS].get(file, [])
        label_map = self._members[LABEL_MAP].get(file)
        return SampleLabels(
            boxes=check_boxes(boxes, facts),
            structured=_check_structured(structured, facts.values),
            label_map=None if label_map is None else _check_label_map(label_map),
        )


def parse_boxes(text: str, facts: SampleFacts) -> SampleLabels:
    """Return the boxes of the header ``x-bounding-boxes``, which the Python SDK sends."""
    try:
        boxes = json.loads(text)
    except (ValueError, RecursionError):
        raise StoreError("x-bounding-boxes is not valid JSON") from None
    return SampleLabels(boxes=check_boxes(boxes, facts))


def check_boxes(boxes: Any, facts: SampleFacts) -> tuple[dict[str, Any], ...]:
    """Return the bounding boxes of an image."""
    if not isinstance(boxes, list):
        raise StoreError("boundingBoxes should be an array")
    return tuple(_check_box(box, facts) for box in boxes)


def _check_box(box: Any, facts: SampleFacts) -> dict[str, Any]:
    shown = f"{json.dumps(box)[:200]}"
    if not isinstance(box, dict) or not isinstance(box.get("label"), str):
        raise StoreError(f"label is not a string in {shown}")
    for name in ("x", "y", "width", "height"):
        if isinstance(box.get(name), bool) or not isinstance(box.get(name), (int, float)):
            raise StoreError(f"{name} is not a number in {shown}")
    if min(box["width"], box["height"]) <= 0 or min(box["x"], box["y"]) < 0:
        raise StoreError(f"width and height should be >0, x and y >=0 in {shown}")
    for start, length, most in (("x", "width", facts.width), ("y", "height", facts.height)):
        if most is not None and box[start] + box[length] > most:
            raise StoreError(f"{start} and {length} are outside of the image ({most} pixels) in {shown}")
    return {"label": box["label"], **{name: int(box[name]) for name in ("x", "y", "width", "height")}}


def _check_structured(labels: Any, values: int) -> tuple[dict[str, Any], ...]:
    if not isinstance(labels, list):
        raise StoreError("structuredLabels is not a valid array")
    ranges = []
    for index, each in enumerate(labels):
        try:
            label = msgspec.convert(each, _Range)
        except msgspec.ValidationError as error:
            raise StoreError(f"structuredLabels (index {index}): {error}") from None
        if not 0 <= label.startIndex <= label.endIndex:
            raise StoreError(f'structuredLabels (index {index}) "endIndex" should be after "startIndex"')
        if values and label.endIndex >= values:
            raise StoreError(
                f'structuredLabels (index {index}) "endIndex" is out of bounds, max. index is {values - 1}'
            )
        ranges.append({"startIndex": label.startIndex, "endIndex": label.endIndex, "label": label.label})
    return tuple(ranges)


def _check_label_map(labels: Any) -> dict[str, str]:
    if isinstance(labels, list):
        labels = {str(index): label for index, label in enumerate(labels)}
    if not isinstance(labels, Mapping) or not all(isinstance(value, str) for value in labels.values()):
        raise StoreError("Labelmap is not an object of strings")
    return dict(labels)


class _Range(msgspec.Struct):
    startIndex: int
    endIndex: int
    label: str
