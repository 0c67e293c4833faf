"""Control of the emulator's projects in tests: ``EmulatorServer.projects``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from airflow_provider_ei.emulator.projects import (
    ClassResults,
    Deployment,
    KeyRole,
    ModelResults,
    Project,
    ProjectVersion,
)
from airflow_provider_ei.emulator.workspace import Workspace


class EmulatorProject(msgspec.Struct, frozen=True):
    """A project as it is now.

    :ivar model_version: the number of trainings of its model.
    :ivar samples: the number of samples that transformation jobs have imported.
    """

    id: int
    name: str
    api_key: str
    model_version: int
    samples: int
    versions: tuple[ProjectVersion, ...]
    deployments: tuple[Deployment, ...]

    def __repr__(self) -> str:
        return f"EmulatorProject(id={self.id}, name={self.name!r})"


class ProjectControl:
    """Control of projects without requests. Safe to use from several threads."""

    def __init__(self, workspace: Callable[[], Workspace]) -> None:
        self._workspace = workspace

    def add(self, name: str, *, role: KeyRole = "admin", key_expires: float | None = None) -> EmulatorProject:
        """Add a project with a key of its own.

        :param role: the role of the key.
        :param key_expires: when the key expires, in seconds since 1970 by the clock of the emulator.
        """
        with self._workspace() as workspace:
            return _described(workspace.add_project(name, role=role, key_expires=key_expires))

    def list(self) -> list[EmulatorProject]:
        """Return all projects, by id. The first one always exists."""
        with self._workspace() as workspace:
            return [_described(project) for project in workspace.projects.values()]

    def get(self, project_id: int = 1) -> EmulatorProject:
        """Return a project.

        :raises KeyError: if it does not exist.
        """
        with self._workspace() as workspace:
            return _described(workspace.projects[project_id])

    def set_results(self, variants: Mapping[str, ClassResults], *, ignored: int = 0, project_id: int = 1) -> None:
        """Set what the next tests of a project's model find.

        :param variants: for each variant of the model, the numbers of right and wrong samples of each label:
            ``{"int8": {"idle": (46, 4), "walking": (44, 6)}}``.
        :param ignored: the number of test samples whose label the model does not know.
        """
        with self._workspace() as workspace:
            workspace.projects[project_id].results = ModelResults(dict(variants), ignored)

    def touch(self, project_id: int = 1) -> None:
        """Change the data of a project now, as an upload by others does."""
        with self._workspace() as workspace:
            workspace.projects[project_id].last_modified = workspace.clock.now()

    def add_build(
        self, type: str = "zip", engine: str = "tflite-eon", model_type: str = "int8", *, project_id: int = 1
    ) -> int:
        """Build a deployment at once, as others do, and return its version."""
        with self._workspace() as workspace:
            project = workspace.projects[project_id]
            version = project.reserve_build()
            project.finish_build(version, type, engine, model_type, workspace.clock.now())
            return version

    def firmware(self, version: int, *, project_id: int = 1) -> bytes:
        """Return the bytes of a build.

        :raises KeyError: if it does not exist.
        """
        with self._workspace() as workspace:
            builds = {build.version: build for build in workspace.projects[project_id].deployments}
            return builds[version].firmware(project_id)


def _described(project: Project) -> EmulatorProject:
    return EmulatorProject(
        project.id,
        project.name,
        project.api_key,
        project.model_version,
        project.samples,
        tuple(project.versions),
        tuple(project.deployments),
    )
