"""Deployments of a project: targets, building, the builds so far, downloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from airflow_provider_ei.exceptions import EdgeImpulseNotFoundError, EdgeImpulseResponseError
from airflow_provider_ei.studio.api.jobs import StartedAnswer
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Answer, ApiModel, Time
from airflow_provider_ei.studio.reading import LISTING_BYTES

#: Builds that are listed. Only those of the last minutes are of interest.
MAX_LISTED_BUILDS = 100

_FILE_TYPES = ("application/octet-stream", "application/zip")

#: Called with the headers of a response before its first block.
OnHeaders = Callable[[Mapping[str, str]], None]


class DeploymentTarget(ApiModel, frozen=True, kw_only=True):
    """A target that the project may be built for (``listDeploymentTargetsForProject``).

    ``format`` is its id, such as ``zip``; ``reason_target_disabled`` says why it cannot be built for.
    """

    format: str
    name: str = ""
    supported_engines: list[str] = []
    preferred_engine: str = ""
    disabled_for_project: bool = False
    reason_target_disabled: str | None = None


class TargetsAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``listDeploymentTargetsForProject``."""

    targets: list[DeploymentTarget]


class BuildStartedAnswer(StartedAnswer, frozen=True, kw_only=True):
    """Response of ``buildOnDeviceModelJob``. Older services do not tell the version of the build."""

    deployment_version: int | None = None


class LastBuild(ApiModel, frozen=True, kw_only=True):
    """The last build of a project (``getLastDeploymentBuild``)."""

    version: int
    deployment_type: str
    engine: str
    model_type: str | None = None
    created: Time


class LastBuildAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getLastDeploymentBuild``."""

    has_build: bool
    last_build: LastBuild | None = None


class PastBuild(ApiModel, frozen=True, kw_only=True):
    """A build of a project (``listDeploymentHistory``)."""

    created: Time
    deployment_version: int
    deployment_format: str
    engine: str
    model_type: str | None = None
    impulse_id: int | None = None


class PastBuildsAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``listDeploymentHistory``."""

    deployments: list[PastBuild]


class DeploymentsApi:
    """The operations on the deployments of a project.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass, as
    those of :class:`~airflow_provider_ei.studio.api.projects.ProjectApi` do.
    """

    def __init__(self, http: HttpClient, project_id: int) -> None:
        self._http = http
        self._path = f"/api/{project_id}"

    def list_targets(self, impulse_id: int | None = None) -> list[DeploymentTarget]:
        """List the targets, also those that are disabled for the project (``listDeploymentTargetsForProject``)."""
        operation = "listDeploymentTargetsForProject"
        path = f"{self._path}/deployment/targets"
        query = {"impulseId": impulse_id}
        return self._http.request_json(
            operation, "GET", path, TargetsAnswer, query=query, max_bytes=LISTING_BYTES
        ).targets

    def start_build(
        self, target: str, engine: str, model_type: str, impulse_id: int | None = None
    ) -> BuildStartedAnswer:
        """Build the model for a target (``buildOnDeviceModelJob``)."""
        return self._http.request_json(
            "buildOnDeviceModelJob",
            "POST",
            f"{self._path}/jobs/build-ondevice-model",
            BuildStartedAnswer,
            query={"type": target, "impulseId": impulse_id},
            body={"engine": engine, "modelType": model_type},
            idempotent=False,
        )

    def get_last_build(self, impulse_id: int | None = None) -> LastBuild | None:
        """Get the last build (``getLastDeploymentBuild``); None when there is none."""
        path = f"{self._path}/deployment/last"
        query = {"impulseId": impulse_id}
        return self._http.request_json("getLastDeploymentBuild", "GET", path, LastBuildAnswer, query=query).last_build

    def list_builds(self, target: str) -> list[PastBuild] | None:
        """List the newest builds for a target (``listDeploymentHistory``).

        :return: None when the service is an older one, which does not have this operation.
        """
        path = f"{self._path}/deployment/history"
        query = {"deploymentFormat": target, "limit": MAX_LISTED_BUILDS}
        try:
            return self._http.request_json(
                "listDeploymentHistory", "GET", path, PastBuildsAnswer, query=query, max_bytes=LISTING_BYTES
            ).deployments
        except EdgeImpulseNotFoundError:
            return None

    def download_build(
        self, version: int, begin: Callable[[], Callable[[bytes], object]], on_headers: OnHeaders
    ) -> int:
        """Download a build by its version (``downloadHistoricDeployment``), and return its length.

        :param begin: see :meth:`~airflow_provider_ei.studio.http.HttpClient.download`.
        :raises EdgeImpulseResponseError: when the response is JSON, not a build.
        """
        path = f"{self._path}/deployment/history/{version}/download"
        return self._download("downloadHistoricDeployment", path, {}, begin, on_headers)

    def download_last_build(
        self,
        target: str,
        engine: str,
        model_type: str,
        impulse_id: int | None,
        begin: Callable[[], Callable[[bytes], object]],
        on_headers: OnHeaders,
    ) -> int:
        """Download the last build of a target, an engine and a model type (``downloadBuild``); see above."""
        query = {"type": target, "engine": engine, "modelType": model_type, "impulseId": impulse_id}
        return self._download("downloadBuild", f"{self._path}/deployment/download", query, begin, on_headers)

    def _download(
        self,
        operation: str,
        path: str,
        query: Mapping[str, object],
        begin: Callable[[], Callable[[bytes], object]],
        on_headers: OnHeaders,
    ) -> int:
        def check(headers: Mapping[str, str]) -> None:
            content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if content_type.endswith("json"):
                raise not_firmware("JSON", operation)
            on_headers(headers)

        return self._http.download(operation, path, query, begin, file_types=_FILE_TYPES, on_headers=check)


def not_firmware(what: str, operation: str) -> EdgeImpulseResponseError:
    """Return the error for something else in the place of a build's file."""
    return EdgeImpulseResponseError(
        f"Try again later, and look at the build in Studio if it stays so: the service has sent {what} instead of the "
        f"build's file. Nothing was saved. ({operation})",
        operation=operation,
        status=200,
    )
