"""The operators for data that lies in a bucket of the organization: import a folder, and refresh a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.organization_job import EdgeImpulseOrganizationJobOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class _DatasetJobOperator(EdgeImpulseOrganizationJobOperator):
    """Counts the dataset before and after a job that changes it."""

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset

    def _check_arguments(self) -> None:
        from airflow_provider_ei.sources.names import check_text

        super()._check_arguments()
        self._dataset = check_text("dataset", self.dataset)

    def _prepare_start(self, hook: EdgeImpulseHook) -> None:
        from airflow_provider_ei.hooks.dataset_jobs import count_dataset

        self._notes["before"] = count_dataset(hook, self._dataset)

    def _collect_result(self, hook: EdgeImpulseHook, job_id: int, context: Context) -> Mapping[str, Any]:
        from airflow_provider_ei.hooks.dataset_jobs import dataset_job_result

        return dataset_job_result(hook, job_id, self._dataset, self._notes.get("before"))


class EdgeImpulseImportFolderOperator(_DatasetJobOperator):
    """Import a folder of a bucket into a dataset (``addOrganizationDataFolder``), and wait until that has succeeded.

    The data lies in the bucket already and is not moved: each folder below the path becomes a data item. Nothing is
    removed. Cancelling leaves what was imported by then. Give the tasks that import or refresh a pool with one slot:
    the service does not say which dataset a job is for, so that after a lost answer another task's job could be taken
    for this one's.

    :param dataset: name of the dataset; it is created if it does not exist.
    :param bucket_id: the organization's bucket.
    :param bucket_path: the folder in the bucket.
    :param dataset_type: ``clinical`` (data items) or ``files``; None lets the service decide.
    :param metadata_dataset: name of the dataset that has the metadata of the items.
    :return: the job's id and counts; see :class:`~airflow_provider_ei.results.DatasetJobResult`.
    """

    template_fields: Sequence[str] = (
        "dataset",
        "bucket_id",
        "bucket_path",
        "dataset_type",
        "metadata_dataset",
        *EdgeImpulseOrganizationJobOperator.template_fields,
    )
    job_kind = "add_folder"

    def __init__(
        self,
        *,
        dataset: str,
        bucket_id: int | str,
        bucket_path: str,
        dataset_type: str | None = None,
        metadata_dataset: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dataset=dataset, **kwargs)
        self.bucket_id = bucket_id
        self.bucket_path = bucket_path
        self.dataset_type = dataset_type
        self.metadata_dataset = metadata_dataset
        self._make_plain()

    def _check_arguments(self) -> None:
        from airflow_provider_ei.hooks.dataset_jobs import check_folder

        super()._check_arguments()
        self._folder = check_folder(self.bucket_id, self.bucket_path, self.dataset_type, self.metadata_dataset)

    def _start_job(self, hook: EdgeImpulseHook) -> int:
        return hook.organization_api.start_import(self._dataset, **self._folder)


class EdgeImpulseRefreshDatasetOperator(_DatasetJobOperator):
    """Make a dataset equal to its bucket (``refreshOrganizationData``), and wait until that has succeeded.

    The service looks for new objects, and **removes the data items whose objects are gone**, if the dataset has a path
    in a bucket. ``max_missing`` refuses to start that when too many are gone. The API does not show what is in the
    bucket, so Airflow has to see the bucket itself: ``bucket_uri``. What is checked: each data item in the listing of
    the dataset of which not one file is in the bucket counts as missing. What is not: objects that vanish after the
    check, and single files of an item that remains. A bucket that cannot be listed, or a wrong URI, refuses.

    Give the tasks that import or refresh a pool with one slot: the service does not say which dataset a job is for, so
    that after a lost answer another task's job could be taken for this one's. What two refreshes of one dataset at once
    do is not documented either.

    :param dataset: name of the dataset.
    :param max_missing: how many data items the refresh may remove; None for no check.
    :param bucket_uri: the bucket of the dataset's items as Airflow sees it, such as ``s3://conn_id@bucket``; with the
        prefix of the bucket in Studio, if it has one.
    :return: the job's id and counts; see :class:`~airflow_provider_ei.results.DatasetJobResult`.
    """

    template_fields: Sequence[str] = (
        "dataset",
        "max_missing",
        "bucket_uri",
        *EdgeImpulseOrganizationJobOperator.template_fields,
    )
    job_kind = "refresh"

    def __init__(
        self,
        *,
        dataset: str,
        max_missing: int | str | None = None,
        bucket_uri: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dataset=dataset, **kwargs)
        self.max_missing = max_missing
        self.bucket_uri = bucket_uri
        self._make_plain()

    def _check_arguments(self) -> None:
        from airflow_provider_ei.hooks.dataset_jobs import check_limit

        super()._check_arguments()
        self._limit = check_limit(self.max_missing, self.bucket_uri)

    def _prepare_start(self, hook: EdgeImpulseHook) -> None:
        from airflow_provider_ei.hooks.dataset_jobs import check_missing

        if self._limit is not None:
            check_missing(hook, self._dataset, *self._limit)
        super()._prepare_start(hook)

    def _start_job(self, hook: EdgeImpulseHook) -> int:
        return hook.organization_api.start_refresh(self._dataset)
