"""Questions about a project's key."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from airflow_provider_ei.check.organization import MAX_TIMEOUT
from airflow_provider_ei.check.probe import Probe
from airflow_provider_ei.check.questions import NotKnownError, Question, Value
from airflow_provider_ei.check.remembered import remembered
from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseRefusedError
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.api.projects import list_projects
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings


class ProjectUnderCheck:
    """Asks a service about a project. As a context manager, it closes its connections.

    :param wanted_id: the project of the connection; None for the key's own.
    """

    def __init__(
        self,
        settings: StudioSettings,
        wanted_id: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings.for_one_try(MAX_TIMEOUT)
        self.wanted_id = wanted_id
        self.probe = Probe(self.settings, clock=clock)
        self.client = HttpClient(self.settings, sleep=sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.probe.close()
        self.client.close()

    @remembered
    def project_ids(self) -> list[int]:
        """The projects of the key."""
        return [project.id for project in list_projects(self.client)]

    @remembered
    def key_info(self) -> dict[str, Any]:
        """What the service tells about the key."""
        seen = self.probe.get("getCurrentApiKeyInfo", "/api/projects/api-key-info")
        if not seen.succeeded or seen.body is None:
            raise NotKnownError("the service does not tell")
        return seen.body


def _key(service: ProjectUnderCheck) -> Value:
    try:
        service.project_ids  # noqa: B018 - asks the service
    except EdgeImpulseAuthError:
        try:
            list_organizations(service.client)
        except (EdgeImpulseAuthError, EdgeImpulseRefusedError):
            return "refused"
        return "organization"
    return "project"


def _project(service: ProjectUnderCheck) -> Value:
    if service.wanted_id is not None:
        return "same" if service.wanted_id in service.project_ids else "other"
    return {0: "none", 1: "one"}.get(len(service.project_ids), "several")


def _role(service: ProjectUnderCheck) -> Value:
    role = service.key_info.get("role")
    return role if role in ("admin", "readonly", "ingestiononly", "wirelessonly") else "other"


def _days_left(service: ProjectUnderCheck) -> Value:
    expires = service.key_info.get("expires")
    if not isinstance(expires, str):
        return "never"
    try:
        date = datetime.fromisoformat(expires)
    except ValueError:
        raise NotKnownError("the service tells a date that cannot be read") from None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return (date - datetime.now(UTC)).days


def _jobs(service: ProjectUnderCheck) -> Value:
    ids = service.project_ids
    project = service.wanted_id or (ids[0] if len(ids) == 1 else None)
    if project is None:
        raise NotKnownError("the connection does not say which project")
    seen = service.probe.get("listVersions", f"/api/{project}/versions")
    return seen.succeeded


QUESTIONS: tuple[Question[ProjectUnderCheck], ...] = (
    Question(
        "key",
        "Whose key is it?",
        _key,
        {
            "project": "It is the right kind for this connection.",
            "organization": "Use a key of the project, or a connection of type edge_impulse.",
            "refused": "Check the API key of the connection.",
        },
    ),
    Question(
        "project",
        "Does the key belong to the connection's project?",
        _project,
        {
            "same": "Yes.",
            "one": "The connection names none, so each task asks for the key's own: set it to save that request.",
            "other": "Correct the project ID of the connection, or use another key.",
            "several": "Set the project ID in the connection.",
            "none": "Use a key of the project.",
        },
    ),
    Question(
        "role",
        "Which role does the key have?",
        _role,
        {"admin": "It may start jobs."},
        "It may not start jobs: use a key with the role admin.",
    ),
    Question(
        "days_left",
        "In how many days does the key expire?",
        _days_left,
        {"never": "It does not."},
        "Replace it before. From 14 days on, the test button and the tasks warn.",
    ),
    Question(
        "reads",
        "May the key read the project?",
        _jobs,
        {True: "Yes.", False: "Use a key with another role."},
    ),
)
