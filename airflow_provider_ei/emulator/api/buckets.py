"""Operations of data that lies in a bucket of the organization: datasets with a bucket path, folders, refresh."""

from __future__ import annotations

from airflow_provider_ei.emulator.api.jobs import job_started
from airflow_provider_ei.emulator.api.operation import ORGANIZATION, Answer, Call, Operation
from airflow_provider_ei.emulator.name_rules import stored_name
from airflow_provider_ei.emulator.stored_data import StoreError


def add_dataset(call: Call) -> Answer:
    """``addOrganizationDataset``: the dataset exists when its job has ended."""
    dataset = call.fields.dataset()
    dataset["dataset"] = stored_name(dataset["dataset"], call.settings.name_form)
    if not dataset["dataset"]:
        raise StoreError("Missing dataset")
    call.store.check_new_dataset(dataset)
    with call.workspace:

        def finish(now: float) -> None:
            if not call.store.has_dataset(dataset["dataset"]):
                call.store.add_dataset(dataset)

        return job_started(call.start_job("add_dataset", finish))


def add_folder(call: Call) -> Answer:
    """``addOrganizationDataFolder``: each folder below the path becomes a data item."""
    name = stored_name(call.fields.required_text("dataset"), call.settings.name_form)
    bucket_id, path = call.fields.values.get("bucketId"), call.fields.values.get("bucketPath")
    type = call.fields.text("type") or "clinical"
    if type not in ("clinical", "files"):
        raise StoreError("type must be clinical or files")
    if type_error := _type_error(bucket_id, path):
        raise StoreError(type_error)
    assert isinstance(bucket_id, int) and isinstance(path, str)
    path = path.strip("/")
    bucket = {"id": bucket_id, "path": path, "dataItemNamingLevelsDeep": 1}
    dataset = {"dataset": name, "tags": [], "category": "", "type": type, "bucket": bucket}
    call.store.check_bucket(bucket_id)
    with call.workspace as workspace:

        def finish(now: float) -> None:
            if not call.store.has_dataset(name):
                call.store.add_dataset(dataset)
            workspace.buckets.scan(call.store, name, bucket_id, path, 1, remove=False)

        return job_started(call.start_job("add_folder", finish))


def refresh(call: Call) -> Answer:
    """``refreshOrganizationData``: the items of the dataset become those of its bucket path."""
    dataset = call.store.dataset(call.query.required_text("dataset"))
    with call.workspace as workspace:

        def finish(now: float) -> None:
            bucket = dataset.bucket
            if bucket is not None:
                path = bucket.path.strip("/")
                workspace.buckets.scan(call.store, dataset.name, bucket.id, path, bucket.naming_levels, remove=True)

        return job_started(call.start_job("refresh", finish))


def _type_error(bucket_id: object, path: object) -> str | None:
    if type(bucket_id) is not int:
        return "bucketId must be an integer"
    return None if isinstance(path, str) else "bucketPath must be a string"


OPERATIONS = (
    Operation("addOrganizationDataset", "POST", f"{ORGANIZATION}/dataset", add_dataset, "json", True),
    Operation("addOrganizationDataFolder", "POST", f"{ORGANIZATION}/data/add-folder", add_folder, "json", True),
    Operation("refreshOrganizationData", "POST", f"{ORGANIZATION}/data/refresh", refresh, "none", True),
)
