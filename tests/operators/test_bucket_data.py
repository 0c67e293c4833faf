"""Tasks for data that lies in a bucket: an import, and a refresh that must not remove more than expected."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseDeleteLimitError, EdgeImpulseJobError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.bucket_data import (
    EdgeImpulseImportFolderOperator,
    EdgeImpulseRefreshDatasetOperator,
)
from tests.support.s3 import airflow_connection, s3_client

both_modes = pytest.mark.parametrize("deferrable", [False, True])
OBJECTS = {"lab/r1/a.csv": b"1", "lab/r1/b.csv": b"2", "lab/r2/a.csv": b"3"}
FOLDER: dict[str, Any] = {"dataset": "lab", "bucket_id": 1, "bucket_path": "lab"}


@pytest.fixture
def organization(studio: EmulatorServer) -> EmulatorServer:
    """The emulated Studio with objects in its bucket. Jobs take no time."""
    studio.settings.job_queued_seconds = studio.settings.job_running_seconds = 0
    for key, data in OBJECTS.items():
        studio.put_object(key, data)
    return studio


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """One server for all tests: Airflow keeps the file system of a connection as long as the process runs."""
    with s3_client("studio") as client:
        yield client


@pytest.fixture
def bucket(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same bucket, as Airflow sees it."""
    monkeypatch.setenv("AIRFLOW_CONN_STUDIO_S3", airflow_connection(s3))
    for key, data in OBJECTS.items():
        s3.put_object(Bucket="studio", Key=key, Body=data)
    return s3


def execute(task: Any) -> Any:
    try:
        return task.execute({})
    except TaskDeferred as deferral:
        trigger = type(deferral.trigger)(**json.loads(json.dumps(deferral.trigger.serialize()[1])))
        event = asyncio.run(first_event(trigger))
        return task.execute_complete({}, event, **(deferral.kwargs or {}))


async def first_event(trigger: Any) -> Any:
    return (await anext(trigger.run())).payload


def import_folder(**values: Any) -> Any:
    return execute(EdgeImpulseImportFolderOperator(task_id="import", **{"poll_interval": 0.02, **FOLDER, **values}))


def refresh(**values: Any) -> Any:
    given = {"dataset": "lab", "poll_interval": 0.02, **values}
    return execute(EdgeImpulseRefreshDatasetOperator(task_id="refresh", **given))


@both_modes
def test_an_import_returns_the_counts_before_and_after(organization: EmulatorServer, deferrable: bool) -> None:
    assert import_folder(deferrable=deferrable) == {
        "job_id": 1,
        "dataset": "lab",
        "organization_id": 7,
        "state": "succeeded",
        "url": f"{organization.url.removesuffix('/v1')}/organization/7/jobs#show-job-1",
        "items_before": 0,
        "files_before": 0,
        "items_after": 2,
        "files_after": 3,
    }
    assert sorted(item.name for item in organization.items("lab")) == ["r1", "r2"]


@both_modes
def test_a_refresh_adds_and_removes_and_counts(organization: EmulatorServer, deferrable: bool) -> None:
    add_dataset(organization)
    organization.remove_object("lab/r2/a.csv")
    organization.put_object("lab/r3/a.csv", b"3")
    organization.put_object("lab/r4/a.csv", b"4")
    result = refresh(deferrable=deferrable)
    counts = {name: value for name, value in result.items() if name.endswith(("before", "after"))}
    assert counts == {"items_before": 2, "files_before": 3, "items_after": 3, "files_after": 4}


def add_dataset(server: EmulatorServer) -> None:
    """Make a dataset with a path in the bucket, filled from it."""
    bucket = {"id": 1, "path": "lab", "dataItemNamingLevelsDeep": 1}
    body = {"dataset": "lab", "tags": [], "category": "", "type": "clinical", "bucket": bucket}
    with EdgeImpulseHook() as hook:
        hook.client.request_json("addOrganizationDataset", "POST", "/api/organizations/7/dataset", body=body)
        hook.refresh_dataset("lab", poll_interval=0.02)
    server.clear_requests()


