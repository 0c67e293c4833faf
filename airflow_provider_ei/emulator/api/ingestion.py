"""The ingestion service: files of a request become samples of the key's project."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import unquote

from airflow_provider_ei.emulator.api.operation import Answer, Call, Operation
from airflow_provider_ei.emulator.sample_files import RefusedFile, SampleFacts, examine, without_extension
from airflow_provider_ei.emulator.sidecars import MAX_BYTES, NAMES, Sidecars, parse_boxes
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.stored_samples import NewSample, SampleLabels
from airflow_provider_ei.emulator.uploads import ReceivedFile, Upload

FILE_FIELD = "data"
MAX_FILES = 1_000
"""The number of files that the service accepts in one request."""
PATHS = ("training", "testing", "anomaly", "split", "validation", "post-processing")
_TESTING_SHARE = 0.2
_MAX_LABEL_CHARACTERS = 1_000
_NAME_OF_LABEL = re.compile(r"[^.]+")


def upload_samples(category: str, call: Call) -> Answer:
    """``uploadSamples``: the answer has an entry for each file that is a sample, in the order of the request."""
    upload = call.upload
    assert upload is not None
    if not upload.files:
        raise StoreError("No files were sent in the field 'data'")
    metadata = _metadata(call)
    sidecars = _read_sidecars(upload)
    attached = sidecars.attached()
    entries: list[dict[str, Any] | None] = []
    samples: list[NewSample] = []
    for file in upload.files:
        if file.name in NAMES or file.name in attached:
            continue
        try:
            samples.append(_sample(call, category, file, upload, metadata, sidecars))
            entries.append(None)
        except (RefusedFile, StoreError) as error:
            entries.append({"success": False, "error": str(error)})
    stored = iter(_store(call, samples, upload))
    return {"files": [next(stored) if entry is None else entry for entry in entries]}


def _store(call: Call, samples: list[NewSample], upload: Upload) -> list[dict[str, Any]]:
    project_id = call.key_project_id
    allowed = call.headers.get("x-disallow-duplicates", "") in ("", "0", "false")
    results = call.store.samples.add(project_id, samples, upload, allow_duplicates=allowed)
    entries: list[dict[str, Any]] = []
    for sample, result in zip(samples, results, strict=True):
        if isinstance(result, int):
            stored = {"projectId": project_id, "sampleId": result, "fileName": stored_file_name(sample, result)}
            entries.append({"success": True, **stored})
        else:
            entries.append({"success": False, "error": str(result)})
    if any(entry["success"] for entry in entries):
        with call.workspace as workspace:
            workspace.project(project_id).last_modified = workspace.clock.now()
    return entries


def stored_file_name(sample: NewSample, sample_id: int) -> str:
    """Return the name under which the service keeps a sample, which is not the name of the uploaded file."""
    return f"{sample.file_name}.{sample.sha256[:8]}.ingestion-{sample_id}.json"


def _sample(
    call: Call, category: str, file: ReceivedFile, upload: Upload, metadata: dict[str, str], sidecars: Sidecars
) -> NewSample:
    if file.too_large:
        raise StoreError(f"File too large, max. size is {_megabytes(call.settings.max_sample_bytes)}")
    facts = examine(file.name, file.size, _opener(upload, file))
    name = file.name if call.settings.sample_names == "as_sent" else without_extension(file.name)
    if call.headers.get("x-add-date-id", "") not in ("", "0", "false"):
        name = f"{name}.{datetime.now(UTC):%Y%m%d%H%M%S}.{secrets.token_hex(4)}"
    return NewSample(
        category=_split(file.sha256) if category == "split" else category,
        name=name,
        file_name=file.name,
        label=_label(call, file.name),
        metadata=metadata,
        sha256=file.sha256,
        size=file.size,
        content_type=file.content_type,
        device_type=call.headers.get("x-device-type", "EMULATOR"),
        offset=file.offset,
        facts=facts,
        labels=_labels(call, file.name, facts, sidecars),
    )


def _labels(call: Call, name: str, facts: SampleFacts, sidecars: Sidecars) -> SampleLabels:
    boxes = call.headers.get("x-bounding-boxes")
    return sidecars.labels_of(name, facts) if boxes is None else parse_boxes(boxes, facts)


def _label(call: Call, file_name: str) -> str:
    """Return the label of the header, which is percent-encoded, or else that in the name of the file."""
    if call.headers.get("x-no-label", "") not in ("", "0", "false"):
        return ""
    label = unquote(_utf8(call.headers.get("x-label", "")), errors="replace")
    if len(label) > _MAX_LABEL_CHARACTERS:
        raise StoreError(f"x-label has more than {_MAX_LABEL_CHARACTERS} characters")
    if label:
        return label
    found = _NAME_OF_LABEL.match(file_name)
    return "" if found is None else found[0]


def _metadata(call: Call) -> dict[str, str]:
    text = call.headers.get("x-metadata")
    if not text:
        return {}
    try:
        metadata = json.loads(_utf8(text))
    except (ValueError, RecursionError):
        raise StoreError("x-metadata is not valid JSON") from None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise StoreError("x-metadata must be an object whose values are strings")
    try:
        json.dumps(metadata, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise StoreError("x-metadata is not valid Unicode") from None
    return metadata


def _utf8(header: str) -> str:
    """Return a header as text: the server has decoded its bytes as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def _read_sidecars(upload: Upload) -> Sidecars:
    upload.close()
    sidecars = Sidecars()
    for file in upload.files:
        if file.name in NAMES:
            if file.size > MAX_BYTES:
                raise StoreError(f"{file.name} is larger than {_megabytes(MAX_BYTES)}")
            with _opener(upload, file)() as stream:
                sidecars.read(file.name, stream.read(file.size))
    sidecars.check_names(frozenset(file.name for file in upload.files))
    return sidecars


def _opener(upload: Upload, file: ReceivedFile) -> Callable[[], BinaryIO]:
    def open_file() -> BinaryIO:
        stream = upload.path.open("rb")
        stream.seek(file.offset)
        return stream

    return open_file


def _split(sha256: str) -> str:
    """Return the category for a file, always the same for the same content."""
    return "testing" if int(sha256[:8], 16) / 16**8 < _TESTING_SHARE else "training"


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):g}MB"


OPERATIONS = tuple(
    Operation("uploadSamples", "POST", f"/{path}/files", partial(upload_samples, path), "multipart", True, "ingestion")
    for path in PATHS
)
