"""Versions of a project: snapshots of its data, its settings and its model."""

from __future__ import annotations

from airflow_provider_ei.studio.api.jobs import StartedAnswer
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Answer, ApiModel, Id, Time
from airflow_provider_ei.studio.reading import LISTING_BYTES


class ProjectVersion(ApiModel, frozen=True, kw_only=True):
    """A version of a project (``listVersions``); ``version`` is the number that Studio shows."""

    id: Id
    version: int
    description: str = ""
    created: Time | None = None


class VersionsAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``listVersions``."""

    versions: list[ProjectVersion]


class VersionsApi:
    """The operations on the versions of a project.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass, as
    those of :class:`~airflow_provider_ei.studio.api.projects.ProjectApi` do.
    """

    def __init__(self, http: HttpClient, project_id: int) -> None:
        self._http = http
        self._path = f"/api/{project_id}"

    def start_version(self, description: str) -> int:
        """Create a version that is not public (``startVersionJob``), and return the job's id."""
        return self._http.request_json(
            "startVersionJob",
            "POST",
            f"{self._path}/jobs/version",
            StartedAnswer,
            body={"description": description, "makePublic": False, "runModelTestingWhileVersioning": False},
            idempotent=False,
        ).id

    def list_versions(self) -> list[ProjectVersion]:
        """List all versions (``listVersions``)."""
        path = f"{self._path}/versions"
        return self._http.request_json("listVersions", "GET", path, VersionsAnswer, max_bytes=LISTING_BYTES).versions
