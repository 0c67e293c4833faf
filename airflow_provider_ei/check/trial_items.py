"""The data items that a check makes: their dataset, their names, and how to recognize them later."""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from airflow_provider_ei.studio.files import read_opened
from airflow_provider_ei.studio.models import DataItem

#: Metadata key of an item that a check has made. Its value is the random part of the dataset's name.
MARK = "airflow_ei_check"
#: Metadata key of the manifest: the name of the one item that has no mark, since it has no metadata.
ALSO = "airflow_ei_check_also"

MANIFEST = "manifest"
NO_METADATA = "no-metadata"

_DATASET = re.compile(r"airflow-check-([0-9a-f]{16})")
#: Metadata that services add to every item.
_ADDED = ("dataItemInfo", "ei_")


@dataclass(frozen=True)
class TrialFile:
    """A file of a few bytes."""

    name: str
    size: int
    content_type: str = "text/plain"
    source: str = "the check"

    def open(self) -> BinaryIO:
        """Open it."""
        return io.BytesIO(b"x" * self.size)

    def check_unchanged(self, handle: BinaryIO) -> None:
        """Do nothing: it cannot change."""

    def read_whole(self) -> bytes:
        """Return its bytes."""
        return read_opened(self)


NO_METADATA_FILE = TrialFile("no-metadata.txt", 7)


def new_dataset() -> str:
    """Return the name of a dataset that nobody has."""
    return f"airflow-check-{secrets.token_hex(8)}"


def mark_of(dataset: str) -> str | None:
    """Return the mark of the items in a dataset of a check; None for any other dataset."""
    match = _DATASET.fullmatch(dataset)
    return None if match is None else match[1]


def is_manifest(item: DataItem, dataset: str) -> bool:
    """Return whether it is the manifest of a dataset of a check."""
    return item.name == MANIFEST and is_marked(item, dataset) and item.metadata.get(ALSO) == NO_METADATA


def is_marked(item: DataItem, dataset: str) -> bool:
    """Return whether an item is in a dataset of a check, and has its mark."""
    mark = mark_of(dataset)
    return mark is not None and item.dataset == dataset and item.metadata.get(MARK) == mark


def is_unmarked_one(item: DataItem, dataset: str, files: Sequence[TrialFile] = (NO_METADATA_FILE,)) -> bool:
    """Return whether it has all that is known of the item without metadata. Trust it only if the manifest exists."""
    return (
        mark_of(dataset) is not None
        and (item.dataset, item.name) == (dataset, NO_METADATA)
        and all(key.startswith(_ADDED) for key in item.metadata)
        and item.files is not None
        and [(file.name, file.size) for file in item.files] == [(file.name, file.size) for file in files]
    )
