"""Distinguishes the key of an organization from the key of a project, when a connection has the wrong one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseError
from airflow_provider_ei.hooks.connection import ORGANIZATION, PROJECT, ConnectionType
from airflow_provider_ei.redaction import safe_text
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.api.projects import Project, list_projects
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import Organization


def wrong_organization_key(client: HttpClient, refusal: EdgeImpulseAuthError) -> EdgeImpulseAuthError:
    """Return the error for a key that an organization refused. One request checks whether it is a project's key.

    :param refusal: returned if it is not.
    """
    return _wrong_key(client, refusal, wanted=ORGANIZATION, other=PROJECT, kind="project", list_owners=list_projects)


def wrong_project_key(client: HttpClient, refusal: EdgeImpulseAuthError) -> EdgeImpulseAuthError:
    """Return the error for a key that a project refused. One request checks whether it is an organization's key.

    :param refusal: returned if it is not.
    """
    return _wrong_key(
        client, refusal, wanted=PROJECT, other=ORGANIZATION, kind="organization", list_owners=list_organizations
    )


def describe_owners(owners: Iterable[Organization | Project]) -> str:
    """Return the ids and names of a key's organizations or projects, safe to show; empty if there are none."""
    return safe_text(", ".join(f"{owner.id} ({owner.name})" for owner in owners))


def _wrong_key(
    client: HttpClient,
    refusal: EdgeImpulseAuthError,
    *,
    wanted: ConnectionType,
    other: ConnectionType,
    kind: str,
    list_owners: Callable[[HttpClient], Sequence[Organization | Project]],
) -> EdgeImpulseAuthError:
    try:
        owners = list_owners(client)
    except EdgeImpulseError:
        return refusal
    return EdgeImpulseAuthError(
        f"Use a key of the {wanted.owner}, or a connection of the type {other.conn_type}: this is the key of {kind} "
        f"{describe_owners(owners)}.",
        operation=refusal.operation,
        status=refusal.status,
    )
