"""The pipelines of an organization, and their runs."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_ei.exceptions import EdgeImpulseServiceError
from airflow_provider_ei.studio.api.transformations import Transformation
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Answer, ApiModel, Id, Time
from airflow_provider_ei.studio.reading import LISTING_BYTES


class ItemCount(ApiModel, frozen=True, kw_only=True):
    """How many items the dataset or the project has that a pipeline feeds."""

    item_count: int


class RunStep(ApiModel, frozen=True, kw_only=True):
    """A step of a run, with its transformation job once that is started. The step itself has no status."""

    name: str
    transformation_job: Transformation | None = None


class PipelineRun(ApiModel, frozen=True, kw_only=True):
    """A run of a pipeline. It has no status: success must be derived from the steps."""

    id: Id
    steps: tuple[RunStep, ...]
    created: Time
    finished: Time | None = None
    item_count_before: ItemCount | None = None
    item_count_after: ItemCount | None = None
    item_count_import_into_project_failed: int | None = None


class PipelineStep(ApiModel, frozen=True, kw_only=True):
    """A step as defined in the pipeline."""

    name: str


class Pipeline(ApiModel, frozen=True, kw_only=True):
    """A pipeline (``getOrganizationPipeline``), with the run in progress and the one that has ended last."""

    id: Id
    name: str
    steps: tuple[PipelineStep, ...]
    current_run: PipelineRun | None = None
    last_run: PipelineRun | None = None

    @property
    def runs(self) -> list[PipelineRun]:
        """The runs that the pipeline shows."""
        return [run for run in (self.current_run, self.last_run) if run is not None]


class PipelineAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getOrganizationPipeline``."""

    pipeline: Pipeline


class PipelineRunAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``runOrganizationPipeline``."""

    pipeline_run: PipelineRun


class PipelinesApi:
    """The operations on an organization's pipelines.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass when
    the service refuses, fails or cannot be reached, after the tries that the settings allow.
    """

    def __init__(self, http: HttpClient, organization_id: int) -> None:
        self._http = http
        self._path = f"/api/organizations/{organization_id}/pipelines"

    def get(self, pipeline_id: int) -> Pipeline:
        """Get a pipeline with its newest runs (``getOrganizationPipeline``)."""
        path = f"{self._path}/{pipeline_id}"
        operation = "getOrganizationPipeline"
        return self._http.request_json(operation, "GET", path, PipelineAnswer, max_bytes=LISTING_BYTES).pipeline

    def run(self, pipeline_id: int, *, ignore_last_successful_run: bool = False) -> PipelineRun:
        """Start a run (``runOrganizationPipeline``). Not idempotent.

        :param ignore_last_successful_run: also process data that an earlier run has processed.
        """
        query = {"ignoreLastSuccessfulRun": "true"} if ignore_last_successful_run else None
        return self._http.request_json(
            "runOrganizationPipeline",
            "POST",
            f"{self._path}/{pipeline_id}/run",
            PipelineRunAnswer,
            query=query,
            idempotent=False,
            max_bytes=LISTING_BYTES,
        ).pipeline_run

    def stop(self, pipeline_id: int, *, before_retry: Callable[[EdgeImpulseServiceError], None]) -> None:
        """Stop the current run, which then has failed (``stopOrganizationPipeline``).

        :param before_retry: called before each retry; the current run may be another one by then.
        """
        path = f"{self._path}/{pipeline_id}/stop"
        self._http.request_json("stopOrganizationPipeline", "POST", path, before_retry=before_retry)
