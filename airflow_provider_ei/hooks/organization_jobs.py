"""Hook methods that run pipelines and jobs of an organization, and download its data."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow_provider_ei.hooks.api_calls import ApiCalls
from airflow_provider_ei.hooks.interruptible import interruptible
from airflow_provider_ei.hooks.stores import open_store
from airflow_provider_ei.numeric import whole_number

if TYPE_CHECKING:
    from airflow_provider_ei.hooks.base import EdgeImpulseBaseHook
    from airflow_provider_ei.results import DatasetJobResult, DownloadResult, PipelineRunResult, TransformResult

    _HookT = TypeVar("_HookT", bound=EdgeImpulseBaseHook)


class OrganizationJobCalls(ApiCalls):
    """Runs pipelines and jobs of the organization. A lost answer starts nothing twice.

    A task whose worker may be lost uses the operators, which find their job again.
    """

    @interruptible
    def run_pipeline(
        self,
        pipeline_id: int | str,
        *,
        ignore_last_successful_run: bool = False,
        max_failed_imports: int | str = 0,
        wait_for_completion: bool = True,
        poll_interval: float = 10.0,
        timeout: float | None = None,
    ) -> PipelineRunResult:
        """Run a pipeline (``runOrganizationPipeline``), and wait until the run has succeeded.

        See :class:`~airflow_provider_ei.operators.pipeline.EdgeImpulseRunPipelineOperator`.

        :param pipeline_id: the pipeline.
        :param ignore_last_successful_run: also process data that an earlier run has processed.
        :param max_failed_imports: how many items the run may fail to import into a project.
        :param wait_for_completion: False: return as soon as the run is started.
        :param poll_interval: seconds between the first two looks at the run; later intervals are longer.
        :param timeout: seconds after which the run is stopped; None for no limit.
        :raises EdgeImpulseJobError: when the run ends without success; names the steps.
        :raises EdgeImpulseJobTimeoutError: when the timeout passes.
        """
        from airflow_provider_ei.hooks.organization_runs import PipelineRunsHook

        runs = self._lend_client(
            PipelineRunsHook(self.edge_impulse_conn_id, pipeline_id=pipeline_id, max_failed_imports=max_failed_imports)
        )
        result = runs._run_job(
            "pipeline",
            partial(runs.start, ignore_last_successful_run=ignore_last_successful_run),
            wait_for_completion=wait_for_completion,
            poll_interval=poll_interval,
            timeout=timeout,
        )
        return cast("PipelineRunResult", result)

    @interruptible
    def transform(
        self,
        name: str,
        *,
        filter: str | None = None,
        path_filters: Sequence[Mapping[str, str]] | None = None,
        transformation_block_id: int | str | None = None,
        builtin_block: Mapping[str, Any] | None = None,
        output_dataset: str | None = None,
        edge_impulse_project_conn_id: str | None = None,
        category: str | None = None,
        sample_label: str | None = None,
        output_bucket_id: int | str | None = None,
        output_bucket_path: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        parallel: int | str | None = None,
        wait_for_completion: bool = True,
        poll_interval: float = 10.0,
        timeout: float | None = None,
    ) -> TransformResult:
        """Transform data items into a dataset or a project (``organizationCreateProject``), and wait for success.

        See :class:`~airflow_provider_ei.operators.transform.EdgeImpulseTransformOperator`.

        :param name: name of the job. A random token is appended, by which the job is found after a lost answer.
        :param filter: the data items to transform, as an SQL condition, such as ``dataset = 'raw'``.
        :param path_filters: what to transform of datasets of files: a list of dicts with ``dataset`` and ``filter``.
        :param transformation_block_id: the organization's transformation block; or
        :param builtin_block: a block of Edge Impulse itself, in the form of the API.
        :param output_dataset: the dataset that gets the results; or
        :param edge_impulse_project_conn_id: the Airflow connection of the project that gets them.
        :param category: ``training``, ``testing`` or ``split``, for a project.
        :param sample_label: label of all samples, for a project.
        :param output_bucket_id: the bucket for new items of the dataset.
        :param output_bucket_path: the folder in that bucket.
        :param parameters: the block's parameters.
        :param parallel: how many inputs are transformed at once.
        :param wait_for_completion: False: return as soon as the job is started.
        :param poll_interval: seconds between the first two looks at the job; later intervals are longer.
        :param timeout: seconds after which the job is cancelled; None for no limit.
        :raises EdgeImpulseJobError: when an input has failed; names the inputs.
        :raises EdgeImpulseJobTimeoutError: when the timeout passes.
        """
        from airflow_provider_ei.hooks.organization_runs import TransformationsHook
        from airflow_provider_ei.hooks.transform_request import TransformRequest

        given = dict(locals())
        request = TransformRequest.of(SimpleNamespace(**given))
        job_name = f"{request.name} [{secrets.token_hex(8)}]"
        jobs = self._lend_client(TransformationsHook(self.edge_impulse_conn_id, names=[job_name]))
        result = jobs._run_job(
            "transform",
            lambda: jobs.start(request.body(job_name, self.settings.base_url)),
            wait_for_completion=wait_for_completion,
            poll_interval=poll_interval,
            timeout=timeout,
        )
        return cast("TransformResult", result)

    @interruptible
    def import_folder(
        self,
        dataset: str,
        *,
        bucket_id: int | str,
        bucket_path: str,
        dataset_type: str | None = None,
        metadata_dataset: str | None = None,
        wait_for_completion: bool = True,
        poll_interval: float = 10.0,
        timeout: float | None = None,
    ) -> DatasetJobResult:
        """Import a folder of a bucket into a dataset (``addOrganizationDataFolder``), and wait for success.

        See :class:`~airflow_provider_ei.operators.bucket_data.EdgeImpulseImportFolderOperator`.

        :param dataset: name of the dataset; it is created if it does not exist.
        :param bucket_id: the organization's bucket.
        :param bucket_path: the folder in the bucket.
        :param dataset_type: ``clinical`` (data items) or ``files``; None lets the service decide.
        :param metadata_dataset: name of the dataset that has the metadata of the items.
        :param wait_for_completion: False: return as soon as the job is started.
        :param poll_interval: seconds between the first two looks at the job; later intervals are longer.
        :param timeout: seconds after which the job is cancelled; None for no limit.
        :raises EdgeImpulseJobError: when the job ends without success; quotes the end of its log.
        :raises EdgeImpulseJobTimeoutError: when the timeout passes.
        """
        from airflow_provider_ei.hooks.dataset_jobs import check_folder
        from airflow_provider_ei.sources.names import check_text

        name = check_text("dataset", dataset)
        folder = check_folder(bucket_id, bucket_path, dataset_type, metadata_dataset)
        return self._run_dataset_job(
            "add_folder",
            name,
            lambda: self.organization_api.start_import(name, **folder),
            wait_for_completion=wait_for_completion,
            poll_interval=poll_interval,
            timeout=timeout,
        )

    @interruptible
    def refresh_dataset(
        self,
        dataset: str,
        *,
        max_missing: int | str | None = None,
        bucket_uri: str | None = None,
        wait_for_completion: bool = True,
        poll_interval: float = 10.0,
        timeout: float | None = None,
    ) -> DatasetJobResult:
        """Make a dataset equal to its bucket (``refreshOrganizationData``), and wait for success.

        A refresh removes the data items whose objects are gone. See
        :class:`~airflow_provider_ei.operators.bucket_data.EdgeImpulseRefreshDatasetOperator`.

        :param dataset: name of the dataset.
        :param max_missing: how many data items the refresh may remove; None for no check.
        :param bucket_uri: the bucket of the dataset's items as Airflow sees it, such as ``s3://conn_id@bucket``.
        :param wait_for_completion: False: return as soon as the job is started.
        :param poll_interval: seconds between the first two looks at the job; later intervals are longer.
        :param timeout: seconds after which the job is cancelled; None for no limit.
        :raises EdgeImpulseDeleteLimitError: when more than ``max_missing`` are gone; nothing was started.
        :raises EdgeImpulseJobError: when the job ends without success; quotes the end of its log.
        :raises EdgeImpulseJobTimeoutError: when the timeout passes.
        """
        from airflow_provider_ei.hooks.dataset_jobs import check_limit, check_missing
        from airflow_provider_ei.sources.names import check_text

        name = check_text("dataset", dataset)
        limit = check_limit(max_missing, bucket_uri)

        def start() -> int:
            if limit is not None:
                check_missing(self, name, *limit)
            return self.organization_api.start_refresh(name)

        return self._run_dataset_job(
            "refresh",
            name,
            start,
            wait_for_completion=wait_for_completion,
            poll_interval=poll_interval,
            timeout=timeout,
        )

    @interruptible
    def download_data(
        self,
        destination: str,
        *,
        dataset: str | None = None,
        name: str | None = None,
        filter: str | None = None,
        data_id: int | str | None = None,
    ) -> DownloadResult:
        """Download a data item, or those that a filter finds (``downloadOrganizationDataFile``).

        See :class:`~airflow_provider_ei.operators.download.EdgeImpulseDownloadDataOperator`.

        :param destination: an absolute path on this machine, or a URI such as ``s3://conn_id@bucket/folder``.
        :param dataset: the dataset; with
        :param name: the name of one data item; or
        :param filter: an SQL condition. Without both, the whole dataset.
        :param data_id: the id of one data item, instead of a dataset.
        :raises EdgeImpulseInputError: before anything is downloaded, when an argument or a name cannot be used.
        :raises EdgeImpulseFileError: when a file cannot be written, or changes meanwhile.
        """
        from airflow_provider_ei.downloads.download import Selection, download
        from airflow_provider_ei.downloads.targets import open_target
        from airflow_provider_ei.sources.names import check_text

        target = open_target(check_text("destination", destination), open_store)
        selection = Selection(
            data_id=whole_number("data_id", data_id),
            dataset=check_text("dataset", dataset) if dataset else None,
            name=check_text("name", name) if name else None,
            filter=filter or None,
        )
        counts = download(self.data_api, selection, target)
        return {
            "destination": target.place,
            "organization_id": self.organization_id,
            "item_count": counts.item_count,
            "file_count": counts.file_count,
            "downloaded": counts.downloaded,
            "unchanged": counts.unchanged,
            "bytes": counts.bytes,
        }

    def _run_dataset_job(
        self, kind: str, dataset: str, start: Callable[[], int], *, wait_for_completion: bool, **wait: Any
    ) -> DatasetJobResult:
        from airflow_provider_ei.hooks.dataset_jobs import count_dataset, dataset_job_result

        before = count_dataset(self, dataset)
        result: Any = self._run_job(kind, start, wait_for_completion=wait_for_completion, **wait)
        if wait_for_completion:
            result = dataset_job_result(self, result["job_id"], dataset, before)
        return cast("DatasetJobResult", result)

    def _lend_client(self, hook: _HookT) -> _HookT:
        """Let another hook of this organization work through this hook's connection and client."""
        lent: dict[str, Any] = {
            "_connection": self._connection,
            "client": self.client,
            "organization_id": self.organization_id,
        }
        vars(hook).update(lent)
        return hook
