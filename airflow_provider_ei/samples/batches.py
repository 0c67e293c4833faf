"""Divides files into requests: files of one request have the same label, category and metadata."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from airflow_provider_ei.samples.sample_file import SampleFile
from airflow_provider_ei.samples.sidecars import BOXES, SPANS
from airflow_provider_ei.studio.api.ingestion import MAX_FILES
from airflow_provider_ei.studio.files import UploadFile

#: Limits of the files of one request in bytes; a larger file is sent alone. Within them, the files are divided evenly
#: among the workers.
MIN_BATCH_BYTES = 1024 * 1024
MAX_BATCH_BYTES = 64 * 1024 * 1024

#: Files that are sent together even if there are more workers than batches.
MIN_BATCH_FILES = 20

#: Files in a request that have labels of the others: one for each kind.
_SIDECARS = 2


@dataclass(frozen=True)
class MemoryFile:
    """A file that exists only in memory; see ``UploadFile``."""

    name: str
    data: bytes
    content_type: str = "application/json"

    @property
    def size(self) -> int:
        """See ``UploadFile.size``."""
        return len(self.data)

    @property
    def source(self) -> str:
        """See ``UploadFile.source``."""
        return self.name

    def open(self) -> BinaryIO:
        """See ``UploadFile.open``."""
        return io.BytesIO(self.data)

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Do nothing: nobody else has the bytes."""

    def read_whole(self) -> bytes:
        """See ``UploadFile.read_whole``."""
        return self.data


def divide(samples: Sequence[SampleFile], workers: int) -> list[list[SampleFile]]:
    """Divide files into batches, each with different names."""
    if not samples:
        return []
    total = sum(sample.size for sample in samples)
    max_bytes = min(MAX_BATCH_BYTES, max(MIN_BATCH_BYTES, math.ceil(total / workers)))
    max_files = min(MAX_FILES - _SIDECARS, max(MIN_BATCH_FILES, math.ceil(len(samples) / workers)))
    groups: dict[Hashable, list[SampleFile]] = {}
    for sample in samples:
        groups.setdefault(_key(sample), []).append(sample)
    return [batch for group in groups.values() for batch in _cut(group, max_files, max_bytes)]


def _key(sample: SampleFile) -> Hashable:
    wanted = sample.wanted
    return wanted.category, wanted.label, wanted.unlabeled, wanted.metadata, wanted.spans is not None


def _cut(group: Sequence[SampleFile], max_files: int, max_bytes: int) -> Iterator[list[SampleFile]]:
    """Yield batches of a group; files of the same name are in different batches."""
    layers: list[list[SampleFile]] = []
    seen: Counter[str] = Counter()
    for sample in group:
        if seen[sample.name] == len(layers):
            layers.append([])
        layers[seen[sample.name]].append(sample)
        seen[sample.name] += 1
    for layer in layers:
        batch: list[SampleFile] = []
        size = 0
        for sample in layer:
            if batch and (len(batch) == max_files or size + sample.size > max_bytes):
                yield batch
                batch, size = [], 0
            batch.append(sample)
            size += sample.size
        yield batch


def label_files(batch: Sequence[SampleFile]) -> list[UploadFile]:
    """Return the files with bounding boxes and labels of parts for the files of a batch."""
    boxes = {
        sample.name: [vars(box) for box in sample.wanted.boxes] for sample in batch if sample.wanted.boxes is not None
    }
    spans = {
        sample.name: [
            {"startIndex": span.start_index, "endIndex": span.end_index, "label": span.label}
            for span in sample.wanted.spans
        ]
        for sample in batch
        if sample.wanted.spans is not None
    }
    files: list[UploadFile] = []
    if boxes:
        files.append(_file(BOXES, "bounding-box-labels", "boundingBoxes", boxes))
    if spans:
        files.append(_file(SPANS, "structured-labels", "structuredLabels", spans))
    return files


def _file(name: str, kind: str, key: str, by_file: object) -> MemoryFile:
    return MemoryFile(name, json.dumps({"version": 1, "type": kind, key: by_file}).encode())
