"""Operations of an organization: what the key gives access to, and the organization's buckets."""

from __future__ import annotations

from airflow_provider_ei.emulator.api import schemas
from airflow_provider_ei.emulator.api.operation import ORGANIZATION, Answer, Call, Operation


def list_organizations(call: Call) -> Answer:
    """``listOrganizations``: the organization of the key."""
    return {"organizations": [schemas.organization(call.settings.organization_id)]}


def get_organization_info(call: Call) -> Answer:
    """``getOrganizationInfo``."""
    return schemas.organization_info(call.settings.organization_id, call.store.datasets())


def list_buckets(call: Call) -> Answer:
    """``listOrganizationBuckets``."""
    return {"buckets": [schemas.bucket_info(*bucket) for bucket in call.store.buckets()]}


def list_projects(call: Call) -> Answer:
    """``listOrganizationProjects``."""
    with call.workspace as workspace:
        projects = workspace.projects.values()
        return {"projects": [schemas.project(call.settings.organization_id, project) for project in projects]}


OPERATIONS = (
    Operation("listOrganizations", "GET", "/organizations", list_organizations),
    Operation("getOrganizationInfo", "GET", ORGANIZATION, get_organization_info),
    Operation("listOrganizationProjects", "GET", f"{ORGANIZATION}/projects", list_projects),
    Operation("listOrganizationBuckets", "GET", f"{ORGANIZATION}/buckets", list_buckets),
)
