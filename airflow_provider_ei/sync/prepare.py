"""Checks what a user gives and makes a wanted item of it. Everything that can be refused is refused here, before any
request.
"""

from __future__ import annotations

from typing import Any, get_args

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.sources.discover import OpenStore
from airflow_provider_ei.sources.file_specs import parse_literal, resolve_files
from airflow_provider_ei.sources.names import check_text
from airflow_provider_ei.sync.conflicts import IfExists
from airflow_provider_ei.sync.item import WantedItem
from airflow_provider_ei.sync.metadata import metadata_texts


def want_item(
    *,
    name: object,
    dataset: object,
    files: object,
    metadata: object,
    bucket_name: object,
    bucket_id: object,
    bucket_path: object,
    open_store: OpenStore,
    origin: str | None = None,
) -> WantedItem:
    """Make the item of the arguments of ``add_data``.

    :raises EdgeImpulseInputError: naming the field, the item and the value or file.
    """
    name = check_text("name", name)
    try:
        name_of_bucket, id_of_bucket = check_bucket(bucket_name, bucket_id)
        return WantedItem(
            name=name,
            dataset=check_text("dataset", dataset),
            metadata=metadata_texts(parse_literal(metadata, "metadata") if isinstance(metadata, str) else metadata),
            bucket_name=name_of_bucket,
            bucket_id=id_of_bucket,
            bucket_path=_optional_text("bucket_path", bucket_path),
            origin=origin,
            files=resolve_files(files, open_store),
        )
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"Data item {name!r}: {error}") from error.__cause__


def check_if_exists(value: Any) -> IfExists:
    """Return a valid ``if_exists``.

    :raises EdgeImpulseInputError: for any other text.
    """
    known = get_args(IfExists)
    if value not in known:
        raise EdgeImpulseInputError(f"if_exists must be one of {', '.join(known)}, not {value!r}.")
    return value  # type: ignore[no-any-return]


def check_bucket(bucket_name: object, bucket_id: object) -> tuple[str | None, int | None]:
    """Return the name or the number of the bucket for new items; None and None for the organization's own.

    :raises EdgeImpulseInputError: when both are given, or one is not usable.
    """
    if bucket_id not in (None, "") and bucket_name not in (None, ""):
        raise EdgeImpulseInputError("Give bucket_id or bucket_name, not both.")
    return _optional_text("bucket_name", bucket_name), whole_number("bucket_id", bucket_id)


def _optional_text(field: str, value: object) -> str | None:
    return None if value is None or value == "" else check_text(field, value)
