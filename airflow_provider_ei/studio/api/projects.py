"""Projects: the key's own project, and the jobs that train its model."""

from __future__ import annotations

from typing import Literal

from airflow_provider_ei.studio.api.jobs import StartedAnswer
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Answer, ApiModel, Id, Time


class Project(ApiModel, frozen=True, kw_only=True):
    """A project (``listProjects``)."""

    id: Id
    name: str


class ProjectsAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``listProjects``."""

    projects: list[Project]


class ProjectKeyInfo(Answer, frozen=True, kw_only=True):
    """Response of ``getCurrentApiKeyInfo``: the properties of a project's key.

    ``role`` is for instance ``admin`` or ``readonly``.
    """

    project_id: Id
    role: str
    expires: Time | None = None


class LastModification(Answer, frozen=True, kw_only=True):
    """Response of ``getProjectLastModificationDate``. The time is as the service writes it."""

    last_modification_date: str | None = None


class SampleCount(Answer, frozen=True, kw_only=True):
    """Response of ``countSamples``."""

    count: int


def list_projects(http: HttpClient) -> list[Project]:
    """List the projects of the client's key, which is only its own one (``listProjects``).

    :raises EdgeImpulseServiceError: as the methods of :class:`ProjectApi` do.
    """
    return http.request_json("listProjects", "GET", "/api/projects", ProjectsAnswer).projects


def get_key_info(http: HttpClient) -> ProjectKeyInfo:
    """Get the role, the expiry and the project of the client's key (``getCurrentApiKeyInfo``).

    Older services do not have this operation; use :func:`list_projects` to get the project.

    :raises EdgeImpulseServiceError: as the methods of :class:`ProjectApi` do.
    """
    return http.request_json("getCurrentApiKeyInfo", "GET", "/api/projects/api-key-info", ProjectKeyInfo)


class ProjectApi:
    """The operations that start the jobs of a project.

    None of them is idempotent: a request is repeated only when it certainly was not carried out. Every method raises
    :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass when the service refuses,
    fails or cannot be reached; :class:`~airflow_provider_ei.exceptions.EdgeImpulseUnavailableError` with ``ambiguous``,
    or :class:`~airflow_provider_ei.exceptions.EdgeImpulseResponseError`, when the job may have been started.
    """

    def __init__(self, http: HttpClient, project_id: int) -> None:
        self._http = http
        self._path = f"/api/{project_id}"

    def start_retrain(self, impulse_id: int | None = None) -> int:
        """Train the model again with the last known parameters (``startRetrainJob``), and return the job's id.

        :param impulse_id: None for the project's default impulse.
        """
        operation = "startRetrainJob"
        path = f"{self._path}/jobs/retrain"
        query = {"impulseId": impulse_id}
        return self._http.request_json(operation, "POST", path, StartedAnswer, query=query, idempotent=False).id

    def get_last_modification(self) -> str | None:
        """Get the time when the project was last changed (``getProjectLastModificationDate``); None if it is not told.

        Older services do not have this operation.
        """
        path = f"{self._path}/last-modification"
        answer = self._http.request_json("getProjectLastModificationDate", "GET", path, LastModification)
        return answer.last_modification_date

    def count_samples(self, category: Literal["training", "testing"]) -> int:
        """Count the samples of a set (``countSamples``)."""
        path, query = f"{self._path}/raw-data/count", {"category": category}
        return self._http.request_json("countSamples", "GET", path, SampleCount, query=query).count
