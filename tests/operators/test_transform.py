"""A task that transforms data items: names that find its job again, failures by file, and a key that stays secret."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_ei.emulator import FOREVER, EmulatorServer, EmulatorSettings, Fault
from airflow_provider_ei.exceptions import EdgeImpulseJobError, EdgeImpulseJobTimeoutError, EdgeImpulseUnavailableError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.organization_runs import TransformationsHook
from airflow_provider_ei.operators.transform import EdgeImpulseTransformOperator
from airflow_provider_ei.redaction import safe_text
from airflow_provider_ei.studio.api.transformations import StartedTransformation
from tests.conftest import API_KEY
from tests.operators.test_job_kills import context
from tests.operators.test_jobs import FileStore
from tests.support.airflow_runs import RunDag, is_airflow_2

needs_store = pytest.mark.skipif(is_airflow_2(), reason="Airflow 2 has no task state store")
both_modes = pytest.mark.parametrize("deferrable", [False, True])

TO_DATASET = {"filter": "dataset = 'raw'", "output_dataset": "clean"}
TO_PROJECT = {"filter": "dataset = 'raw'", "edge_impulse_project_conn_id": "edge_impulse_project_default"}


@pytest.fixture
def organization(studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """The emulated Studio with three items in ``raw``. Jobs take no time."""
    connection = {"conn_type": "edge_impulse_project", "host": studio.url, "password": studio.project_api_key}
    monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT", json.dumps(connection))
    studio.settings.job_queued_seconds = studio.settings.job_running_seconds = 0
    for name in ("a", "b", "c"):
        studio.put_item(name, "raw", {}, {"x.csv": b"1"})
    return studio


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store.json")


def transform(store: FileStore | None = None, try_number: int = 1, **values: Any) -> Any:
    given: Any = {"name": "clean up", "poll_interval": 0.02, **values}
    task = EdgeImpulseTransformOperator(task_id="transform", **given)
    airflow = {} if store is None else context(store, try_number)
    try:
        return task.execute(airflow)
    except TaskDeferred as deferral:
        trigger = type(deferral.trigger)(**json.loads(json.dumps(deferral.trigger.serialize()[1])))
        event = asyncio.run(first_event(trigger))
        again = EdgeImpulseTransformOperator(task_id="transform", **given)
        return again.execute_complete(airflow, event, **(deferral.kwargs or {}))


async def first_event(trigger: Any) -> Any:
    return (await anext(trigger.run())).payload


def names(server: EmulatorServer) -> list[str]:
    """Return the names of the jobs that were requested."""
    return [
        str(request.fields["name"])
        for request in server.requests()
        if request.operation == "organizationCreateProject" and request.changed
    ]


@both_modes
def test_fills_a_dataset(organization: EmulatorServer, deferrable: bool) -> None:
    result = transform(**TO_DATASET, deferrable=deferrable)
    assert result == {
        "job_id": 1,
        "organization_id": 7,
        "state": "succeeded",
        "url": f"{organization.url.removesuffix('/v1')}/organization/7/create-project/1",
        "file_count": 3,
        "output_dataset": "clean",
    }
    assert sorted(item.name for item in organization.items("clean")) == ["a", "b", "c"]


@both_modes
def test_imports_into_a_project_and_shows_no_key(
    organization: EmulatorServer, deferrable: bool, store: FileStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    result = transform(store, **TO_PROJECT, category="training", sample_label="idle", deferrable=deferrable)
    assert (result["project_id"], organization.projects.get().samples) == (1, 3)
    assert organization.project_api_key not in caplog.text + json.dumps(result)
    (request,) = [one for one in organization.requests() if one.operation == "organizationCreateProject"]
    assert (request.fields["label"], request.fields["category"]) == ("idle", "training")


@both_modes
def test_failed_inputs_are_named_and_only_they_are_tried_again(
    organization: EmulatorServer, store: FileStore, deferrable: bool
) -> None:
    organization.pipelines.fail_items("b")
    with pytest.raises(EdgeImpulseJobError, match="failed: b") as caught:
        transform(store, **TO_DATASET, deferrable=deferrable)
    assert "failed: a" not in str(caught.value)
    organization.pipelines.fail_items()
    organization.clear_requests()
    if is_airflow_2():
        return
    result = transform(store, 2, **TO_DATASET, deferrable=deferrable)
    assert (result["job_id"], organization.pipelines.transformation_ids()) == (1, [1])
    changes = [request.operation for request in organization.requests() if request.changed]
    assert changes == ["retryOrganizationTransform"]
    assert sorted(item.name for item in organization.items("clean")) == ["a", "b", "c"]


@needs_store
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "cut_response"])
def test_a_lost_answer_to_a_repetition_repeats_once(organization: EmulatorServer, store: FileStore, kind: Any) -> None:
    organization.pipelines.fail_items("b")
    with pytest.raises(EdgeImpulseJobError):
        transform(store, **TO_DATASET)
    organization.pipelines.fail_items()
    organization.jobs.plan("transform", running_seconds=0.3)
    organization.inject(Fault(operation="retryOrganizationTransform", kind=kind))
    assert transform(store, 2, **TO_DATASET)["job_id"] == 1
    assert len([job for job in organization.jobs.list() if job.kind == "transform"]) == 2


@needs_store
def test_a_failed_import_is_repeated_without_transforming_again(organization: EmulatorServer, store: FileStore) -> None:
    organization.jobs.plan("upload", outcome="failure")
    with pytest.raises(EdgeImpulseJobError, match="the import into the project has failed"):
        transform(store, **TO_PROJECT)
    assert transform(store, 2, **TO_PROJECT)["job_id"] == 1
    assert [job.kind for job in organization.jobs.list()] == ["transform", "upload", "upload"]


@needs_store
def test_a_failed_job_that_was_removed_is_started_again(organization: EmulatorServer, store: FileStore) -> None:
    organization.pipelines.fail_items("b")
    with pytest.raises(EdgeImpulseJobError):
        transform(store, **TO_DATASET)
    organization.pipelines.fail_items()
    with EdgeImpulseHook() as hook:
        hook.client.request_json("deleteOrganizationCreateProject", "DELETE", "/api/organizations/7/create-project/1")
    assert transform(store, 2, **TO_DATASET)["job_id"] == 2


def test_the_job_of_another_task_is_never_taken_for_the_own_one(organization: EmulatorServer) -> None:
    """Another task starts a job at the moment at which the answer to this one's request is lost."""
    organization.inject(Fault(operation="organizationCreateProject", kind="drop_before"))
    begun: list[bool] = []

    def another(request: Any) -> None:
        if request.operation == "organizationCreateProject" and not begun:
            begun.append(True)
            EdgeImpulseHook().transform("clean up", **TO_DATASET, wait_for_completion=False)

    organization.before_request(another)
    # The fault hits the request of this task, which has arrived first.
    result = transform(**TO_DATASET)
    assert organization.pipelines.transformation_ids() == [1, 2]
    assert result["job_id"] == 2


