"""Jobs that change a whole dataset: their arguments, the counts before and after, and what a refresh would remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_ei.exceptions import EdgeImpulseDeleteLimitError, EdgeImpulseInputError
from airflow_provider_ei.hooks.stores import open_store
from airflow_provider_ei.numeric import required_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_ei.hooks.base import EdgeImpulseBaseHook
    from airflow_provider_ei.studio.models import DataItem

#: Missing data items that an error names.
MAX_NAMES = 10

DATASET_TYPES = ("clinical", "files")


def check_folder(bucket_id: object, bucket_path: object, dataset_type: object, metadata: object) -> dict[str, Any]:
    """Return the checked arguments of an import.

    :raises EdgeImpulseInputError: naming the one that cannot be used.
    """
    from airflow_provider_ei.sources.names import check_text

    if dataset_type not in (None, "", *DATASET_TYPES):
        raise EdgeImpulseInputError(f"dataset_type must be one of {', '.join(DATASET_TYPES)}, not {dataset_type!r}.")
    return {
        "bucket_id": required_number("bucket_id", bucket_id),
        "bucket_path": check_text("bucket_path", bucket_path),
        "dataset_type": dataset_type or None,
        "metadata_dataset": check_text("metadata_dataset", metadata) if metadata else None,
    }


def check_limit(max_missing: object, bucket_uri: object) -> tuple[int, str] | None:
    """Return how many data items may be missing in which bucket; None for no check.

    :raises EdgeImpulseInputError: when one of the two is missing or cannot be used.
    """
    from airflow_provider_ei.sources.names import check_text

    if max_missing in (None, "") and not bucket_uri:
        return None
    if max_missing in (None, "") or not bucket_uri:
        raise EdgeImpulseInputError(
            "Give max_missing and bucket_uri, or neither: without the bucket, nobody can tell what a refresh would "
            "remove."
        )
    return required_number("max_missing", max_missing, least=0), check_text("bucket_uri", bucket_uri)


def count_dataset(hook: EdgeImpulseBaseHook, dataset: str) -> dict[str, int]:
    """Return the numbers of data items and of files in a dataset (``listOrganizationData``)."""
    items = files = 0
    for page in hook.data_api.list_pages(dataset):
        if page.is_first:
            items = files = 0
        items += len(page.items)
        files += sum(item.total_file_count for item in page.items)
    return {"items": items, "files": files}


def dataset_job_result(
    hook: EdgeImpulseBaseHook, job_id: int, dataset: str, before: Mapping[str, int] | None
) -> dict[str, Any]:
    """Return what the task of such a job returns when it has succeeded.

    :param before: the counts before the job; None when they are not known.
    """
    after = count_dataset(hook, dataset)
    counts = {} if before is None else {"items_before": before["items"], "files_before": before["files"]}
    counts |= {"items_after": after["items"], "files_after": after["files"]}
    return {"dataset": dataset, **hook.job_result(job_id, "succeeded"), **counts}


def check_missing(hook: EdgeImpulseBaseHook, dataset: str, max_missing: int, bucket_uri: str) -> None:
    """Refuse a refresh that would remove too many data items (``listOrganizationFiles``).

    :raises EdgeImpulseDeleteLimitError: naming some of them.
    :raises EdgeImpulseError: when the bucket cannot be listed.
    """
    from airflow_provider_ei.sources.object_store import open_object_store

    items = [item for item in hook.data_api.list_data_items(dataset, with_files=True) if item.files]
    with open_object_store("bucket_uri", bucket_uri, open_store) as (store, key):
        root = key.rstrip("/")
        folders = {_folder(item).partition("/")[0] for item in items}
        stored = {found for folder in folders for found in store.fs.find(f"{root}/{folder}".rstrip("/"))}
    missing = [item.name for item in items if stored.isdisjoint(_keys(root, item))]
    if len(missing) > max_missing:
        names = ", ".join(map(repr, missing[:MAX_NAMES])) + (", …" if len(missing) > MAX_NAMES else "")
        raise EdgeImpulseDeleteLimitError(
            f"Check bucket_uri and the bucket, or raise max_missing ({max_missing}): a refresh of dataset {dataset!r} "
            f"would remove {len(missing)} of {len(items)} data items, whose objects are gone from {bucket_uri!r}: "
            f"{names}. It was not started."
        )


def _folder(item: DataItem) -> str:
    return (item.bucket_path or "").strip("/")


def _keys(root: str, item: DataItem) -> list[str]:
    folder = f"{root}/{_folder(item)}".rstrip("/")
    return [f"{folder}/{file.name}" for file in item.files or ()]
