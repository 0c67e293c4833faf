"""Distinguishes the key of an organization from the key of a project, when a connection has the wrong one."""

from __future__ import annotations

from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseError
from airflow_provider_ei.hooks.connection import ORGANIZATION, PROJECT
from airflow_provider_ei.redaction import safe_text
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.api.projects import list_projects
from airflow_provider_ei.studio.http import HttpClient


def wrong_organization_key(client: HttpClient, refusal: EdgeImpulseAuthError) -> EdgeImpulseAuthError:
    """Return the error for a key that is refused as the key of an organization, after a look whether it is a project's.

    :param refusal: returned when it is not.
    """
    try:
        projects = list_projects(client)
    except EdgeImpulseError:
        return refusal
    seen = ", ".join(f"{project.id} ({project.name})" for project in projects)
    return _other_key(
        refusal,
        f"Use a key of the {ORGANIZATION.owner}, or a connection of the type {PROJECT.conn_type}: this is the key of "
        f"project {safe_text(seen)}.",
    )


def wrong_project_key(client: HttpClient, refusal: EdgeImpulseAuthError) -> EdgeImpulseAuthError:
    """Return the error for a key that is refused as the key of a project, after a look whether it is an organization's.

    :param refusal: returned when it is not.
    """
    try:
        organizations = list_organizations(client)
    except EdgeImpulseError:
        return refusal
    seen = ", ".join(f"{organization.id} ({organization.name})" for organization in organizations)
    return _other_key(
        refusal,
        f"Use a key of the {PROJECT.owner}, or a connection of the type {ORGANIZATION.conn_type}: this is the key of "
        f"organization {safe_text(seen)}.",
    )


def _other_key(refusal: EdgeImpulseAuthError, message: str) -> EdgeImpulseAuthError:
    return EdgeImpulseAuthError(message, operation=refusal.operation, status=refusal.status)
