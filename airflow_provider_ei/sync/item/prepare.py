"""Creates a wanted item from the arguments of ``add_data``. Invalid arguments are refused before any request."""

from __future__ import annotations

from typing import Any, get_args

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.sources.discover import discover_files
from airflow_provider_ei.sources.file_specs import parse_file_specs
from airflow_provider_ei.sources.literals import parse_literal
from airflow_provider_ei.sources.names import check_text
from airflow_provider_ei.sources.object_store import OpenStore
from airflow_provider_ei.sync.checks import check_bucket, optional_text
from airflow_provider_ei.sync.item.conflicts import IfExists
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.metadata import metadata_strings


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
    """Create the wanted item from the arguments of ``add_data``.

    :raises EdgeImpulseInputError: naming the field, the item and the value or file.
    """
    name = check_text("name", name)
    try:
        check_bucket(bucket_name, bucket_id)
        specs = parse_file_specs(files)
        return WantedItem(
            name=name,
            dataset=check_text("dataset", dataset),
            metadata=metadata_strings(parse_literal(metadata, "metadata") if isinstance(metadata, str) else metadata),
            bucket_name=optional_text("bucket_name", bucket_name),
            bucket_id=whole_number("bucket_id", bucket_id),
            bucket_path=optional_text("bucket_path", bucket_path),
            origin=origin,
            uris=tuple(spec.path for spec in specs),
            files=discover_files(specs, open_store),
        )
    except EdgeImpulseInputError as error:
        raise EdgeImpulseInputError(f"Data item {name!r}: {error}") from error.__cause__


def check_if_exists(value: Any) -> IfExists:
    """Return a valid ``if_exists``.

    :raises EdgeImpulseInputError: for any other value.
    """
    known = get_args(IfExists)
    if value not in known:
        raise EdgeImpulseInputError(f"if_exists must be one of {', '.join(known)}, not {value!r}.")
    return value  # type: ignore[no-any-return]