def test_the_name_is_that_of_the_task_and_its_try(organization: EmulatorServer, store: FileStore) -> None:
    transform(store, **TO_DATASET)
    transform(store, **TO_DATASET)
    transform(store, 2, **TO_DATASET)
    first, second, third = names(organization)
    assert first == second != third
    assert first.startswith("clean up [") and first.endswith("]")


def test_where_airflow_keeps_no_state_a_retry_finds_its_job_by_name(organization: EmulatorServer) -> None:
    organization.jobs.plan("transform", running_seconds=0.5, count=2)
    EdgeImpulseHook().transform("clean up", **TO_DATASET, wait_for_completion=False)
    stateless = {
        "ti": context(FileStore(Path("unused")), 1)["ti"],
        "dag_run": SimpleNamespace(start_date=datetime.now(UTC) - timedelta(seconds=5)),
    }
    task = EdgeImpulseTransformOperator(
        task_id="t", name="clean up", poll_interval=0.02, wait_for_completion=False, **TO_DATASET
    )
    assert task.execute(stateless)["job_id"] == 2
    stateless["ti"].try_number = 2
    again = EdgeImpulseTransformOperator(task_id="t", name="clean up", poll_interval=0.02, **TO_DATASET)
    assert again.execute(stateless)["job_id"] == 2
    assert organization.pipelines.transformation_ids() == [1, 2]


def test_a_timeout_removes_the_job(organization: EmulatorServer) -> None:
    organization.jobs.plan("transform", running_seconds=FOREVER)
    with pytest.raises(EdgeImpulseJobTimeoutError, match="has been cancelled"):
        transform(**TO_DATASET, timeout=0.2)
    assert [job.state for job in organization.jobs.list()] == ["failed"]
    assert organization.pipelines.transformation_ids() == []


def test_a_job_that_has_ended_is_not_removed(organization: EmulatorServer) -> None:
    job_id = transform(**TO_DATASET)["job_id"]
    with TransformationsHook() as hook:
        assert hook.cancel_job(job_id).state == "succeeded"
    assert organization.pipelines.transformation_ids() == [job_id]


