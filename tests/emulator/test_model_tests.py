"""Tests of a model: they find the results that were set."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import ProjectClient

GOOD = {"int8": {"idle": (90, 10), "walking": (45, 5)}, "float32": {"idle": (98, 2), "walking": (49, 1)}}


def classify(project: ProjectClient, **body: Any) -> int:
    job_id = project.start("/jobs/classify", json=body)
    project.studio.clock.advance(60)
    return job_id


def metrics(project: ProjectClient) -> dict[str, float]:
    return {each["variant"]: each["accuracy"] for each in project.get("/classify/all/metrics")["metrics"]}


def test_there_are_no_results_before_the_first_test_has_ended(project: ProjectClient) -> None:
    project.start("/jobs/classify", json={})
    for path in ("/classify/all/metrics", "/classify/all/result", "/deployment/evaluate"):
        assert not project.get(path)["success"]


def test_a_test_finds_the_results_that_were_set(project: ProjectClient) -> None:
    project.studio.projects.set_results(GOOD, ignored=7)
    classify(project)
    assert metrics(project) == {"int8": 0.9, "float32": 0.98}
    result = project.get("/classify/all/result", variant="float32")
    accuracy = result["accuracy"]
    assert (accuracy["accuracyScore"], accuracy["totalSummary"]) == (0.98, {"good": 147, "bad": 3})
    assert accuracy["summaryPerClass"]["walking"] == {"good": 49, "bad": 1}
    assert result["availableVariants"] == ["int8", "float32"]
    correct = [prediction.get("predictionCorrect") for prediction in result["predictions"]]
    assert [correct.count(value) for value in (True, False, None)] == [147, 3, 7]
    assert len(result["result"]) == 157
    assert project.get("/classify/all/result", featureExplorerOnly="true")["result"] == []
    assert not project.get("/classify/all/result", variant="akida")["success"]


def test_results_stay_until_the_next_test_has_ended(project: ProjectClient) -> None:
    project.studio.projects.set_results(GOOD)
    classify(project)
    project.studio.projects.set_results({"int8": {"idle": (1, 9)}})
    project.start("/jobs/retrain")
    project.studio.clock.advance(60)
    assert metrics(project) == {"int8": 0.9, "float32": 0.98}
    project.studio.jobs.plan("classify", outcome="failure")
    classify(project)
    assert metrics(project) == {"int8": 0.9, "float32": 0.98}
    classify(project)
    assert metrics(project) == {"int8": 0.1}


def test_only_the_chosen_variants_are_tested(project: ProjectClient) -> None:
    project.studio.projects.set_results(GOOD)
    classify(project, modelVariants=["float32"])
    assert metrics(project) == {"float32": 0.98}
    for variants in (["akida"], "float32", [7]):
        answer = project.call("POST", "/jobs/classify", json={"modelVariants": variants})
        assert "modelVariants" in answer["error"]


def test_accuracy_is_a_fraction_or_a_percentage(project: ProjectClient) -> None:
    project.studio.projects.set_results(GOOD)
    classify(project)
    project.studio.settings.accuracy_unit = "percent"
    assert metrics(project)["int8"] == pytest.approx(90)
    assert project.get("/classify/all/result")["accuracy"]["accuracyScore"] == pytest.approx(90)


def test_a_service_may_lack_the_metrics_of_all_variants(project: ProjectClient) -> None:
    classify(project)
    project.studio.settings.classify_metrics = "missing"
    response = project.send("GET", "/classify/all/metrics")
    assert (response.status_code, response.json()["success"]) == (404, False)
    assert project.get("/classify/all/result")["success"]


def test_an_evaluation_gives_a_percentage(project: ProjectClient) -> None:
    project.studio.projects.set_results(GOOD)
    project.start("/jobs/evaluate")
    project.studio.clock.advance(60)
    results = {each["modelType"]: each for each in project.get("/deployment/evaluate")["result"]}
    assert results["int8"]["accuracy"]["raw"] == pytest.approx(90) and results["float32"]["totalWindowCount"] == 150


def test_a_version_has_the_accuracy_of_the_last_test(project: ProjectClient) -> None:
    project.studio.projects.set_results(GOOD)
    classify(project)
    project.start("/jobs/version", json={"description": "v", "makePublic": False})
    project.studio.clock.advance(60)
    assert project.get("/versions")["versions"][0]["testAccuracy"] == 0.9


def test_a_project_has_one_impulse(project: ProjectClient) -> None:
    (impulse,) = project.get("/impulses")["impulses"]
    assert impulse["id"] == 1
    assert project.get("/classify/all/metrics", impulseId=2)["error"] == "Impulse 2 not found"
    assert not project.call("POST", "/jobs/retrain", params={"impulseId": 2})["success"]
