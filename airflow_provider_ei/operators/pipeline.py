"""The operator that runs a pipeline of an organization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_ei.hooks.organization_runs import PipelineRunsHook
from airflow_provider_ei.operators.arguments import read_flag
from airflow_provider_ei.operators.organization_job import EdgeImpulseOrganizationJobOperator


class EdgeImpulseRunPipelineOperator(EdgeImpulseOrganizationJobOperator):
    """Run a pipeline of an organization (``runOrganizationPipeline``), and wait until the run has succeeded.

    A run has succeeded if it is finished, the transformation job of each step has succeeded for each of its inputs, and
    no more imports into a project have failed than ``max_failed_imports``. A run that later ones have pushed out of the
    pipeline's last run is found by its transformation jobs.

    Cancelling stops the run (``stopOrganizationPipeline``), provided that it is the pipeline's current one. Steps that
    are complete are not undone.

    :param pipeline_id: the pipeline, for instance the number in its page's address in Studio.
    :param ignore_last_successful_run: also process data that an earlier run has processed.
    :param max_failed_imports: how many items the run may fail to import into a project.
    :return: the run's id and counts; see :class:`~airflow_provider_ei.results.PipelineRunResult`.
    """

    template_fields: Sequence[str] = (
        "pipeline_id",
        "ignore_last_successful_run",
        "max_failed_imports",
        *EdgeImpulseOrganizationJobOperator.template_fields,
    )
    job_kind = "pipeline"

    def __init__(
        self,
        *,
        pipeline_id: int | str,
        ignore_last_successful_run: bool | str = False,
        max_failed_imports: int | str = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline_id = pipeline_id
        self.ignore_last_successful_run = ignore_last_successful_run
        self.max_failed_imports = max_failed_imports
        self._make_plain()

    def _check_arguments(self) -> None:
        super()._check_arguments()
        _ = self._hook.pipeline_id, self._hook.max_failed_imports
        self._ignore_last = read_flag("ignore_last_successful_run", self.ignore_last_successful_run)

    def _create_hook(self) -> PipelineRunsHook:  # type: ignore[override]
        hook = self._hook = PipelineRunsHook(
            self.edge_impulse_conn_id,
            self.organization_id,
            pipeline_id=self.pipeline_id,
            max_failed_imports=self.max_failed_imports,
        )
        return hook

    def _trigger_owner(self, hook: PipelineRunsHook) -> dict[str, Any]:  # type: ignore[override]
        return {
            "organization_id": hook.organization_id,
            "edge_impulse_conn_id": self.edge_impulse_conn_id,
            "pipeline_id": hook.pipeline_id,
            "max_failed_imports": hook.max_failed_imports,
        }

    def _start_job(self, hook: PipelineRunsHook) -> int:
        return hook.start(ignore_last_successful_run=self._ignore_last)
