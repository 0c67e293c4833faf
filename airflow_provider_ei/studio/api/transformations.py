"""Transformation jobs of an organization, which the API calls "create project"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from airflow_provider_ei.exceptions import EdgeImpulseResponseError, EdgeImpulseServiceError
from airflow_provider_ei.redaction import know_secret
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Answer, ApiModel, Id, Time
from airflow_provider_ei.studio.reading import LISTING_BYTES

#: Transformation jobs, and files of one job, that a listing requests at once.
PAGE_JOBS = 500
PAGE_FILES = 1_000


class TransformationSummary(ApiModel, frozen=True, kw_only=True):
    """How many inputs of a transformation job have succeeded and ended, of how many."""

    succeeded_count: int = 0
    finished_count: int = 0
    total_file_count: int = 0


class TransformedFile(ApiModel, frozen=True, kw_only=True):
    """An input of a transformation job. ``transformation_job_id`` is the job of the organization that reads it."""

    file_name: str
    transformation_job_id: int | None = None
    transformation_job_status: str


class Transformation(ApiModel, frozen=True, kw_only=True):
    """A transformation job (``getOrganizationCreateProjectStatus``, and in the steps of a pipeline's run).

    The statuses are ``waiting``, ``created``, ``started``, ``finished`` or ``failed``: of the whole, of the
    transformation itself, and of the import into a project.
    """

    id: Id
    name: str = ""
    status: str
    transform_job_status: str
    upload_job_status: str
    created: Time
    in_progress: bool
    transformation_summary: TransformationSummary = TransformationSummary()
    total_upload_file_count: int = 0
    upload_job_files_uploaded: int | None = None
    pipeline_id: int | None = None
    pipeline_run_id: int | None = None
    pipeline_step: int | None = None
    project_id: int | None = None
    output_dataset_name: str | None = None
    files: tuple[TransformedFile, ...] = ()

    @property
    def failed_files(self) -> int:
        """The number of inputs whose transformation has failed."""
        summary = self.transformation_summary
        return max(0, summary.finished_count - summary.succeeded_count)

    @property
    def is_transformed(self) -> bool:
        """Whether the transformation of every input has succeeded; the import into a project may have failed."""
        return not self.in_progress and self.transform_job_status == "finished" and not self.failed_files

    @property
    def has_succeeded(self) -> bool:
        """Whether the service reports the success of the whole, and of every input."""
        return self.is_transformed and self.status == "finished"


class ListedTransformation(ApiModel, frozen=True, kw_only=True):
    """A transformation job in a listing, which does not tell whether a pipeline's run has started it."""

    id: Id
    name: str
    created: Time


class TransformationAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getOrganizationCreateProjectStatus``."""

    status: Transformation


class TransformationsAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getOrganizationCreateProjects``: one page."""

    jobs: list[ListedTransformation]


class CreatedTransformationAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``organizationCreateProject``. The key is a secret."""

    create_project_id: Id
    api_key: str = ""


class StartedTransformation(NamedTuple):
    """A transformation job that was started, and the secret key that the service has returned with it."""

    id: int
    api_key: str

    def __repr__(self) -> str:
        return f"StartedTransformation(id={self.id})"


class TransformationsApi:
    """The operations on an organization's transformation jobs.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass when
    the service refuses, fails or cannot be reached, after the tries that the settings allow.
    """

    def __init__(self, http: HttpClient, organization_id: int) -> None:
        self._http = http
        self._path = f"/api/organizations/{organization_id}/create-project"

    def start(self, body: Mapping[str, Any]) -> StartedTransformation:
        """Start a transformation job (``organizationCreateProject``). Not idempotent.

        The key in the response is replaced in all messages and log lines of this package from now on.

        :param body: the request, in the form of the API.
        """
        operation = "organizationCreateProject"
        answer = self._http.request_json(
            operation, "POST", self._path, CreatedTransformationAnswer, body=body, idempotent=False
        )
        know_secret(answer.api_key)
        return StartedTransformation(answer.create_project_id, answer.api_key)

    def get(self, transformation_id: int, *, selection: str | None = None, limit: int = 1) -> Transformation:
        """Get a transformation job with some of its inputs (``getOrganizationCreateProjectStatus``).

        :param selection: only inputs of this status, such as ``failed``.
        :param limit: the maximum number of inputs.
        """
        query = {"transformLimit": limit, "transformOffset": 0, "selection": selection}
        path = f"{self._path}/{transformation_id}"
        operation = "getOrganizationCreateProjectStatus"
        return self._http.request_json(
            operation, "GET", path, TransformationAnswer, query=query, max_bytes=LISTING_BYTES
        ).status

    def list(self, since: datetime | None = None, *, with_pipelines: bool = False) -> list[ListedTransformation]:
        """List transformation jobs, newest first (``getOrganizationCreateProjects``).

        :param since: leave out those that were created before.
        :param with_pipelines: also those that a pipeline has started.
        :raises EdgeImpulseResponseError: when the listing may be incomplete.
        """
        operation = "getOrganizationCreateProjects"
        found: dict[int, ListedTransformation] = {}
        offset = 0
        while True:
            query = {"limit": PAGE_JOBS, "offset": offset, "includePipelineJobs": str(with_pipelines).lower()}
            page = self._http.request_json(
                operation, "GET", self._path, TransformationsAnswer, query=query, max_bytes=LISTING_BYTES
            ).jobs
            is_new = any(each.id not in found for each in page)
            found.update((each.id, each) for each in page)
            if len(page) < PAGE_JOBS:
                break
            if not is_new:
                raise EdgeImpulseResponseError(
                    "Try again later: the listing of transformation jobs is incomplete, since the service ignores the "
                    f"offset. ({operation})",
                    operation=operation,
                    status=200,
                )
            # Pages overlap, so that no job is missed when another one is started in the meantime.
            offset += PAGE_JOBS // 2
        listed = [each for each in found.values() if since is None or each.created >= since]
        return sorted(listed, key=lambda each: each.id, reverse=True)

    def delete(self, transformation_id: int, *, before_retry: Callable[[EdgeImpulseServiceError], None]) -> None:
        """Stop and remove a transformation job (``deleteOrganizationCreateProject``).

        :param before_retry: called before each retry.
        """
        path = f"{self._path}/{transformation_id}"
        self._http.request_json("deleteOrganizationCreateProject", "DELETE", path, before_retry=before_retry)

    def retry_failed(self, transformation_id: int) -> None:
        """Transform all failed inputs again (``retryOrganizationTransform``). Not idempotent."""
        path = f"{self._path}/{transformation_id}/transform/retry"
        self._http.request_json("retryOrganizationTransform", "POST", path, idempotent=False)

    def retry_upload(self, transformation_id: int) -> None:
        """Import the results into the project again (``retryOrganizationUpload``). Not idempotent."""
        path = f"{self._path}/{transformation_id}/upload/retry"
        self._http.request_json("retryOrganizationUpload", "POST", path, idempotent=False)
