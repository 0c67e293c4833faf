"""Files with labels that lie next to samples, as the official uploader knows them.

``bounding_boxes.labels`` and ``structured_labels.labels`` name files in their own folder. ``info.labels`` names files
relative to itself, with everything that the project should know about each. All of it is checked before anything is
sent.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.samples.sample_file import CATEGORIES, Box, Span
from airflow_provider_ei.sources.names import check_file_name, check_text
from airflow_provider_ei.sources.source_file import SourceFile
from airflow_provider_ei.studio.files import read_whole
from airflow_provider_ei.sync.metadata import metadata_strings

BOXES, SPANS, INFO = "bounding_boxes.labels", "structured_labels.labels", "info.labels"
_NAMES = (BOXES, SPANS, INFO)
_ENDING = ".labels"

#: Maximum size of such a file in bytes, since it is read into memory.
MAX_BYTES = 64 * 1024 * 1024


@dataclass
class Note:
    """What sidecars say about one file; None where they say nothing."""

    name: str | None = None
    category: str | None = None
    label: str | None = None
    unlabeled: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    boxes: tuple[Box, ...] | None = None
    spans: tuple[Span, ...] | None = None


def is_sidecar(file: SourceFile) -> bool:
    """Return whether a file has labels of others.

    :raises EdgeImpulseInputError: for a kind of sidecar that is not supported.
    """
    name = _base(file.name)
    if name in _NAMES:
        return True
    if name.endswith(_ENDING):
        raise EdgeImpulseInputError(
            f"files: leave out {file.source!r}: of the files that end with {_ENDING}, only {', '.join(_NAMES)} are "
            "supported."
        )
    return False


def read_sidecars(sidecars: Sequence[SourceFile], files: Sequence[SourceFile]) -> dict[str, Note]:
    """Read sidecars, and return what they say about each file, by its source.

    :raises EdgeImpulseInputError: when one is not valid, or names a file that is not among the files.
    """
    known = {_normal(file.source): file.source for file in files}
    notes: dict[str, Note] = {}
    # info.labels last, because it may contain what the others say.
    for sidecar in sorted(sidecars, key=lambda one: (_base(one.name) == INFO, one.source)):
        read = {BOXES: _read_boxes, SPANS: _read_spans, INFO: _read_info}[_base(sidecar.name)]
        folder = sidecar.source.rpartition("/")[0]
        for path, what in read(_load(sidecar), _Place(sidecar.source)):
            source = known.get(_normal(posixpath.join(folder, path) if folder else path))
            if source is None:
                raise EdgeImpulseInputError(
                    f"files: add {path!r}, or remove it from {sidecar.source!r}: it is named there, and is not among "
                    "the files."
                )
            what(notes.setdefault(source, Note()))
    return notes


class _Place:
    """Where in a sidecar a value is, for messages."""

    def __init__(self, source: str, path: str = "") -> None:
        self._source = source
        self._path = path

    def at(self, key: object) -> _Place:
        return _Place(self._source, f"{self._path}[{key!r}]")

    def error(self, problem: str) -> EdgeImpulseInputError:
        return EdgeImpulseInputError(f"files: correct {self._source!r}: {self._path or 'it'} {problem}.")

    def need(self, value: Any, kind: type | tuple[type, ...], what: str) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(f"must be {what}, not {str(value)[:80]!r}")
        return value


#: The path of a file, and a function that adds what is said about it.
_Said = tuple[str, Callable[[Note], None]]


def _load(sidecar: SourceFile) -> Any:
    if sidecar.size > MAX_BYTES:
        raise EdgeImpulseInputError(f"files: divide {sidecar.source!r}: it has more than {MAX_BYTES} bytes.")
    try:
        value = json.loads(read_whole(sidecar).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise EdgeImpulseInputError(f"files: correct {sidecar.source!r}: it is not JSON: {error}.") from None
    if not isinstance(value, dict) or value.get("version") != 1:
        raise EdgeImpulseInputError(f"files: correct {sidecar.source!r}: it must be a JSON object with 'version': 1.")
    return value


def _read_boxes(value: Mapping[str, Any], place: _Place) -> Iterator[_Said]:
    for path, boxes in _by_file(value, place, "bounding-box-labels", "boundingBoxes"):
        read = _boxes(boxes, place.at("boundingBoxes").at(path))
        yield path, partial(_update, {"boxes": read})


def _read_spans(value: Mapping[str, Any], place: _Place) -> Iterator[_Said]:
    for path, spans in _by_file(value, place, "structured-labels", "structuredLabels"):
        read = _spans(spans, place.at("structuredLabels").at(path))
        yield path, partial(_update, {"spans": read})


def _by_file(value: Mapping[str, Any], place: _Place, kind: str, key: str) -> Iterator[tuple[str, Any]]:
    if value.get("type") != kind:
        raise place.at("type").error(f"must be {kind!r}, not {str(value.get('type'))[:80]!r}")
    yield from place.at(key).need(value.get(key), dict, "an object").items()


def _read_info(value: Mapping[str, Any], place: _Place) -> Iterator[_Said]:
    place = place.at("files")
    for number, entry in enumerate(place.need(value.get("files"), list, "a list")):
        here = place.at(number)
        here.need(entry, dict, "an object")
        path = here.at("path").need(entry.get("path"), str, "a string")
        read = _info(entry, path, here)
        yield path, partial(_update, read)


def _update(read: Mapping[str, Any], note: Note) -> None:
    for name, value in read.items():
        setattr(note, name, value)


def _info(entry: Mapping[str, Any], path: str, place: _Place) -> dict[str, Any]:
    read: dict[str, Any] = {}
    if (name := entry.get("name")) is not None:
        place.at("name").need(name, str, "a string")
        ending = posixpath.splitext(path)[1]
        read["name"] = check_file_name(name if name.endswith(ending) else name + ending, path)
        if "/" in name:
            raise place.at("name").error("must not contain '/'")
    if (category := entry.get("category")) is not None:
        if category not in CATEGORIES:
            raise place.at("category").error(f"must be one of {', '.join(CATEGORIES)}, not {str(category)[:80]!r}")
        read["category"] = category
    if (label := entry.get("label")) is not None:
        read |= _info_label(place.at("label").need(label, dict, "an object"), place.at("label"))
    if (metadata := entry.get("metadata")) is not None:
        place.at("metadata").need(metadata, dict, "an object")
        try:
            read["metadata"] = metadata_strings(metadata)
        except EdgeImpulseInputError as error:
            raise place.error(f"has metadata that cannot be used: {error}") from None
    if (boxes := entry.get("boundingBoxes")) is not None:
        read["boxes"] = _boxes(boxes, place.at("boundingBoxes"))
    return read


def _info_label(label: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    kind = label.get("type")
    if kind == "unlabeled":
        return {"unlabeled": True, "label": None}
    if kind == "label":
        return {"label": _label(label.get("label"), place.at("label"))}
    if kind == "multi-label":
        return {"spans": _spans(label.get("labels"), place.at("labels"))}
    raise place.at("type").error(f"must be 'label', 'unlabeled' or 'multi-label', not {str(kind)[:80]!r}")


def _label(value: Any, place: _Place) -> str:
    place.need(value, str, "a string")
    try:
        return check_text("the label", value)
    except EdgeImpulseInputError as error:
        raise place.error(f"cannot be used: {error}") from None


def _boxes(value: Any, place: _Place) -> tuple[Box, ...]:
    return tuple(_box(box, place.at(number)) for number, box in enumerate(place.need(value, list, "a list")))


def _box(value: Any, place: _Place) -> Box:
    place.need(value, dict, "an object")
    label = _label(value.get("label"), place.at("label"))
    x, y, width, height = (
        place.at(side).need(value.get(side), (int, float), "a number") for side in ("x", "y", "width", "height")
    )
    if not (x >= 0 and y >= 0 and width > 0 and height > 0):
        raise place.error("must begin in the image (x and y at least 0) and have a width and height of more than 0")
    return Box(label, x, y, width, height)


def check_boxes_inside(boxes: Sequence[Box], size: tuple[int, int], source: str) -> None:
    """Check that all bounding boxes are inside an image.

    :param size: width and height in pixels.
    :raises EdgeImpulseInputError: naming the first one that is not.
    """
    width, height = size
    for box in boxes:
        if box.x + box.width > width or box.y + box.height > height:
            raise EdgeImpulseInputError(
                f"files: correct the bounding box of {box.label!r} at {box.x:g}, {box.y:g}, which has {box.width:g} x "
                f"{box.height:g} pixels: it is not inside {source!r}, which has {width} x {height}."
            )


def _spans(value: Any, place: _Place) -> tuple[Span, ...]:
    spans = []
    for number, span in enumerate(place.need(value, list, "a list")):
        here = place.at(number)
        here.need(span, dict, "an object")
        start, end = (here.at(key).need(span.get(key), int, "a whole number") for key in ("startIndex", "endIndex"))
        if not 0 <= start <= end:
            raise here.error("must have a startIndex of at least 0, and an endIndex that is not before it")
        spans.append(Span(start, end, _label(span.get("label"), here.at("label"))))
    spans.sort(key=lambda span: span.start_index)
    labeled = 0
    for span in spans:
        if span.start_index > labeled:
            raise place.error(f"must label every reading: from {labeled} to {span.start_index - 1}, there is no label")
        labeled = max(labeled, span.end_index + 1)
    if not spans:
        raise place.error("must have at least one label")
    return tuple(spans)


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _normal(source: str) -> str:
    """Return a path or URI without ``.`` and ``..``, so that two spellings of one place are equal."""
    scheme, separator, path = source.rpartition("://")
    return scheme + separator + posixpath.normpath(path)
