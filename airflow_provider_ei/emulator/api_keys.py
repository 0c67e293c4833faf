"""API keys: whose key a request has, and what it gives access to."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_ei.emulator.api.operation import Operation
from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.projects import Project
from airflow_provider_ei.emulator.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ValidKey:
    """The key of a project, or of the organization where ``project`` is None."""

    project: Project | None

    @property
    def project_id(self) -> int:
        """The project of the key; 0 for the organization's."""
        return 0 if self.project is None else self.project.id


class KeyCheck:
    """Decides what a key may do."""

    def __init__(self, settings: EmulatorSettings, workspace: Workspace) -> None:
        self._settings = settings
        self._workspace = workspace

    def identify(self, api_key: str) -> ValidKey | None:
        """Return whose key it is, or None if it is invalid."""
        if hmac.compare_digest(api_key.encode(), self._settings.api_key.encode()):
            return ValidKey(None)
        project = self._workspace.project_of_key(api_key)
        return None if project is None else ValidKey(project)

    def refusal(self, key: ValidKey, operation: Operation, path: Mapping[str, str]) -> str | None:
        """Return why a key gives no access to an operation.

        :param path: the variable parts of the operation's path.
        """
        if operation.key_kind == "organization":
            return self._organization_refusal(key, path.get("organizationId"))
        return self._project_refusal(key, operation, path.get("projectId"))

    def _organization_refusal(self, key: ValidKey, organization: str | None) -> str | None:
        if key.project is not None:
            return "Invalid API key: this is the key of a project, not of an organization"
        if organization not in (None, str(self._settings.organization_id)):
            return f"Organization {organization} not found, or this API key has no access to it"
        return None

    def _project_refusal(self, key: ValidKey, operation: Operation, project: str | None) -> str | None:
        if key.project is None:
            if project is None or self._settings.organization_key_in_projects == "reject":
                return "Invalid API key: this is the key of an organization, not of a project"
            return None
        if operation.service == "ingestion":
            return None if key.project.role != "readonly" else "This API key has no permission for that: it is readonly"
        if project not in (None, str(key.project.id)):
            return f"Project {project} not found, or this API key has no access to it"
        if operation.changes and key.project.role != "admin":
            return f"This API key has no permission for that: its role is {key.project.role}"
        return None
