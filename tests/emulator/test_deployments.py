"""Builds: targets, both shapes of the answer, the bytes of each build."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
import requests

from airflow_provider_ei.emulator import Fault

from .conftest import ProjectClient

BUILD = "/jobs/build-ondevice-model"
ZIP = {"type": "zip", "engine": "tflite-eon", "modelType": "int8"}


def build(project: ProjectClient, type: str = "zip", **body: str) -> dict[str, Any]:
    """The answer to a build that ends at once."""
    answer = project.call("POST", BUILD, params={"type": type}, json={"engine": "tflite-eon", **body})
    project.studio.clock.advance(60)
    return answer


def download(project: ProjectClient, path: str, **query: Any) -> bytes:
    response = project.send("GET", f"/deployment{path}", params=query)
    assert response.headers["content-type"] == "application/zip", response.text
    return response.content


def test_lists_targets_and_why_one_is_disabled(project: ProjectClient) -> None:
    targets = {target["format"]: target for target in project.get("/deployment/targets")["targets"]}
    assert targets["zip"]["preferredEngine"] == "tflite-eon" and not targets["zip"]["disabledForProject"]
    (disabled,) = [target for target in targets.values() if target["disabledForProject"]]
    assert disabled["reasonTargetDisabled"] in build(project, disabled["format"], engine="syntiant")["error"]


def test_a_build_is_downloaded_by_its_version(project: ProjectClient) -> None:
    answer = project.call("POST", BUILD, params={"type": "zip"}, json={"engine": "tflite-eon", "modelType": "float32"})
    version = answer["deploymentVersion"]
    path = f"/deployment/history/{version}"
    assert "not found" in project.get(path)["error"], "the job has not ended"
    project.studio.clock.advance(60)
    entry = project.get(path)["deployment"]
    assert (entry["deploymentFormat"], entry["engine"], entry["modelType"]) == ("zip", "tflite-eon", "float32")
    response = project.send("GET", f"{path}/download")
    assert response.content == project.studio.projects.firmware(version)
    name = f"emulated-project-zip-v{version}.zip"
    assert response.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert f"build {version}\n" in archive.read("build.txt").decode()


def test_builds_differ_in_their_bytes_and_each_stays_the_same(project: ProjectClient) -> None:
    versions = [build(project)["deploymentVersion"] for _ in range(3)]
    contents = [download(project, f"/history/{version}/download") for version in versions]
    assert len(set(contents)) == 3
    assert contents == [download(project, f"/history/{version}/download") for version in versions]
    history = project.get("/deployment/history")
    assert [entry["deploymentVersion"] for entry in history["deployments"]] == versions[::-1]
    page = project.get("/deployment/history", limit=1, offset=1, deploymentFormat="zip")
    assert ([entry["deploymentVersion"] for entry in page["deployments"]], page["totalDeploymentCount"]) == ([2], 3)
    assert project.get("/deployment/history", deploymentFormat="wasm")["deployments"] == []


def test_an_old_service_knows_only_the_latest_build_of_a_target(project: ProjectClient) -> None:
    project.studio.settings.builds = "latest_only"
    assert project.get("/deployment", **ZIP) == {"success": True, "hasDeployment": False}
    assert project.get("/deployment/last") == {"success": True, "hasBuild": False}
    assert "build it first" in project.get("/deployment/download", **ZIP)["error"]
    answer = build(project)
    assert "id" in answer and "deploymentVersion" not in answer
    assert project.get("/deployment", **ZIP)["version"] == 1
    assert download(project, "/download", **ZIP) == project.studio.projects.firmware(1)
    for path in ("/deployment/history", "/deployment/history/1", "/deployment/history/1/download"):
        assert project.send("GET", path).status_code == 404
    other = project.studio.projects.add_build()
    assert download(project, "/download", **ZIP) == project.studio.projects.firmware(other)
    assert project.get("/deployment/last")["lastBuild"]["version"] == other
    assert "build it first" in project.get("/deployment/download", **{**ZIP, "modelType": "float32"})["error"]


def test_builds_of_an_earlier_model_no_longer_fit(project: ProjectClient) -> None:
    version = build(project)["deploymentVersion"]
    project.start("/jobs/retrain")
    project.studio.clock.advance(60)
    assert not project.get("/deployment", **ZIP)["hasDeployment"]
    assert "build it first" in project.get("/deployment/download", **ZIP)["error"]
    assert project.get(f"/deployment/history/{version}")["deployment"]["impulseHasChangedSinceDeployment"]
    assert download(project, f"/history/{version}/download") == project.studio.projects.firmware(version)


@pytest.mark.parametrize(
    ("query", "body", "error"),
    [
        ({"type": "toaster"}, {"engine": "tflite"}, "'toaster' not found"),
        ({}, {"engine": "tflite"}, "Missing type"),
        ({"type": "zip"}, {}, "Missing engine"),
        ({"type": "zip"}, {"engine": "akida"}, "not supported"),
        ({"type": "zip"}, {"engine": "tflite", "modelType": "int4"}, "modelType"),
        ({"type": "zip", "impulseId": "9"}, {"engine": "tflite"}, "Impulse 9 not found"),
    ],
)
def test_an_invalid_build_is_refused(
    project: ProjectClient, query: dict[str, str], body: dict[str, str], error: str
) -> None:
    assert error in project.call("POST", BUILD, params=query, json=body)["error"]
    assert project.studio.jobs.list() == []


def test_a_failed_build_leaves_no_deployment(project: ProjectClient) -> None:
    project.studio.jobs.plan("build", outcome="failure")
    version = build(project)["deploymentVersion"]
    assert "not found" in project.get(f"/deployment/history/{version}")["error"]
    assert project.get("/deployment/last") == {"success": True, "hasBuild": False}
    assert build(project)["deploymentVersion"] == version + 1


@pytest.mark.parametrize("after_bytes", [0, 1, 70_000])
def test_a_download_is_cut(project: ProjectClient, after_bytes: int) -> None:
    version = build(project)["deploymentVersion"]
    path = f"/deployment/history/{version}/download"
    fault = Fault(operation="downloadHistoricDeployment", kind="cut_response", after_bytes=after_bytes)
    project.studio.inject(fault)
    response = project.send("GET", path, stream=True)
    received = b""
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        for piece in response.iter_content(1):
            received += piece
    assert received == project.studio.projects.firmware(version)[:after_bytes]
    assert project.send("GET", path).content == project.studio.projects.firmware(version)


def test_json_can_come_instead_of_firmware(project: ProjectClient) -> None:
    build(project)
    path = "/deployment/history/1/download"
    as_zip = {"Content-Type": "application/zip"}
    project.studio.inject(
        Fault(kind="success_false", error="Disk is full"),
        Fault(kind="status", status=200, body='{"success": false, "error": "no"}', headers=as_zip),
    )
    assert project.send("GET", path).json() == {"success": False, "error": "Disk is full"}
    response = project.send("GET", path)
    assert (response.headers["content-type"], response.json()["success"]) == ("application/zip", False)
