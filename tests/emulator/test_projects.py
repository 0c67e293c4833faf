"""Projects and the two kinds of keys."""

from __future__ import annotations

import pytest

from airflow_provider_ei.emulator import EmulatorServer

from .conftest import Client, Contract, ProjectClient

API_KEY_INFO = "/projects/api-key-info"


def test_a_projects_key_lists_that_project_only(project: ProjectClient) -> None:
    project.studio.projects.add("another")
    answer = project.session.get(f"{project.studio.url}/api/projects").json()
    project.contract.check("listProjects", answer)
    assert [(each["id"], each["name"]) for each in answer["projects"]] == [(1, "Emulated project")]


def test_a_key_tells_its_project_role_and_expiry(studio: EmulatorServer, contract: Contract) -> None:
    studio.clock.stop()
    expires = studio.clock.now() + 3600
    added = studio.projects.add("gearbox", role="readonly", key_expires=expires)
    client = ProjectClient(studio, contract, added.id)
    answer = client.session.get(f"{studio.url}/api{API_KEY_INFO}").json()
    contract.check("getCurrentApiKeyInfo", answer)
    assert (answer["projectId"], answer["role"], "expires" in answer) == (added.id, "readonly", True)
    assert "no permission" in client.call("POST", "/jobs/retrain")["error"]
    assert client.get("/jobs")["success"]
    studio.clock.advance(3601)
    response = client.send("GET", "/jobs")
    assert (response.status_code, response.json()["error"]) == (401, "Invalid API key")
    with pytest.raises(ValueError, match="role"):
        studio.projects.add("x", role="owner")  # type: ignore[arg-type]


def test_each_kind_of_key_is_refused_for_the_other(client: Client, project: ProjectClient) -> None:
    of_project = [f"/api{API_KEY_INFO}", "/api/projects", "/api/1/jobs"]
    of_organization = ["/api/organizations", "/api/organizations/1/data", "/api/organizations/1/jobs"]
    for key_holder, paths, kind in (
        (client, of_project, "not of a project"),
        (project, of_organization, "not of an organization"),
    ):
        for path in paths:
            response = key_holder.session.get(project.studio.url + path)
            assert response.status_code == 200
            error = response.json()["error"]
            assert error.startswith("Invalid API key") and error.endswith(kind)
    assert project.session.post(f"{client.organization}/data/add", data=b"x" * 100_000).json()["success"] is False


def test_an_organizations_key_may_be_accepted_in_its_projects(client: Client) -> None:
    client.studio.settings.organization_key_in_projects = "accept"
    url = f"{client.studio.url}/api"
    assert client.session.post(f"{url}/1/jobs/retrain").json()["success"]
    assert "Project 7 not found" in client.session.post(f"{url}/7/jobs/retrain").json()["error"]
    assert "Invalid API key" in client.session.get(f"{url}/projects").json()["error"], "it is of no project"


def test_a_key_gives_no_access_to_another_project(project: ProjectClient) -> None:
    other = project.studio.projects.add("another")
    response = project.session.get(f"{project.studio.url}/api/{other.id}/jobs")
    assert "no access" in response.json()["error"]


def test_a_version_keeps_its_description(project: ProjectClient) -> None:
    assert project.get("/versions")["versions"] == []
    before = project.get("/last-modification")
    assert "lastVersionDate" not in before
    project.start("/jobs/version", json={"description": "run 7 é", "makePublic": False})
    assert project.get("/versions")["versions"] == [], "its job has not ended"
    project.studio.clock.advance(60)
    answer = project.get("/versions")
    assert [(each["version"], each["description"]) for each in answer["versions"]] == [(1, "run 7 é")]
    assert answer["nextVersion"] == 2
    assert "lastVersionDate" in project.get("/last-modification")
    for body in ({"description": "v"}, {"makePublic": False}, {"description": "v", "makePublic": "no"}):
        assert not project.call("POST", "/jobs/version", json=body)["success"]


def test_the_last_modification_changes_with_the_data_and_the_model(project: ProjectClient) -> None:
    dates = [project.get("/last-modification")["lastModificationDate"]]
    project.studio.clock.advance(60)
    project.studio.projects.touch()
    dates.append(project.get("/last-modification")["lastModificationDate"])
    project.start("/jobs/retrain")
    project.studio.clock.advance(60)
    dates.append(project.get("/last-modification")["lastModificationDate"])
    assert dates == sorted(set(dates))


def test_keys_of_projects_are_shown_nowhere(project: ProjectClient) -> None:
    added = project.studio.projects.add("another")
    for key in (added.api_key, project.studio.project_api_key):
        project.call("POST", "/jobs/version", json={"description": key, "makePublic": False})
        project.session.get(f"{project.studio.url}/api/{key}")
        shown = [repr(project.studio.projects.list()), repr(project.studio.requests()), repr(project.studio.settings)]
        assert not any(key in text for text in shown)
