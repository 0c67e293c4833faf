"""The operator that runs a transformation job of an organization."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseJobError
from airflow_provider_ei.hooks.organization_runs import TransformationsHook
from airflow_provider_ei.hooks.transform_request import TransformRequest
from airflow_provider_ei.operators.job_base import JOB_ID_KEY
from airflow_provider_ei.operators.organization_job import EdgeImpulseOrganizationJobOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.studio.api.jobs import JobsApi

#: Tries of a task whose jobs are looked for where Airflow keeps no state.
MAX_EARLIER_TRIES = 20


class EdgeImpulseTransformOperator(EdgeImpulseOrganizationJobOperator):
    """Transform data items into a dataset or a project (``organizationCreateProject``), and wait for success.

    The job has succeeded if every input has. The names of inputs that have failed are in the error and in the task's
    log. A retry then transforms only those (``retryOrganizationTransform``, ``retryOrganizationUpload``). The job's
    name ends with a token of the task and its try, by which it is found again when an answer or the worker is lost.

    Cancelling removes the job from Studio (``deleteOrganizationCreateProject``), since the API cannot stop it
    otherwise. What it has written by then remains.

    :param name: name of the job, to which the token is appended.
    :param filter: the data items to transform, as an SQL condition, such as ``dataset = 'raw'``.
    :param path_filters: what to transform of datasets of files: a list of dicts with ``dataset`` and ``filter``.
    :param transformation_block_id: the organization's transformation block; or
    :param builtin_block: a block of Edge Impulse itself, in the form of the API.
    :param output_dataset: the dataset that gets the results; or
    :param edge_impulse_project_conn_id: the Airflow connection of the project that gets them. Its key is sent along.
    :param category: ``training``, ``testing`` or ``split``, for a project.
    :param sample_label: label of all samples, for a project.
    :param output_bucket_id: the bucket for new items of the dataset.
    :param output_bucket_path: the folder in that bucket.
    :param parameters: the block's parameters.
    :param parallel: how many inputs are transformed at once.
    :return: the job's id and counts; see :class:`~airflow_provider_ei.results.TransformResult`.
    """

    template_fields: Sequence[str] = (
        "name",
        "filter",
        "path_filters",
        "transformation_block_id",
        "builtin_block",
        "output_dataset",
        "edge_impulse_project_conn_id",
        "category",
        "sample_label",
        "output_bucket_id",
        "output_bucket_path",
        "parameters",
        "parallel",
        *EdgeImpulseOrganizationJobOperator.template_fields,
    )
    collection_fields = frozenset({"path_filters", "builtin_block", "parameters"})
    job_kind = "transform"

    def __init__(
        self,
        *,
        name: str,
        filter: str | None = None,
        path_filters: Sequence[Mapping[str, str]] | str | None = None,
        transformation_block_id: int | str | None = None,
        builtin_block: Mapping[str, Any] | str | None = None,
        output_dataset: str | None = None,
        edge_impulse_project_conn_id: str | None = None,
        category: str | None = None,
        sample_label: str | None = None,
        output_bucket_id: int | str | None = None,
        output_bucket_path: str | None = None,
        parameters: Mapping[str, Any] | str | None = None,
        parallel: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.filter = filter
        self.path_filters = path_filters
        self.transformation_block_id = transformation_block_id
        self.builtin_block = builtin_block
        self.output_dataset = output_dataset
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id
        self.category = category
        self.sample_label = sample_label
        self.output_bucket_id = output_bucket_id
        self.output_bucket_path = output_bucket_path
        self.parameters = parameters
        self.parallel = parallel
        self._job_name = ""
        self._failed_job_id: int | None = None
        self._repeated_job_id: int | None = None
        self._make_plain()

    def _create_hook(self) -> TransformationsHook:  # type: ignore[override]
        hook = self._hook = TransformationsHook(self.edge_impulse_conn_id, self.organization_id)
        return hook

    def _trigger_owner(self, hook: TransformationsHook) -> dict[str, Any]:  # type: ignore[override]
        return {
            "organization_id": hook.organization_id,
            "edge_impulse_conn_id": self.edge_impulse_conn_id,
            "is_transformation": True,
        }

    def _check_arguments(self) -> None:
        super()._check_arguments()
        self._request = TransformRequest.of(self)

    def submit_job(self, context: Context) -> int:
        """Start the job or find it again; or try again what has failed of it in an earlier try."""
        store = self._store(context)
        self._failed_job_id = store.get(JOB_ID_KEY)
        known = self._notes.get("name")
        number = getattr(context.get("ti"), "try_number", 1) or 1
        self._job_name = known or self._name_of_try(context, number)
        earlier = range(max(1, number - MAX_EARLIER_TRIES), number)
        self._hook.names = frozenset([self._job_name, *(self._name_of_try(context, each) for each in earlier)])
        return super().submit_job(context)

    def _name_of_try(self, context: Context, number: int) -> str:
        task = context.get("ti")
        facts = [getattr(task, fact, "") for fact in ("dag_id", "run_id", "task_id", "map_index")]
        token = hashlib.sha256(repr([*facts, number]).encode()).hexdigest()[:16]
        return f"{self._request.name} [{token}]"

    def _prepare_start(self, hook: TransformationsHook) -> None:
        self._notes["name"] = self._job_name

    def _start_job(self, hook: TransformationsHook) -> int:
        jobs = hook.open_jobs_api(hook.client)
        failed = self._failed_job_id
        if failed is not None and jobs.is_known(failed):
            self.log.info("Trying again what has failed of transformation job %d.", failed)
            self._repeated_job_id = failed
            jobs.retry_failed(failed)
            return failed
        return hook.start(self._request.body(self._job_name, hook.settings.base_url))

    def _find_started(self, jobs: JobsApi, context: Context) -> int | None:
        return self._repeated_job_id or super()._find_started(jobs, context)

    def _fail(self, error: EdgeImpulseError, context: Context) -> NoReturn:
        """Raise an error. A job that has failed is remembered, so that a retry continues it."""
        if isinstance(error, EdgeImpulseJobError) and error.state == "failed":
            self._store(context).set(JOB_ID_KEY, error.job_id)
            raise error
        super()._fail(error, context)
