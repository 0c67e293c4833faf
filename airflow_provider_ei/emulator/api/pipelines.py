"""Operations of the organization's pipelines."""

from __future__ import annotations

from typing import Any

from airflow_provider_ei.emulator.api.operation import ORGANIZATION, Answer, Call, Operation
from airflow_provider_ei.emulator.api.transformations import check_output, describe_transformation, select_items
from airflow_provider_ei.emulator.emulator_clock import iso_time
from airflow_provider_ei.emulator.pipelines import Pipeline, PipelineRun
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.transformations import Transformation


def list_pipelines(call: Call) -> Answer:
    """``listOrganizationPipelines``."""
    project_id = call.query.integer("projectId")
    with call.workspace as workspace:
        pipelines = [each for each in workspace.pipelines.all() if project_id in (None, each.project_id)]
        return {"pipelines": [_pipeline(call, pipeline) for pipeline in pipelines]}


def create(call: Call) -> Answer:
    """``createOrganizationPipeline``."""
    name, fields = call.fields.required_text("name"), call.fields
    steps, project_id = fields.values.get("steps"), fields.values.get("projectId")
    if not isinstance(steps, list) or not all(isinstance(step, dict) and step.get("name") for step in steps):
        raise StoreError("steps must be a list of objects with a name")
    if project_id is not None and not isinstance(project_id, int):
        raise StoreError("projectId must be an integer")
    with call.workspace as workspace:
        pipeline = workspace.pipelines.add(
            name,
            steps,
            workspace.clock.now(),
            description=fields.text("description") or "",
            dataset=fields.text("dataset"),
            project_id=project_id,
        )
        return {"id": pipeline.id}


def get(call: Call) -> Answer:
    """``getOrganizationPipeline``."""
    with call.workspace:
        return {"pipeline": _pipeline(call, _find(call))}


def run(call: Call) -> Answer:
    """``runOrganizationPipeline``."""
    ignore = call.query.text("ignoreLastSuccessfulRun") == "true"
    with call.workspace as workspace:
        pipeline = _find(call)
        current = pipeline.current_run
        if current is not None and call.settings.concurrent_jobs == "reject":
            raise StoreError(f"Pipeline {pipeline.id} is already running")
        for step in pipeline.steps:
            check_output(workspace, step)

        def start_step(pipeline: Pipeline, run: PipelineRun, index: int, now: float) -> Transformation:
            step = pipeline.steps[index]
            return workspace.transformations.start(
                call.store,
                step,
                select_items(call.store, step, run.since if index == 0 else -1),
                check_output(workspace, step),
                now,
                import_partly=call.settings.partial_transformation == "import",
                pipeline_id=pipeline.id,
                run=(run.id, index),
            )

        started = workspace.pipelines.run(
            pipeline,
            workspace.clock.now(),
            call.store.revision,
            ignore_last_successful=ignore,
            count_items=lambda: _count_items(call, pipeline),
            start_step=start_step,
        )
        return {"pipelineRun": _run(call, pipeline, started)}


def stop(call: Call) -> Answer:
    """``stopOrganizationPipeline``: marks the current run as failed."""
    with call.workspace as workspace:
        pipeline = _find(call)
        current = pipeline.current_run
        if current is None:
            raise StoreError(f"Pipeline {pipeline.id} is not running")
        for transformation in current.transformations:
            workspace.transformations.stop(transformation)
        return {}


def _find(call: Call) -> Pipeline:
    return call.workspace.pipelines.find(int(call.path["pipelineId"][:19]))


def _count_items(call: Call, pipeline: Pipeline) -> int:
    if pipeline.dataset is not None:
        return call.store.count_items(pipeline.dataset)
    return 0 if pipeline.project_id is None else call.workspace.project(pipeline.project_id).samples


def _pipeline(call: Call, pipeline: Pipeline) -> dict[str, Any]:
    """Return an ``OrganizationPipeline``."""
    info: dict[str, Any] = {
        "id": pipeline.id,
        "name": pipeline.name,
        "description": pipeline.description,
        "steps": [_without_keys(step) for step in pipeline.steps],
        "created": iso_time(pipeline.created),
        "emailRecipientUids": [],
        "whenToEmail": "never",
    }
    for name, run in (("currentRun", pipeline.current_run), ("lastRun", pipeline.last_run)):
        if run is not None:
            info[name] = _run(call, pipeline, run)
    if pipeline.last_start_error is not None:
        info["lastRunStartError"] = pipeline.last_start_error
    if pipeline.dataset is not None:
        info["feedingIntoDataset"] = {
            "dataset": pipeline.dataset,
            "datasetLink": "",
            "itemCount": _count_items(call, pipeline),
            "itemCountChecklistOK": 0,
            "itemCountChecklistError": 0,
        }
    return info


def _run(call: Call, pipeline: Pipeline, run: PipelineRun) -> dict[str, Any]:
    """Return an ``OrganizationPipelineRun``. It has no status: a client has to derive it."""
    now = call.workspace.clock.now()
    steps: list[dict[str, Any]] = [_without_keys(step) for step in pipeline.steps]
    for step, transformation in zip(steps, run.transformations, strict=False):
        step["transformationJob"] = describe_transformation(call, transformation, now)
    info: dict[str, Any] = {
        "id": run.id,
        "steps": steps,
        "created": iso_time(run.created),
        "itemCountBefore": _item_count(run.items_before),
    }
    if run.finished is not None:
        info["finished"] = iso_time(run.finished)
        imports = [each for each in run.transformations if each.upload_status == "failed" and each.upload is not None]
        info["itemCountImportIntoProjectFailed"] = sum(len(each.inputs) for each in imports)
    if run.items_after is not None:
        info["itemCountAfter"] = _item_count(run.items_after)
    return info


def _item_count(count: int) -> dict[str, int]:
    return {"itemCount": count, "itemCountChecklistOK": 0, "itemCountChecklistFailed": 0}


def _without_keys(step: Any) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name not in ("projectApiKey", "projectHmacKey")}


_ALL = f"{ORGANIZATION}/pipelines"
_ONE = f"{_ALL}/{{pipelineId}}"

OPERATIONS = (
    Operation("listOrganizationPipelines", "GET", _ALL, list_pipelines),
    Operation("createOrganizationPipeline", "POST", _ALL, create, "json", True),
    Operation("getOrganizationPipeline", "GET", _ONE, get),
    Operation("runOrganizationPipeline", "POST", f"{_ONE}/run", run, "none", True),
    Operation("stopOrganizationPipeline", "POST", f"{_ONE}/stop", stop, "none", True),
)
