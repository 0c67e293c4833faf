"""Projects, jobs and the clock by the control API, as the page and other programs use it."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from .conftest import ProjectClient


def control(project: ProjectClient, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, f"{project.studio.page_url}emulator/{path}", timeout=10, **options)


def test_shows_projects_with_their_newest_jobs(project: ProjectClient) -> None:
    project.studio.jobs.plan("build", running_seconds=2)
    project.start("/jobs/classify", json={})
    project.start("/jobs/build-ondevice-model", params={"type": "zip"}, json={"engine": "tflite"})
    project.studio.clock.advance(60)
    project.start("/jobs/retrain")
    report = control(project, "GET", "projects", params={"jobs": 2}).json()
    (shown,) = report["projects"]
    assert [(job["kind"], job["state"], job["seconds"]) for job in shown["jobs"]] == [
        ("retrain", "queued", None),
        ("build", "succeeded", 2.0),
    ]
    assert (shown["accuracy"]["int8"], shown["builds"][0]["version"], report["job_count"]) == (0.9, 1, 3)
    assert project.studio.project_api_key not in str(report)


def test_an_unchanged_report_is_not_sent_again(project: ProjectClient) -> None:
    etag = control(project, "GET", "projects").headers["etag"]
    assert control(project, "GET", "projects", headers={"if-none-match": etag}).status_code == 304
    project.start("/jobs/retrain")
    assert control(project, "GET", "projects", headers={"if-none-match": etag}).status_code == 200


def test_a_project_is_added_with_a_key_of_its_own(project: ProjectClient) -> None:
    added = control(project, "POST", "projects", json={"name": "gearbox", "role": "readonly"}).json()
    project.session.headers["x-api-key"] = added["api_key"]
    info = project.session.get(f"{project.studio.url}/api/projects/api-key-info").json()
    assert (info["projectId"], info["role"]) == (added["id"], "readonly")


def test_plans_results_and_the_clock_take_effect(project: ProjectClient) -> None:
    plan = {"kind": "retrain", "count": 1, "running_seconds": 3600, "outcome": "failure"}
    assert control(project, "POST", "plans", json=plan).ok
    job_id = project.start("/jobs/retrain")
    assert control(project, "POST", "clock", json={"advance": 3000}).ok
    assert "finished" not in project.status(job_id)
    assert control(project, "POST", "clock", json={"advance": 3000}).ok
    assert project.status(job_id)["finishedSuccessful"] is False
    results = {"project_id": 1, "ignored": 2, "variants": {"int8": {"idle": [1, 3]}}}
    assert control(project, "POST", "results", json=results).ok
    project.start("/jobs/classify", json={})
    project.studio.clock.advance(60)
    assert project.get("/classify/all/metrics")["metrics"] == [{"variant": "int8", "accuracy": 0.25}]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("projects", {}, 400),
        ("projects", {"name": "x", "role": "owner"}, 400),
        ("plans", {"kind": "dance"}, 400),
        ("plans", {"kind": "retrain", "count": 0}, 400),
        ("plans", {"kind": "retrain", "outcome": "luck"}, 400),
        ("plans", {"kind": "retrain", "speed": 1}, 400),
        ("clock", {"advance": -1}, 400),
        ("clock", {"advance": "1"}, 400),
        ("results", {"variants": {}}, 400),
        ("results", {"variants": {"int8": {"idle": [1]}}}, 400),
        ("results", {"variants": {"int8": {"idle": [-1, 1]}}}, 400),
        ("results", {"variants": {"int8": {"idle": [1, 1]}}, "ignored": -1}, 400),
        ("results", {"variants": {"int8": {"idle": [1, 1]}}, "project_id": 9}, 404),
        ("results", {"variants": {"int8": {"idle": [1, 1]}}, "project_id": []}, 404),
    ],
)
def test_an_invalid_request_changes_nothing(
    project: ProjectClient, path: str, body: dict[str, Any], status: int
) -> None:
    now = project.studio.clock.now()
    response = control(project, "POST", path, json=body)
    assert response.status_code == status and response.json()["error"]
    assert (project.studio.clock.now(), len(project.studio.projects.list())) == (now, 1)


@pytest.mark.parametrize("path", ["studio/1", "studio/1/jobs", "organization/1/jobs"])
def test_links_to_projects_and_jobs_show_the_page(project: ProjectClient, path: str) -> None:
    assert requests.get(project.studio.page_url + path).text == requests.get(project.studio.page_url).text
