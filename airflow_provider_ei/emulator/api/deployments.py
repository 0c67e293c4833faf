"""Operations of builds: targets, building, the builds so far, downloads."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from airflow_provider_ei.emulator.api.jobs import job_started
from airflow_provider_ei.emulator.api.operation import PROJECT, Answer, Call, Operation
from airflow_provider_ei.emulator.deployment_targets import ENGINES, MODEL_TYPES, TARGETS, find_target
from airflow_provider_ei.emulator.downloads import Download
from airflow_provider_ei.emulator.emulator_clock import iso_time
from airflow_provider_ei.emulator.projects import IMPULSE_ID, Deployment, Project
from airflow_provider_ei.emulator.stored_data import StoreError


def list_targets(call: Call) -> Answer:
    """``listDeploymentTargetsForProject``."""
    with call.workspace:
        call.check_impulse()
        return {"targets": [target.info() for target in TARGETS]}


def start_build(call: Call) -> Answer:
    """``buildOnDeviceModelJob``: with ``deploymentVersion`` unless the service is an old one."""
    target = find_target(call.query.required_text("type"))
    engine = call.fields.required_text("engine")
    model_type = call.fields.text("modelType") or "int8"
    if engine not in target.engines:
        raise StoreError(f"Engine {engine!r} is not supported by {target.format!r}: use {', '.join(target.engines)}")
    if model_type not in MODEL_TYPES:
        raise StoreError(f"modelType must be one of {', '.join(MODEL_TYPES)}")
    with call.workspace:
        project = call.project
        call.check_impulse()
        version = project.reserve_build()

        def finish(now: float) -> None:
            project.finish_build(version, target.format, engine, model_type, now)

        answer = job_started(call.start_job("build", finish))
        return answer if call.settings.builds == "latest_only" else {**answer, "deploymentVersion": version}


def get_deployment(call: Call) -> Answer:
    """``getDeployment``."""
    with call.workspace:
        deployment = _latest(call)
        return (
            {"hasDeployment": False} if deployment is None else {"hasDeployment": True, "version": deployment.version}
        )


def download_latest(call: Call) -> Answer:
    """``downloadBuild``: the last build of a target that fits the project."""
    with call.workspace:
        deployment = _latest(call)
        if deployment is None:
            raise StoreError("There is no deployment for this target yet: build it first")
        return _download(call.project, deployment)


def get_last_build(call: Call) -> Answer:
    """``getLastDeploymentBuild``."""
    with call.workspace:
        call.check_impulse()
        deployments = call.project.deployments
        if not deployments:
            return {"hasBuild": False}
        last = max(deployments, key=lambda deployment: deployment.created)
        return {
            "hasBuild": True,
            "lastBuild": {
                "version": last.version,
                "deploymentType": last.type,
                "engine": last.engine,
                "modelType": last.model_type,
                "created": iso_time(last.created),
            },
        }


def list_history(call: Call) -> Answer:
    """``listDeploymentHistory``: the newest build first."""
    _check_has_history(call)
    format, limit = call.query.text("deploymentFormat"), call.query.count("limit")
    with call.workspace:
        call.check_impulse()
        project = call.project
        found = [each for each in reversed(project.deployments) if format in (None, each.type)]
    offset = call.query.count("offset") or 0
    page = found[offset:] if limit is None else found[offset : offset + limit]
    return {
        "deployments": [_history_entry(project, each) for each in page],
        "totalDeploymentCount": len(found),
    }


def get_historic(call: Call) -> Answer:
    """``getHistoricDeployment``."""
    _check_has_history(call)
    with call.workspace:
        project = call.project
        return {"deployment": _history_entry(project, project.deployment(_version(call)))}


def download_historic(call: Call) -> Answer:
    """``downloadHistoricDeployment``: the build of one version."""
    _check_has_history(call)
    with call.workspace:
        project = call.project
        return _download(project, project.deployment(_version(call)))


def _version(call: Call) -> int:
    text = call.path["deploymentVersion"]
    if not (text.isascii() and text.isdigit()):
        raise StoreError("deploymentVersion must be an integer")
    return int(text[:19])


def _latest(call: Call) -> Deployment | None:
    call.check_impulse()
    engine, model_type = call.query.text("engine"), call.query.text("modelType")
    if engine is not None and engine not in ENGINES:
        raise StoreError(f"engine must be one of {', '.join(ENGINES)}")
    return call.project.find_deployment(call.query.required_text("type"), engine, model_type)


def _check_has_history(call: Call) -> None:
    if call.settings.builds == "latest_only":
        raise StoreError("Not found", status=404)


def _download(project: Project, deployment: Deployment) -> Download:
    data = deployment.firmware(project.id)
    name = f"{project.name.lower().replace(' ', '-')}-{deployment.type}-v{deployment.version}.zip"
    return Download(BytesIO(data), len(data), "application/zip", name)


def _history_entry(project: Project, deployment: Deployment) -> dict[str, Any]:
    """Return a ``DeploymentHistory``."""
    return {
        "created": iso_time(deployment.created),
        "deploymentVersion": deployment.version,
        "deploymentFormat": deployment.type,
        "engine": deployment.engine,
        "modelType": deployment.model_type,
        "impulseId": IMPULSE_ID,
        "impulseName": "Impulse #1",
        "impulseIsDeleted": False,
        "impulseHasChangedSinceDeployment": deployment.model_version != project.model_version,
        "downloadUrl": f"/v1/api/{project.id}/deployment/history/{deployment.version}/download",
        "createdByBuildPublicDeploymentJob": False,
    }


_DEPLOYMENT = f"{PROJECT}/deployment"
_HISTORY = f"{_DEPLOYMENT}/history"

OPERATIONS = (
    Operation("listDeploymentTargetsForProject", "GET", f"{_DEPLOYMENT}/targets", list_targets),
    Operation("buildOnDeviceModelJob", "POST", f"{PROJECT}/jobs/build-ondevice-model", start_build, "json", True),
    Operation("getDeployment", "GET", _DEPLOYMENT, get_deployment),
    Operation("downloadBuild", "GET", f"{_DEPLOYMENT}/download", download_latest),
    Operation("getLastDeploymentBuild", "GET", f"{_DEPLOYMENT}/last", get_last_build),
    Operation("listDeploymentHistory", "GET", _HISTORY, list_history),
    Operation("getHistoricDeployment", "GET", f"{_HISTORY}/{{deploymentVersion}}", get_historic),
    Operation("downloadHistoricDeployment", "GET", f"{_HISTORY}/{{deploymentVersion}}/download", download_historic),
)
