"""Operations of a project: its key, training, versions and model tests."""

from __future__ import annotations

from typing import Any

from airflow_provider_ei.emulator.api import schemas
from airflow_provider_ei.emulator.api.jobs import job_started
from airflow_provider_ei.emulator.api.operation import PROJECT, Answer, Call, Operation
from airflow_provider_ei.emulator.emulator_clock import iso_time
from airflow_provider_ei.emulator.stored_data import StoreError


def list_projects(call: Call) -> Answer:
    """``listProjects``: the project of the key. The official clients tell the kinds of keys apart by that."""
    with call.workspace as workspace:
        return {"projects": [schemas.project(call.settings.organization_id, workspace.project(call.key_project_id))]}


def get_key_info(call: Call) -> Answer:
    """``getCurrentApiKeyInfo``."""
    with call.workspace as workspace:
        project = workspace.project(call.key_project_id)
        info: dict[str, Any] = {"apiKeyId": project.id, "projectId": project.id, "role": project.role}
        if project.key_expires is not None:
            info["expires"] = iso_time(project.key_expires)
        return info


def get_last_modification(call: Call) -> Answer:
    """``getProjectLastModificationDate``."""
    with call.workspace:
        project = call.project
        info = {"lastModificationDate": iso_time(project.last_modified)}
        if project.versions:
            info["lastVersionDate"] = iso_time(project.versions[-1].created)
        return info


def start_retrain(call: Call) -> Answer:
    """``startRetrainJob``."""
    with call.workspace:
        project = call.project
        call.check_impulse()
        return job_started(call.start_job("retrain", project.retrain))


def start_version(call: Call) -> Answer:
    """``startVersionJob``."""
    description = call.fields.required_text("description")
    public = call.fields.values.get("makePublic")
    if not isinstance(public, bool):
        raise StoreError("makePublic must be true or false")
    with call.workspace:
        project = call.project
        return job_started(call.start_job("version", lambda now: project.add_version(description, public, now)))


def list_versions(call: Call) -> Answer:
    """``listVersions``."""
    with call.workspace:
        versions = call.project.versions
        return {
            "nextVersion": len(versions) + 1,
            "versions": [schemas.version(version) for version in reversed(versions)],
            "customLearnBlocks": [],
            "runModelTestingWhileVersioning": False,
        }


OPERATIONS = (
    Operation("listProjects", "GET", "/projects", list_projects),
    Operation("getCurrentApiKeyInfo", "GET", "/projects/api-key-info", get_key_info),
    Operation("startRetrainJob", "POST", f"{PROJECT}/jobs/retrain", start_retrain, "none", True),
    Operation("startVersionJob", "POST", f"{PROJECT}/jobs/version", start_version, "json", True),
    Operation("listVersions", "GET", f"{PROJECT}/versions", list_versions),
    Operation("getProjectLastModificationDate", "GET", f"{PROJECT}/last-modification", get_last_modification),
)
