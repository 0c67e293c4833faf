"""The official Python bindings read from the emulator."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import Client, official_bindings

edgeimpulse_api = pytest.importorskip("edgeimpulse_api")


@pytest.fixture
def official(client: Client) -> Iterator[Callable[[str], Any]]:
    """The bindings' API object for a group of operations."""
    with official_bindings(client.studio.url, client.studio.api_key) as group:
        yield group


def test_reads_the_organization(official: Callable[[str], Any]) -> None:
    (organization,) = official("OrganizationsApi").list_organizations().organizations
    assert (organization.id, organization.users) == (1, [])
    assert official("OrganizationsApi").get_organization_info(1).organization.id == 1


def test_lists_items_and_their_files(client: Client, official: Callable[[str], Any]) -> None:
    item_id = client.add_id("pump é", [("raw/a.csv", b"12345"), ("b", b"")], {"machine": "7"})
    data = official("OrganizationDataApi")
    (item,) = data.list_organization_data(1, filter="metadata->machine = '7'").data
    assert (item.id, item.name, item.total_file_size, item.metadata) == (
        item_id,
        "pump é",
        5,
        {"machine": "7"},
    )
    listing = data.list_organization_files(1, dataset="vibration", limit=10, offset=0)
    assert listing.total_data_item_count == 1
    assert [(file.name, file.size) for file in listing.data[0].files] == [("raw/a.csv", 5), ("b", 0)]
    assert data.get_organization_data_item(1, item_id).data.files[0].last_modified
    assert [bucket.bucket for bucket in data.list_organization_buckets(1).buckets] == ["Internal datasets"]


def test_changes_and_deletes_items(client: Client, official: Callable[[str], Any]) -> None:
    item_id = client.add_id(files=[("a", b"1"), ("b", b"2")])
    data = official("OrganizationDataApi")
    change = edgeimpulse_api.UpdateOrganizationDataItemRequest(metadata={"x": "y"})
    assert data.update_organization_data_item(1, item_id, change).success
    assert client.studio.items()[0].metadata == {"x": "y"}
    assert data.delete_organization_data_file(1, item_id, "a").success
    assert [file.name for file in client.studio.items()[0].files] == ["b"]
    assert data.delete_organization_data_item(1, item_id).success
    assert client.names() == []


def test_creates_and_reads_a_dataset(client: Client, official: Callable[[str], Any]) -> None:
    client.studio.settings.job_queued_seconds = client.studio.settings.job_running_seconds = 0
    data = official("OrganizationDataApi")
    bucket = {"id": 1, "path": "bench", "dataItemNamingLevelsDeep": 1}
    body = {"dataset": "test bench/7", "tags": ["a"], "category": "training", "type": "files", "bucket": bucket}
    assert data.add_organization_dataset(1, edgeimpulse_api.OrganizationAddDatasetRequest.from_dict(body)).success
    assert not client.get("/jobs")["jobs"]
    client.add(dataset="test bench/7")
    dataset = data.get_organization_dataset(1, "test bench/7").dataset
    assert (dataset.dataset, dataset.type, dataset.total_item_count) == ("test bench/7", "files", 1)
    assert (dataset.tags, dataset.bucket.path) == (["a"], "bench")


def test_downloads_a_whole_item_as_a_zip(client: Client, official: Callable[[str], Any]) -> None:
    item_id = client.add_id(files=[("raw/a.csv", b"1,2\n"), ("b", b"")])
    data = official("OrganizationDataApi")
    response = data.download_organization_single_data_item(1, item_id, _preload_content=False)
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"raw/a.csv": b"1,2\n", "b": b""}


def test_a_refusal_raises_their_exception(official: Callable[[str], Any]) -> None:
    with pytest.raises(Exception, match="99 not found"):
        official("OrganizationDataApi").get_organization_data_item(1, 99)


def test_an_organizations_key_cannot_list_projects(official: Callable[[str], Any]) -> None:
    with pytest.raises(Exception, match="Invalid API key"):
        official("ProjectsApi").list_projects()


@pytest.mark.parametrize("content", [b'{"a": 1}', b"1,2\n", b"\xff\x00"])
def test_downloads_a_file_as_bytes(client: Client, official: Callable[[str], Any], content: bytes) -> None:
    item_id = client.add_id(files=[("a.json", content, "application/json")])
    data = official("OrganizationDataApi")
    response = data.download_organization_data_file(1, item_id, "a.json", _preload_content=False)
    assert (response.data, response.headers["content-type"]) == (content, "application/octet-stream")


def test_runs_a_pipeline(client: Client, official: Callable[[str], Any]) -> None:
    client.studio.clock.stop()
    client.add(dataset="raw")
    step = {"name": "copy", "filter": "dataset = 'raw'", "uploadType": "dataset", "outputDatasetName": "clean"}
    pipelines = official("OrganizationPipelinesApi")
    body = {"name": "nightly", "description": "d", "steps": [step], "emailRecipientUids": [], "whenToEmail": "never"}
    request = edgeimpulse_api.OrganizationUpdatePipelineBody.from_dict(body)
    pipeline_id = pipelines.create_organization_pipeline(1, request).id
    run = pipelines.run_organization_pipeline(1, pipeline_id).pipeline_run
    assert pipelines.get_organization_pipeline(1, pipeline_id).pipeline.current_run.id == run.id
    client.studio.clock.advance(60)
    last = pipelines.get_organization_pipeline(1, pipeline_id).pipeline.last_run
    assert (last.id, last.steps[0].transformation_job.status) == (run.id, "finished")
    assert [pipeline.name for pipeline in pipelines.list_organization_pipelines(1).pipelines] == ["nightly"]


def test_runs_a_transformation_job(client: Client, official: Callable[[str], Any]) -> None:
    client.studio.clock.stop()
    client.add(dataset="raw")
    body = {"name": "t", "filter": "dataset = 'raw'", "uploadType": "dataset", "outputDatasetName": "clean"}
    jobs = official("OrganizationCreateProjectApi")
    request = edgeimpulse_api.OrganizationCreateProjectRequest.from_dict(body)
    number = jobs.organization_create_project(1, request).create_project_id
    client.studio.clock.advance(60)
    status = jobs.get_organization_create_project_status(1, number, 10, 0).status
    assert (status.status, status.transformation_summary.succeeded_count, len(status.files)) == ("finished", 1, 1)
    assert [job.name for job in jobs.get_organization_create_projects(1).jobs] == ["t"]
    (job,) = official("OrganizationJobsApi").list_all_organization_jobs(1).jobs
    assert job.finished_successful


def test_imports_a_folder_and_refreshes(client: Client, official: Callable[[str], Any]) -> None:
    client.studio.clock.stop()
    client.studio.put_object("lab/r1/a.csv", b"1")
    data = official("OrganizationDataApi")
    body = {"dataset": "lab", "bucketId": 1, "bucketPath": "lab"}
    job_id = data.add_organization_data_folder(1, edgeimpulse_api.OrganizationAddDataFolderRequest.from_dict(body)).id
    client.studio.clock.advance(60)
    assert official("OrganizationJobsApi").get_organization_job_status(1, job_id).job.finished_successful
    client.studio.remove_object("lab/r1/a.csv")
    data.refresh_organization_data(1, "lab")
    client.studio.clock.advance(60)
    assert data.list_organization_data(1, dataset="lab").total_data_item_count == 0
    assert [project.id for project in official("OrganizationsApi").list_organization_projects(1).projects] == [1]
