"""Operations on the samples of a project."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from airflow_provider_ei.emulator.api.operation import PROJECT, Answer, Call, Operation
from airflow_provider_ei.emulator.emulator_settings import SampleOrder
from airflow_provider_ei.emulator.sample_files import read_values
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.stored_samples import CATEGORIES, SampleFilter, StoredSample

_MOVE_CATEGORIES = tuple(category for category in CATEGORIES if category != "anomaly")  # as the contract has it
_DEFAULT_LIMIT = 100
_DEFAULT_PAYLOAD_VALUES = 1_000
_ORDERS: dict[str, SampleOrder] = {"id-desc": "newest", "id-asc": "oldest"}
# Parameters of the contract that the emulator would have to ignore.
_NOT_IMPLEMENTED = (
    "maxLength", "minLength", "minFrequency", "maxFrequency", "minLabel", "maxLabel", "proposedActionsJobId",
    "dataType", "metadata", "minDate", "maxDate", "datasetVersionId",
)  # fmt: skip


def list_samples(call: Call) -> Answer:
    """``listSamples``: the newest first, unless a switch or ``sortBy`` says otherwise."""
    selection = _selection(call)
    limit = call.query.count("limit")
    sort_by = call.query.text("sortBy")
    if sort_by not in (None, *_ORDERS):
        raise StoreError(f"sortBy: the emulator implements {' and '.join(_ORDERS)}")
    offset = call.query.count("offset") or 0
    samples = call.store.samples.select(
        selection,
        limit=_DEFAULT_LIMIT if limit is None else limit,
        offset=0 if call.settings.listing_offset == "ignored" else offset,
        order=_ORDERS[sort_by] if sort_by else call.settings.sample_order,
    )
    with_sensors = call.query.text("excludeSensors") != "true"
    return {
        "samples": [_sample(call, sample, with_sensors=with_sensors) for sample in samples],
        "totalCount": call.store.samples.count(selection),
    }


def count_samples(call: Call) -> Answer:
    """``countSamples``."""
    return {"count": call.store.samples.count(_selection(call))}


def get_sample(call: Call) -> Answer:
    """``getSample``."""
    _project(call)
    limit = call.query.count("limitPayloadValues")
    sample, stream = call.store.samples.open(_project_id(call), _sample_id(call))
    stream.close()
    values = read_values(
        sample.file_name,
        sample.size,
        lambda: call.store.samples.open(sample.project_id, sample.id)[1],
        _DEFAULT_PAYLOAD_VALUES if limit is None else limit,
    )
    return {
        "sample": _sample(call, sample),
        "payload": {
            "device_name": sample.device_type,
            "device_type": sample.device_type,
            "sensors": _sensors(sample),
            "values": values,
        },
        "totalPayloadLength": sample.facts.values,
    }


def edit_label(call: Call) -> Answer:
    """``editLabel``: an empty label makes the sample unlabeled."""
    label = call.fields.values.get("label")
    if not isinstance(label, str):
        raise StoreError("label must be a string")
    return _update(call, label=call.fields.text("label") or "")


def move_sample(call: Call) -> Answer:
    """``moveSample``."""
    category = call.fields.required_text("newCategory")
    if category not in _MOVE_CATEGORIES:
        raise StoreError(f"newCategory must be one of {', '.join(_MOVE_CATEGORIES)}")
    return _update(call, category=category)


def set_metadata(call: Call) -> Answer:
    """``setSampleMetadata``."""
    metadata = call.fields.metadata("metadata")
    if metadata is None:
        raise StoreError("Missing metadata")
    return _update(call, metadata=metadata, metadata_update=call.settings.metadata_update)


def delete_sample(call: Call) -> Answer:
    """``deleteSample``."""
    _project(call)
    call.store.samples.delete(_project_id(call), _sample_id(call))
    _touch(call)
    return {}


def _update(call: Call, **changes: Any) -> Answer:
    _project(call)
    call.store.samples.update(_project_id(call), _sample_id(call), **changes)
    _touch(call)
    return {}


def _touch(call: Call) -> None:
    with call.workspace as workspace:
        call.project.last_modified = workspace.clock.now()


def _project(call: Call) -> None:
    """Check that the project exists."""
    with call.workspace:
        assert call.project


def _project_id(call: Call) -> int:
    return int(call.path["projectId"])


def _sample_id(call: Call) -> int:
    # SQLite rejects integers above 64 bits, and no id is that large.
    return min(int(call.path["sampleId"][:19]), 2**63 - 1)


def _selection(call: Call) -> SampleFilter:
    _project(call)
    for name in _NOT_IMPLEMENTED:
        if call.query.text(name) is not None:
            raise StoreError(f"The emulator does not implement the parameter {name}")
    category = call.query.required_text("category")
    if category not in CATEGORIES:
        raise StoreError(f"category must be one of {', '.join(CATEGORIES)}")
    # All samples are enabled and have valid signatures.
    empty = call.query.text("includeDisabled") == "disabled" or call.query.text("signatureValidity") == "invalid"
    return SampleFilter(
        project_id=_project_id(call),
        category=category,
        labels=() if empty else _labels(call),
        part_of_name=call.query.text("filename") or call.query.text("search") or "",
        min_id=call.query.integer("minId"),
        max_id=call.query.integer("maxId"),
    )


def _labels(call: Call) -> tuple[str, ...] | None:
    text = call.query.text("labels")
    try:
        labels = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        raise StoreError("labels is not valid JSON") from None
    if labels is None:
        return None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise StoreError("labels must be a list of strings")
    return tuple(labels)


def _sample(call: Call, sample: StoredSample, *, with_sensors: bool = True) -> dict[str, Any]:
    """Return a ``Sample``."""
    facts, labels = sample.facts, sample.labels
    frequency = 1000 / facts.interval_ms if facts.interval_ms else 0.0
    folder = f"{sample.project_id}/{sample.category}"
    info: dict[str, Any] = {
        "id": sample.id,
        "filename": sample.name,
        "signatureValidate": True,
        "created": sample.created,
        "lastModified": sample.modified,
        "category": sample.category,
        "coldstorageFilename": f"{folder}/{sample.file_name}.{sample.sha256[:8]}.ingestion-{sample.id}.json",
        "label": sample.label,
        "intervalMs": facts.interval_ms,
        "frequency": frequency,
        "originalIntervalMs": facts.interval_ms,
        "originalFrequency": frequency,
        "deviceName": sample.device_type,
        "deviceType": sample.device_type,
        "sensors": _sensors(sample) if with_sensors else [],
        "valuesCount": facts.values,
        "totalLengthMs": facts.values * facts.interval_ms,
        "added": sample.created,
        "boundingBoxes": labels.boxes,
        "boundingBoxesType": "object_detection",
        "chartType": facts.chart,
        "isDisabled": False,
        "isProcessing": False,
        "processingError": False,
        "isCropped": False,
        "metadata": sample.metadata,
        "projectId": sample.project_id,
        "sha256Hash": _hash(call, sample),
    }
    if labels.structured:
        info["structuredLabels"] = labels.structured
        info["structuredLabelsList"] = sorted({each["label"] for each in labels.structured})
    if labels.label_map is not None:
        info["labelMap"] = {"type": "key-values", "labels": labels.label_map}
    if facts.width is not None:
        info["imageDimensions"] = {"width": facts.width, "height": facts.height}
    return info


def _hash(call: Call, sample: StoredSample) -> str:
    if call.settings.sample_hashes == "file":
        return sample.sha256
    return hashlib.sha256(f"stored form of {sample.sha256}".encode()).hexdigest()


def _sensors(sample: StoredSample) -> list[dict[str, str]]:
    return [{"name": name, "units": units} for name, units in sample.facts.sensors]


_SAMPLES = f"{PROJECT}/raw-data"
_SAMPLE = f"{_SAMPLES}/{{sampleId}}"

OPERATIONS = (
    Operation("listSamples", "GET", _SAMPLES, list_samples),
    Operation("countSamples", "GET", f"{_SAMPLES}/count", count_samples),
    Operation("getSample", "GET", _SAMPLE, get_sample),
    Operation("deleteSample", "DELETE", _SAMPLE, delete_sample, "none", True),
    Operation("editLabel", "POST", f"{_SAMPLE}/edit-label", edit_label, "json", True),
    Operation("moveSample", "POST", f"{_SAMPLE}/move", move_sample, "json", True),
    Operation("setSampleMetadata", "POST", f"{_SAMPLE}/metadata", set_metadata, "json", True),
)
