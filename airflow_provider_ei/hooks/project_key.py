"""The key of a project: its project, its role, and when it expires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseConfigError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
)
from airflow_provider_ei.hooks.key_kinds import describe_owners, wrong_project_key
from airflow_provider_ei.redaction import safe_text
from airflow_provider_ei.studio.api.projects import get_key_info, list_projects
from airflow_provider_ei.studio.http import HttpClient

#: A key that expires within this time is worth a warning.
EXPIRES_SOON = timedelta(days=14)


@dataclass(frozen=True)
class ProjectKey:
    """A project's key. ``role`` and ``expires`` are None where the service does not tell them."""

    project_id: int
    role: str | None = None
    expires: datetime | None = None


def find_project_key(client: HttpClient) -> ProjectKey:
    """Ask which project the client's key belongs to (``getCurrentApiKeyInfo``, else ``listProjects``).

    :raises EdgeImpulseAuthError: when the key is refused; says so if it is the key of an organization.
    :raises EdgeImpulseConfigError: when it does not belong to exactly one project.
    """
    try:
        info = get_key_info(client)
        return ProjectKey(info.project_id, safe_text(info.role), info.expires)
    except EdgeImpulseAuthError as error:
        raise wrong_project_key(client, error) from None
    except (EdgeImpulseRefusedError, EdgeImpulseResponseError):
        projects = list_projects(client)  # an older service knows only this
    if len(projects) != 1:
        seen = describe_owners(projects) or "none"
        raise EdgeImpulseConfigError(
            f"Set project_id in the connection, or use another key: the key belongs to project {seen}, not to exactly "
            f"one."
        )
    return ProjectKey(projects[0].id)


def expiry_warning(key: ProjectKey, now: datetime) -> str | None:
    """Return a warning for a key that expires within 14 days, or has expired; None for any other."""
    if key.expires is None or key.expires - now > EXPIRES_SOON:
        return None
    if key.expires <= now:
        return f"Replace the API key of the project: it expired on {key.expires:%Y-%m-%d}."
    days = (key.expires - now).days
    when = "within a day" if days < 1 else f"in {days} {'day' if days == 1 else 'days'}"
    return f"Replace the API key of the project soon: it expires {when}, on {key.expires:%Y-%m-%d}."


def describe_key(key: ProjectKey, now: datetime) -> str:
    """Describe a key for the person who tests the connection, with the warning if there is one."""
    role = f"the key has the role {key.role}" if key.role else "the service does not tell the role of the key"
    expiry = f"expires on {key.expires:%Y-%m-%d}" if key.expires else "has no expiry date"
    facts = f"project {key.project_id}; {role}" + (f" and {expiry}" if key.role else "")
    warning = expiry_warning(key, now)
    return f"{facts}." if warning is None else f"{facts}. Warning: {warning}"
