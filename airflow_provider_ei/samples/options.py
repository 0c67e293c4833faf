"""The arguments of an upload of samples, checked once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.samples.sample_file import CATEGORIES, GivenLabel, GivenMetadata
from airflow_provider_ei.sources.names import check_text
from airflow_provider_ei.sync.checks import check_choice, is_missing
from airflow_provider_ei.sync.metadata import metadata_strings

#: What to do with a sample that has the content of a file and another label, category or metadata.
IF_EXISTS = ("update", "skip", "fail")

#: Maximum number of requests at once.
MAX_WORKERS = 64

#: Maximum size of metadata as JSON in bytes. They travel in a header, and servers limit the size of headers.
MAX_METADATA_BYTES = 8000


@dataclass(frozen=True)
class UploadOptions:
    """How to upload samples; see ``hook.upload_samples``."""

    category: str
    sample_label: GivenLabel
    metadata: GivenMetadata
    if_exists: str
    workers: int

    @classmethod
    def check(
        cls,
        *,
        category: Any,
        sample_label: Any = None,
        metadata: Any = None,
        if_exists: Any = "update",
        workers: Any = 8,
    ) -> UploadOptions:
        """Check the arguments.

        :raises EdgeImpulseInputError: naming the argument that cannot be used.
        """
        count = whole_number("workers", workers)
        if count is None or count > MAX_WORKERS:
            raise EdgeImpulseInputError(f"workers must be a whole number from 1 to {MAX_WORKERS}, not {workers!r}.")
        return cls(
            category=check_choice("category", category, CATEGORIES),
            sample_label=sample_label if callable(sample_label) else check_label("sample_label", sample_label),
            metadata=metadata if callable(metadata) else check_metadata("metadata", metadata),
            if_exists=check_choice("if_exists", if_exists, IF_EXISTS),
            workers=count,
        )


def check_label(field: str, value: Any) -> str | None:
    """Return a label that can be sent; None for None.

    :raises EdgeImpulseInputError: when it is empty, not a string, or cannot be sent.
    """
    return None if value is None else check_text(field, value)


def check_metadata(field: str, value: Any) -> Mapping[str, str]:
    """Return metadata as strings.

    :raises EdgeImpulseInputError: when they cannot be stored, or are too large for a header.
    """
    strings = metadata_strings(None if is_missing(value) else value)
    size = len(json.dumps(strings))
    if size > MAX_METADATA_BYTES:
        raise EdgeImpulseInputError(
            f"Shorten {field}, which are sent in a header: they have {size} bytes as JSON, of at most "
            f"{MAX_METADATA_BYTES}."
        )
    return strings