def test_failed_looks_are_survived_and_then_end_the_try(organization: EmulatorServer) -> None:
    looks = "getOrganizationCreateProjectStatus"
    organization.inject(Fault(operation=looks, kind="status", status=502, count=4))
    assert transform(**TO_DATASET)["job_id"] == 1
    organization.inject(Fault(operation=looks, kind="status", status=502, count=1000))
    with pytest.raises(EdgeImpulseUnavailableError):
        transform(**TO_DATASET)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"output_dataset": None}, "Give output_dataset .* not neither"),
        ({"edge_impulse_project_conn_id": "p"}, "Give output_dataset .* not both"),
        ({"name": " x"}, "Strip name"),
        ({"transformation_block_id": "copy"}, "transformation_block_id must be"),
        ({"transformation_block_id": 1, "builtin_block": {"type": "x"}}, "not both"),
        ({"category": "validation"}, "category must be one of"),
        ({"parameters": "[]"}, "parameters must be a dict"),
        ({"path_filters": [{"dataset": "raw"}]}, "path_filters must be a list of dicts"),
        ({"parallel": 0}, "parallel must be"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(
    organization: EmulatorServer, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(AirflowFailException, match=words):
        transform(**{**TO_DATASET, **values})
    assert organization.requests() == []


def test_the_hmac_key_of_the_connection_is_sent_where_the_service_asks_for_it(
    organization: EmulatorServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    organization.settings.project_hmac_key = "required"
    with pytest.raises(AirflowFailException, match="projectHmacKey"):
        transform(**TO_PROJECT)
    name = "AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT"
    secret = "s3cret-of-the-project"
    monkeypatch.setenv(name, json.dumps(json.loads(os.environ[name]) | {"extra": {"hmac_secret": secret}}))
    caplog.set_level(logging.DEBUG)
    assert transform(**TO_PROJECT)["file_count"] == 3
    assert secret not in caplog.text
    assert secret not in safe_text(f"the key {secret}")


def test_the_key_of_a_project_is_not_sent_to_another_host(
    organization: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT"
    monkeypatch.setenv(name, json.dumps(json.loads(os.environ[name]) | {"host": "https://studio.acme.example/v1"}))
    with pytest.raises(AirflowFailException, match="Use connections to the same Studio"):
        transform(**TO_PROJECT)
    assert [request for request in organization.requests() if request.method != "GET"] == []


def test_path_filters_select_what_is_transformed(organization: EmulatorServer) -> None:
    organization.put_item("z", "files", {}, {"x.csv": b"1"})
    given = {"path_filters": [{"dataset": "files", "filter": "*"}], "output_dataset": "clean"}
    assert transform(**given)["file_count"] == 1


def test_the_key_in_the_answer_is_masked(monkeypatch: pytest.MonkeyPatch, connect: Callable[..., None]) -> None:
    """It may be another key than that of the connection, and need not look like one."""
    key = "not-like-other-keys"
    masked: list[str] = []
    monkeypatch.setattr("airflow.providers.common.compat.sdk.mask_secret", lambda secret: masked.append(secret))
    with EmulatorServer(EmulatorSettings(api_key=API_KEY, organization_id=7, project_api_key=key)) as server:
        connect(server.url, organization_id=7)
        with TransformationsHook() as hook:
            hook.start({"name": "n", "uploadType": "project", "projectApiKey": key})
    assert masked == [API_KEY, key]
    assert key not in safe_text(key)
    assert key not in repr(StartedTransformation(1, key))


def test_in_airflow_every_argument_is_a_template_and_mapped_tasks_have_jobs_of_their_own(
    organization: EmulatorServer, run: RunDag
) -> None:
    done = run(
        """
        from airflow_provider_ei.operators.transform import EdgeImpulseTransformOperator
        @dag(schedule=None, params={"activity": "idle"})
        def transforming():
            EdgeImpulseTransformOperator.partial(
                task_id="transform", name="{{ dag.dag_id }} {{ params.activity }}",
                filter="dataset = 'raw' AND name = '{{ 'a' }}'",
                parameters={"activity": "{{ params.activity }}"}, transformation_block_id="{{ 1 }}",
                poll_interval="{{ 0.05 }}", parallel="{{ 2 }}", cancel_on_kill="{{ true }}",
            ).expand(output_dataset=["one", "two"])
        transforming()
        """
    )
    assert [result["file_count"] for result in done.returned["transform"]] == [1, 1]
    assert [organization.items(dataset)[0].name for dataset in ("one", "two")] == ["a", "a"]
    first, second = names(organization)
    assert first != second and first.startswith("transforming idle [") and second.startswith("transforming idle [")
    bodies = [one.fields for one in organization.requests() if one.operation == "organizationCreateProject"]
    for body in bodies:
        assert (body["parameters"], body["transformationBlockId"]) == ({"activity": "idle"}, 1)
        assert body["transformationParallel"] == 2


def test_the_hook_transforms(organization: EmulatorServer) -> None:
    with EdgeImpulseHook() as hook:
        assert hook.transform("x", **TO_DATASET, poll_interval=0.02, parameters={"a": 1})["file_count"] == 3
    assert names(organization)[0].startswith("x [")