class TestLimit:
    """``max_missing``, with the bucket as Airflow sees it."""

    URI = "s3://studio_s3@studio"

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_refuses_before_anything_is_started(
        self, organization: EmulatorServer, bucket: Any, deferrable: bool
    ) -> None:
        add_dataset(organization)
        bucket.delete_object(Bucket="studio", Key="lab/r2/a.csv")
        with pytest.raises(AirflowFailException, match=r"would remove 1 of 2 data items.*'r2'\. It was not started"):
            refresh(max_missing="0", bucket_uri=self.URI, deferrable=deferrable)
        assert [request for request in organization.requests() if request.changed] == []

    def test_allows_as_many_as_given(self, organization: EmulatorServer, bucket: Any) -> None:
        add_dataset(organization)
        bucket.delete_object(Bucket="studio", Key="lab/r2/a.csv")
        organization.remove_object("lab/r2/a.csv")
        result = refresh(max_missing=1, bucket_uri=self.URI)
        assert (result["items_before"], result["items_after"]) == (2, 1)

    def test_an_item_that_keeps_a_file_is_not_missing(self, organization: EmulatorServer, bucket: Any) -> None:
        add_dataset(organization)
        bucket.delete_object(Bucket="studio", Key="lab/r1/a.csv")
        assert refresh(max_missing=0, bucket_uri=self.URI)["state"] == "succeeded"

    @pytest.mark.parametrize("uri", ["s3://studio_s3@studio/wrong", "s3://studio_s3@no-such-bucket"])
    def test_a_wrong_bucket_refuses(self, organization: EmulatorServer, bucket: Any, uri: str) -> None:
        add_dataset(organization)
        with pytest.raises(AirflowFailException, match="bucket_uri"):
            refresh(max_missing=1, bucket_uri=uri)
        assert [request for request in organization.requests() if request.changed] == []

    def test_the_hook_refuses_as_well(self, organization: EmulatorServer, bucket: Any) -> None:
        add_dataset(organization)
        bucket.delete_object(Bucket="studio", Key="lab/r2/a.csv")
        with EdgeImpulseHook() as hook, pytest.raises(EdgeImpulseDeleteLimitError):
            hook.refresh_dataset("lab", max_missing=0, bucket_uri=self.URI)


@pytest.mark.parametrize("make", [import_folder, refresh])
def test_a_failed_job_fails_the_task(organization: EmulatorServer, make: Any) -> None:
    add_dataset(organization)
    for kind in ("add_folder", "refresh"):
        organization.jobs.plan(kind, outcome="failure", log=["error: access denied\n"])  # type: ignore[arg-type]
    with pytest.raises(EdgeImpulseJobError, match="access denied"):
        make()


@pytest.mark.parametrize(
    ("make", "values", "words"),
    [
        (import_folder, {"bucket_id": "raw"}, "bucket_id must be"),
        (import_folder, {"bucket_path": ""}, "Give bucket_path a value"),
        (import_folder, {"dataset_type": "video"}, "dataset_type must be one of"),
        (refresh, {"dataset": None}, "Give dataset a value"),
        (refresh, {"max_missing": 3}, "Give max_missing and bucket_uri, or neither"),
        (refresh, {"bucket_uri": "s3://x"}, "Give max_missing and bucket_uri, or neither"),
        (refresh, {"max_missing": "many", "bucket_uri": "s3://x"}, "max_missing must be"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(
    organization: EmulatorServer, make: Any, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(AirflowFailException, match=words):
        make(**values)
    assert organization.requests() == []


def test_the_hook_imports(organization: EmulatorServer) -> None:
    with EdgeImpulseHook() as hook:
        assert hook.import_folder("lab", bucket_id=1, bucket_path="lab", poll_interval=0.02)["items_after"] == 2
