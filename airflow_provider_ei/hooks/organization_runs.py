"""Hooks whose jobs are the runs of a pipeline, or transformation jobs, so that all code for jobs works with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_ei.hooks.base import EdgeImpulseBaseHook
from airflow_provider_ei.numeric import required_number

if TYPE_CHECKING:
    from airflow_provider_ei.jobs.pipeline_runs import PipelineRuns
    from airflow_provider_ei.jobs.transformations import Transformations
    from airflow_provider_ei.studio.http import HttpClient


class PipelineRunsHook(EdgeImpulseBaseHook):
    """Hook of one pipeline: its runs are the jobs.

    :param pipeline_id: the pipeline.
    :param max_failed_imports: how many items a successful run may fail to import into a project.
    """

    def __init__(
        self,
        edge_impulse_conn_id: str = EdgeImpulseBaseHook.default_conn_name,
        organization_id: int | str | None = None,
        *,
        pipeline_id: int | str,
        max_failed_imports: int | str = 0,
    ) -> None:
        super().__init__(edge_impulse_conn_id, organization_id)
        self._given_pipeline_id = pipeline_id
        self._given_max_failed_imports = max_failed_imports

    @property
    def pipeline_id(self) -> int:
        """The pipeline.

        :raises EdgeImpulseInputError: when it is not a positive whole number.
        """
        return required_number("pipeline_id", self._given_pipeline_id)

    @property
    def max_failed_imports(self) -> int:
        """How many items a successful run may fail to import into a project.

        :raises EdgeImpulseInputError: when it is not a whole number.
        """
        return required_number("max_failed_imports", self._given_max_failed_imports, least=0)

    def open_jobs_api(self, client: HttpClient) -> PipelineRuns:
        """Return the operations on the pipeline's runs, through a client."""
        from airflow_provider_ei.jobs.pipeline_runs import PipelineRuns

        return PipelineRuns(client, self.organization_id, self.pipeline_id, max_failed_imports=self.max_failed_imports)

    def start(self, *, ignore_last_successful_run: bool = False) -> int:
        """Start a run (``runOrganizationPipeline``), and return its id."""
        from airflow_provider_ei.studio.api.pipelines import PipelinesApi

        api = PipelinesApi(self.client, self.organization_id)
        return api.run(self.pipeline_id, ignore_last_successful_run=ignore_last_successful_run).id

    def job_url(self, job_id: int) -> str:
        """Return the page of the pipelines in Studio, on the connection's host."""
        return f"{self.settings.web_url}/organization/{self.organization_id}/pipelines#{self.pipeline_id}"

    def job_result(self, job_id: int, state: Literal["succeeded", "started"]) -> Any:
        """Return what a run's task returns; see :class:`~airflow_provider_ei.results.PipelineRunResult`."""
        result = {"pipeline_id": self.pipeline_id, **super().job_result(job_id, state)}
        if state == "started":
            return result
        run = self.open_jobs_api(self.client).get_outcome(job_id)
        return {
            **result,
            "step_count": len(run.steps),
            "file_count": run.file_count,
            "failed_imports": run.failed_imports,
            "items_before": run.items_before,
            "items_after": run.items_after,
        }


class TransformationsHook(EdgeImpulseBaseHook):
    """Hook for transformation jobs: they are the jobs.

    :ivar names: the names that the jobs of the task may have; jobs with other names are not listed.
    """

    def __init__(
        self,
        edge_impulse_conn_id: str = EdgeImpulseBaseHook.default_conn_name,
        organization_id: int | str | None = None,
        *,
        names: Iterable[str] = (),
    ) -> None:
        super().__init__(edge_impulse_conn_id, organization_id)
        self.names = frozenset(names)

    def open_jobs_api(self, client: HttpClient) -> Transformations:
        """Return the operations on transformation jobs, through a client."""
        from airflow_provider_ei.jobs.transformations import Transformations

        return Transformations(client, self.organization_id, self.names)

    def start(self, body: dict[str, Any]) -> int:
        """Start a job (``organizationCreateProject``), and return its id. The key in the response is masked."""
        from airflow.providers.common.compat.sdk import mask_secret

        started = self.open_jobs_api(self.client).api.start(body)
        if started.api_key:
            mask_secret(started.api_key)
        return started.id

    def job_url(self, job_id: int) -> str:
        """Return a transformation job's page in Studio, on the connection's host."""
        return f"{self.settings.web_url}/organization/{self.organization_id}/create-project/{job_id}"

    def job_result(self, job_id: int, state: Literal["succeeded", "started"]) -> Any:
        """Return what a job's task returns; see :class:`~airflow_provider_ei.results.TransformResult`."""
        result: dict[str, Any] = dict(super().job_result(job_id, state))
        if state == "started":
            return result
        job = self.open_jobs_api(self.client).get_transformation(job_id)
        result["file_count"] = job.transformation_summary.total_file_count
        result |= {"output_dataset": job.output_dataset_name} if job.output_dataset_name else {}
        return result | ({"project_id": job.project_id} if job.project_id else {})
