"""Operations of transformation jobs, which the API calls "create project"."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from airflow_provider_ei.emulator.api.operation import ORGANIZATION, Answer, Call, Operation
from airflow_provider_ei.emulator.emulator_clock import iso_time
from airflow_provider_ei.emulator.filter_sql import EVERYTHING, FilterError
from airflow_provider_ei.emulator.filters import parse_filter
from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.projects import Project
from airflow_provider_ei.emulator.stored_data import StoredItem, StoreError
from airflow_provider_ei.emulator.transformations import Transformation, TransformationInput
from airflow_provider_ei.emulator.workspace import Workspace

BLOCKS = {1: "Copy"}
"""The transformation blocks of the organization: id and name."""
_SECRETS = ("projectApiKey", "projectHmacKey")


def start(call: Call) -> Answer:
    """``organizationCreateProject``. Like the service, it returns a key."""
    request = call.fields.values
    call.fields.required_text("name")
    with call.workspace as workspace:
        project = check_output(workspace, request)
        transformation = workspace.transformations.start(
            call.store,
            {name: value for name, value in request.items() if name not in _SECRETS},
            select_items(call.store, request),
            project,
            workspace.clock.now(),
            import_partly=call.settings.partial_transformation == "import",
        )
        key = f"ei_{secrets.token_hex(24)}" if project is None else project.api_key
        return {"createProjectId": transformation.id, "apiKey": key}


def list_all(call: Call) -> Answer:
    """``getOrganizationCreateProjects``: newest first, without those of pipelines unless requested."""
    with_pipelines = call.query.text("includePipelineJobs") == "true"
    offset, limit = call.query.count("offset") or 0, call.query.count("limit")
    with call.workspace as workspace:
        found = [each for each in reversed(workspace.transformations.all()) if with_pipelines or each.run is None]
        page = found[offset:] if limit is None else found[offset : offset + limit]
        return {"jobs": [_list_entry(call, each) for each in page], "totalJobCount": len(found)}


def get_status(call: Call) -> Answer:
    """``getOrganizationCreateProjectStatus``."""
    limit, offset = call.query.count("transformLimit"), call.query.count("transformOffset")
    if limit is None or offset is None:
        raise StoreError(f"Missing {'transformLimit' if limit is None else 'transformOffset'}")
    selection = call.query.text("selection")
    with call.workspace as workspace:
        transformation = _find(call)
        files = [
            each for each in transformation.inputs if selection in (None, "all", _input_status(transformation, each))
        ]
        return {
            "status": {
                **describe_transformation(call, transformation, workspace.clock.now()),
                "files": [_input(transformation, each) for each in files[offset : offset + limit]],
                "fileCountForFilter": len(files),
            }
        }


def delete(call: Call) -> Answer:
    """``deleteOrganizationCreateProject``: stops the job first."""
    with call.workspace as workspace:
        workspace.transformations.delete(_find(call))
        return {}


def retry_transform(call: Call) -> Answer:
    """``retryOrganizationTransform``: tries all failed inputs again."""
    with call.workspace as workspace:
        workspace.transformations.retry(_find(call), call.store, workspace.clock.now())
        return {}


def retry_input(call: Call) -> Answer:
    """``retryOrganizationCreateProjectFile``: tries one failed input again."""
    with call.workspace as workspace:
        input_id = int(call.path["createProjectFileId"][:19])
        workspace.transformations.retry(_find(call), call.store, workspace.clock.now(), input_id)
        return {}


def retry_upload(call: Call) -> Answer:
    """``retryOrganizationUpload``: imports the results into the project again."""
    with call.workspace as workspace:
        workspace.transformations.retry_upload(_find(call), workspace.clock.now())
        return {}


def check_output(workspace: Workspace, request: Mapping[str, Any]) -> Project | None:
    """Return the project that gets the results; None if a dataset gets them.

    :raises StoreError: if the request names neither, or a block that does not exist.
    """
    block = request.get("transformationBlockId")
    if block is not None and block not in BLOCKS:
        raise StoreError(f"Transformation block {block} not found")
    upload_type = request.get("uploadType", "project")
    if upload_type == "dataset":
        if not request.get("outputDatasetName"):
            raise StoreError("Missing outputDatasetName")
        return None
    if upload_type != "project":
        raise StoreError("uploadType must be project or dataset")
    needed = _SECRETS if workspace.settings.project_hmac_key == "required" else _SECRETS[:1]
    for name in needed:
        if not isinstance(request.get(name), str) or not request[name]:
            raise StoreError(f"Missing {name}: an import into a project with an API key needs it")
    project = workspace.project_of_key(request["projectApiKey"])
    if project is None:
        raise StoreError("Invalid API key: projectApiKey is not the key of a project")
    if request.get("projectId") not in (None, project.id):
        raise StoreError(f"projectApiKey is not a key of project {request['projectId']}")
    return project


def select_items(store: ItemStore, request: Mapping[str, Any], since: int = -1) -> list[StoredItem]:
    """Return the data items that a request selects by ``filter`` or ``pathFilters``.

    :param since: select only items that have changed after this revision.
    """
    condition = EVERYTHING
    text, paths = request.get("filter"), request.get("pathFilters")
    if text:
        try:
            condition = parse_filter(str(text))
        except FilterError as error:
            raise StoreError(f"filter: {error}") from None
    if isinstance(paths, list) and paths:
        datasets = {str(each.get("dataset")) for each in paths if isinstance(each, dict)}
        items = [item for item in store.items(condition) if item.dataset in datasets]
    else:
        items = store.items(condition)
    return [item for item in items if item.revision > since]


def describe_transformation(call: Call, transformation: Transformation, now: float) -> dict[str, Any]:
    """Return an ``OrganizationCreateProject``."""
    request = transformation.request
    counts = transformation.counts(now)
    info: dict[str, Any] = {
        **_common(call, transformation),
        "status": transformation.status,
        "transformationParallel": request.get("transformationParallel") or 1,
        "transformationSummary": {**counts, "totalTimeSpentSeconds": 0},
        "totalUploadFileCount": counts["succeededCount"] if transformation.project is not None else 0,
        "inProgress": not transformation.ended,
        "operatesOn": "directory",
        "totalTimeSpentSeconds": 0,
    }
    for name in ("label", "outputDatasetBucketId", "outputDatasetBucketPath"):
        if name in request:
            info[name] = request[name]
    if "filter" in request:
        info["filterQuery"] = request["filter"]
    if transformation.upload is not None:
        info["uploadJobId"] = transformation.upload.id
    if transformation.run is not None:
        info["pipelineRunId"], info["pipelineStep"] = transformation.run
        info["pipelineId"] = transformation.pipeline_id
    return info


def _list_entry(call: Call, transformation: Transformation) -> dict[str, Any]:
    return _common(call, transformation)


def _common(call: Call, transformation: Transformation) -> dict[str, Any]:
    request, project = transformation.request, transformation.project
    size = sum(each.item.total_size for each in transformation.inputs)
    info: dict[str, Any] = {
        "id": transformation.id,
        "organizationId": call.settings.organization_id,
        "name": transformation.name,
        "uploadType": "dataset" if project is None else "project",
        "transformJobStatus": transformation.transform_status,
        "uploadJobStatus": transformation.upload_status,
        "category": request.get("category", "split"),
        "created": iso_time(transformation.created),
        "totalDownloadFileCount": len(transformation.inputs),
        "totalDownloadFileSize": size,
        "totalDownloadFileSizeString": f"{size} B",
        "totalTimeSpentString": "0s",
    }
    for name in ("transformationBlockId", "builtinTransformationBlock", "outputDatasetName"):
        if name in request:
            info[name] = request[name]
    if project is not None:
        info |= {"projectId": project.id, "projectName": project.name, "projectOwner": "Emulated organization"}
    return info


def _input(transformation: Transformation, each: TransformationInput) -> dict[str, Any]:
    return {
        "id": each.id,
        "fileName": each.item.name,
        "bucketPath": each.item.bucket_path,
        "transformationJobId": transformation.job.id,
        "transformationJobStatus": _input_status(transformation, each),
        "linkToDataItem": "",
        "lengthString": f"{each.item.total_size} B",
        "sourceDatasetType": "clinical",
    }


def _input_status(transformation: Transformation, each: TransformationInput) -> str:
    if each.succeeded is None:
        return transformation.transform_status
    return "finished" if each.succeeded else "failed"


def _find(call: Call) -> Transformation:
    return call.workspace.transformations.find(int(call.path["createProjectId"][:19]))


_ALL = f"{ORGANIZATION}/create-project"
_ONE = f"{_ALL}/{{createProjectId}}"

OPERATIONS = (
    Operation("organizationCreateProject", "POST", _ALL, start, "json", True),
    Operation("getOrganizationCreateProjects", "GET", _ALL, list_all),
    Operation("getOrganizationCreateProjectStatus", "GET", _ONE, get_status),
    Operation("deleteOrganizationCreateProject", "DELETE", _ONE, delete, "none", True),
    Operation(
        "retryOrganizationCreateProjectFile",
        "POST",
        f"{_ONE}/files/{{createProjectFileId}}/retry",
        retry_input,
        "none",
        True,
    ),
    Operation("retryOrganizationTransform", "POST", f"{_ONE}/transform/retry", retry_transform, "none", True),
    Operation("retryOrganizationUpload", "POST", f"{_ONE}/upload/retry", retry_upload, "none", True),
)
