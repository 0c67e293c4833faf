"""Operations on the samples of a project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from airflow_provider_ei.emulator import EmulatorServer

from .conftest import ProjectClient
from .samples import CSV, Ingestion, acquisition, png


@pytest.fixture
def ingestion(project: ProjectClient) -> Ingestion:
    return Ingestion(project.studio)


def listed(project: ProjectClient, category: str = "training", **query: object) -> list[str]:
    answer = project.get("/raw-data", category=category, **query)
    assert answer["success"], answer
    return [sample["filename"] for sample in answer["samples"]]


def test_lists_samples_newest_first_in_pages(project: ProjectClient, ingestion: Ingestion) -> None:
    for number in range(5):
        ingestion.upload_id(f"{number}.json", acquisition(number))
    ingestion.upload_id("test.csv", CSV, "testing")
    answer = project.get("/raw-data", category="training", limit=2, offset=1)
    assert ([each["filename"] for each in answer["samples"]], answer["totalCount"]) == (["3", "2"], 5)
    assert listed(project, sortBy="id-asc") == ["0", "1", "2", "3", "4"]
    assert listed(project, "testing") == ["test"]
    assert listed(project, "anomaly") == []
    project.studio.settings.sample_order = "oldest"
    assert listed(project, limit=1) == ["0"]
    assert listed(project, limit=0) == []
    assert "category" in project.get("/raw-data")["error"]
    assert "category must be one of" in project.get("/raw-data", category="all")["error"]


def test_filters_by_label_name_and_id(project: ProjectClient, ingestion: Ingestion) -> None:
    ids = [
        ingestion.upload_id(f"{label}.{number}.json", acquisition(number, ord(label[0])), x_label=label)
        for label in ("idle", "walk")
        for number in range(2)
    ]
    assert listed(project, labels='["idle"]') == ["idle.1", "idle.0"]
    assert listed(project, labels='["idle", "walk"]', filename="K.1") == ["walk.1"]
    assert listed(project, labels="null") == ["walk.1", "walk.0", "idle.1", "idle.0"]
    assert listed(project, minId=ids[1], maxId=ids[3]) == ["walk.0", "idle.1"]
    assert listed(project, includeDisabled="disabled") == []
    assert project.get("/raw-data/count", category="training", labels='["walk"]')["count"] == 2
    assert project.get("/raw-data/count", category="testing")["count"] == 0
    assert "labels" in project.get("/raw-data", category="training", labels="idle")["error"]
    assert "does not implement the parameter minDate" in project.get(
        "/raw-data", category="training", minDate="2026-01-01T00:00:00Z"
    )["error"]  # fmt: skip


def test_returns_a_sample_with_its_readings(project: ProjectClient, ingestion: Ingestion) -> None:
    sample_id = ingestion.upload_id("a.csv", CSV, x_label="idle", x_metadata='{"site": "Graz"}', x_device_type="WATCH")
    answer = project.get(f"/raw-data/{sample_id}")
    sample = answer["sample"]
    assert (sample["label"], sample["metadata"], sample["deviceType"]) == ("idle", {"site": "Graz"}, "WATCH")
    assert (sample["valuesCount"], sample["intervalMs"], sample["frequency"]) == (3, 100.0, 10.0)
    assert sample["sensors"] == [{"name": "accX", "units": "N/A"}, {"name": "accY", "units": "N/A"}]
    assert answer["payload"]["values"] == [[0.5, 1.0], [0.25, 2.0], [0.125, 3.0]]
    limited = project.get(f"/raw-data/{sample_id}", limitPayloadValues=1)
    assert (limited["payload"]["values"], limited["totalPayloadLength"]) == ([[0.5, 1.0]], 3)
    readings = ingestion.upload_id("b.json", acquisition(4, 5))
    assert project.get(f"/raw-data/{readings}")["payload"]["values"] == [[4], [5]]
    image = project.get(f"/raw-data/{ingestion.upload_id('c.png', png(7, 9))}")["sample"]
    assert (image["chartType"], image["imageDimensions"]) == ("image", {"width": 7, "height": 9})
    assert project.get("/raw-data/999")["error"] == "No sample found with ID 999"
    assert project.get(f"/raw-data/{'9' * 30}")["error"].startswith("No sample found with ID 9")


def test_changes_label_category_and_metadata(project: ProjectClient, ingestion: Ingestion) -> None:
    sample_id = ingestion.upload_id("a.csv", CSV, x_label="idle", x_metadata='{"site": "Graz", "run": "7"}')
    path = f"/raw-data/{sample_id}"
    assert project.call("POST", f"{path}/edit-label", json={"label": "walk"})["success"]
    assert project.call("POST", f"{path}/move", json={"newCategory": "testing"})["success"]
    assert project.call("POST", f"{path}/metadata", json={"metadata": {"site": "Vienna"}})["success"]
    sample = project.studio.samples.get(sample_id)
    assert (sample.label, sample.category, sample.metadata) == ("walk", "testing", {"site": "Vienna"})
    project.studio.settings.metadata_update = "merge"
    assert project.call("POST", f"{path}/metadata", json={"metadata": {"run": "8"}})["success"]
    assert project.studio.samples.get(sample_id).metadata == {"site": "Vienna", "run": "8"}
    assert project.call("POST", f"{path}/edit-label", json={"label": ""})["success"]
    assert project.studio.samples.get(sample_id).label == ""
    for action, body, error in (
        ("move", {"newCategory": "attic"}, "newCategory must be one of"),
        ("move", {"newCategory": "anomaly"}, "newCategory must be one of"),
        ("edit-label", {}, "label must be a string"),
        ("metadata", {"metadata": {"a": 1}}, "strings"),
        ("metadata", {}, "Missing metadata"),
    ):
        assert error in project.call("POST", f"{path}/{action}", json=body)["error"]
    assert "No sample found" in project.call("POST", "/raw-data/999/edit-label", json={"label": "x"})["error"]


def test_deletes_a_sample_and_its_bytes(project: ProjectClient, ingestion: Ingestion, data_dir: Path) -> None:
    first, second = (entry["sampleId"] for entry in ingestion.upload({"a.csv": CSV, "b.json": acquisition(1)}))
    assert project.call("DELETE", f"/raw-data/{first}")["success"]
    assert [sample.id for sample in project.studio.samples.list()] == [second]
    assert project.studio.samples.read(second) == acquisition(1)
    assert project.call("DELETE", f"/raw-data/{first}")["error"] == f"No sample found with ID {first}"
    assert project.call("DELETE", f"/raw-data/{second}")["success"]
    assert list((data_dir / "uploads").iterdir()) == []


def test_a_project_has_its_own_samples(project: ProjectClient, ingestion: Ingestion) -> None:
    other = project.studio.projects.add("other")
    theirs = Ingestion(project.studio, other.api_key).upload_id("a.csv", CSV)
    assert listed(project) == []
    assert "No sample found" in project.get(f"/raw-data/{theirs}")["error"]
    assert "No sample found" in project.call("DELETE", f"/raw-data/{theirs}")["error"]
    assert len(project.studio.samples.list(project_id=other.id)) == 1
    ingestion.upload_id("a.csv", CSV)
    with pytest.raises(KeyError):
        project.studio.samples.get(theirs)


def test_samples_of_the_first_project_survive_a_restart_and_a_reset_forgets_all(data_dir: Path) -> None:
    with EmulatorServer(data_dir=data_dir) as studio:
        kept = Ingestion(studio).upload_id("a.csv", CSV)
        Ingestion(studio, studio.projects.add("other").api_key).upload_id("b.csv", CSV)
    with EmulatorServer(data_dir=data_dir) as studio:
        assert [sample.id for sample in studio.samples.list()] == [kept]
        assert studio.samples.read(kept) == CSV
        assert studio.samples.list(project_id=studio.projects.add("new").id) == []
        studio.reset()
        assert studio.samples.list() == []
    assert list((data_dir / "uploads").iterdir()) == []


def test_changes_by_other_people_are_not_requests(studio: EmulatorServer) -> None:
    sample_id = studio.samples.put("a.csv", CSV, label="idle", category="testing", metadata={"who": "Eva"})
    assert studio.samples.put("a.csv", CSV) != sample_id
    studio.samples.edit(sample_id, label="walk", category="training", metadata={})
    sample = studio.samples.get(sample_id)
    assert (sample.label, sample.category, sample.metadata, sample.facts.values) == ("walk", "training", {}, 3)
    studio.samples.remove(sample_id)
    with pytest.raises(KeyError):
        studio.samples.remove(sample_id)
    assert studio.requests() == [] and len(studio.samples.list("training", label="")) == 1


def test_the_hash_of_a_sample_is_a_switch(project: ProjectClient, ingestion: Ingestion) -> None:
    sample_id = ingestion.upload_id("a.csv", CSV)
    of_file = project.get(f"/raw-data/{sample_id}")["sample"]["sha256Hash"]
    assert of_file == project.studio.samples.get(sample_id).sha256
    project.studio.settings.sample_hashes = "other"
    assert project.get(f"/raw-data/{sample_id}")["sample"]["sha256Hash"] != of_file


def test_the_control_api_shows_samples_and_their_numbers_by_label(ingestion: Ingestion) -> None:
    page = f"{ingestion.studio.page_url}emulator"
    before = requests.get(f"{page}/projects", timeout=20)
    ids = [ingestion.upload_id(f"{number}.json", acquisition(number), x_label="idle") for number in range(3)]
    after = requests.get(f"{page}/projects", headers={"if-none-match": before.headers["etag"]}, timeout=20)
    assert after.json()["projects"][0]["labels"] == {"training": {"idle": 3}}
    answer = requests.get(f"{page}/samples", params={"project": 1, "limit": 2}, timeout=20).json()
    assert ([sample["id"] for sample in answer["samples"]], answer["count"]) == (ids[:0:-1], 3)


def test_lists_100000_samples_in_pages_without_slowing_down(project: ProjectClient, ingestion: Ingestion) -> None:
    """Each page must cost about as much as the first: a listing may not load or sort what it does not return."""
    ingestion.upload_id("a.csv", CSV)
    database = project.studio.samples._samples._database
    columns = (
        "project_id, category, name, file_name, label, metadata, sha256, size, content_type, device_type, facts,"
        " labels, created, modified, upload, offset"
    )
    metadata = json.dumps({"airflow_ei": "x" * 200})
    with database.change():
        database.connection.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)"
            f" INSERT INTO samples ({columns}) SELECT project_id, category, 's' || i, 's' || i || '.csv',"
            f" 'label' || (i % 10), ?, sha256 || i, size, content_type, device_type, facts, labels, created, modified,"
            f" upload, offset FROM samples, n",
            (metadata,),
        )
    steps = []

    def count_steps() -> int:
        steps.append(1)
        return 0

    database.connection.set_progress_handler(count_steps, 1_000)
    first = project.get("/raw-data", category="training", limit=1000)
    cost_of_first = len(steps)
    last = project.get("/raw-data", category="training", limit=1000, offset=99_000)
    database.connection.set_progress_handler(None, 0)
    assert first["totalCount"] == last["totalCount"] == 100_000
    assert len(last["samples"]) == 1000 and last["samples"][-1]["filename"] == "a"
    assert len(steps) < 4 * cost_of_first
