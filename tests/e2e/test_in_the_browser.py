"""What a user sees and clicks, in this order: the connection, its test, a run, item names, the link, the pages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer

from .airflow import Airflow

pytest.importorskip("playwright", reason="only .venv-e2e has it: make test-e2e")
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DAG = "edge_impulse_motion_etl"


def test_the_connection_is_made_in_the_form(
    page: Page, airflow: Airflow, studio: EmulatorServer, pictures: Path
) -> None:
    page.goto(f"{airflow.url}/connections")
    page.get_by_role("button", name="Add Connection").click()
    page.locator("input[name=connection_id]").fill("edge_impulse_default")
    page.get_by_role("combobox").first.click()
    page.keyboard.type("Edge Impulse")
    page.get_by_role("option", name="Edge Impulse", exact=True).click()
    expect(page.get_by_text("API key", exact=True).first).to_be_visible()
    expect(page.locator("input[name=host]")).to_have_attribute("placeholder", "https://studio.edgeimpulse.com/v1")
    page.locator("input[name=host]").fill(studio.url)
    page.locator("input[name=password]").fill(studio.api_key)
    page.locator("input[name=port]").fill("0")
    page.get_by_text("Extra Fields", exact=True).click()
    page.locator("input[name=element_organization_id]").fill("7")
    expect(page.locator("input[name=element_service]")).to_be_visible()
    page.screenshot(path=pictures / "connection-form.png")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("edge_impulse_default").first).to_be_visible()


def test_the_test_button_says_what_it_found(page: Page, airflow: Airflow, studio: EmulatorServer) -> None:
    page.goto(f"{airflow.url}/connections")
    with page.expect_response(lambda response: "connections/test" in response.url) as tested:
        page.locator("button[aria-label*=Test], button[title*=Test]").first.click()
    answer = tested.value.json()
    assert answer["status"] is True
    assert answer["message"].startswith(f"Connected to {studio.url}: organization 7")


def test_what_a_check_has_saved_is_in_the_form(page: Page, airflow: Airflow, studio: EmulatorServer) -> None:
    done = airflow.command("edge-impulse", "check", "--write", "--save")
    assert "Saved as 'service' in the extra of connection 'edge_impulse_default'." in done
    assert studio.items() == []
    page.goto(f"{airflow.url}/connections")
    page.get_by_role("button", name="Edit Connection").first.click()
    page.get_by_text("Extra Fields", exact=True).click()
    expect(page.locator("input[name=element_service]")).to_have_value(re.compile('"duplicate_names": "new_id"'))
    page.get_by_role("button", name="Save").click()
    saved = json.loads(airflow.get("/api/v2/connections/edge_impulse_default")["extra"])
    assert json.loads(saved["service"])["duplicate_names"] == "new_id"


def test_a_run_is_triggered_and_its_uploads_have_names(page: Page, airflow: Airflow, pictures: Path) -> None:
    page.goto(f"{airflow.url}/dags/{DAG}")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
    run = airflow.wait_for("the run has ended", lambda: ended_run(airflow))
    assert run["state"] == "success"
    page.goto(f"{airflow.url}/dags/{DAG}/runs/{run['dag_run_id']}/tasks/add_data/mapped")
    expect(page.get_by_role("link", name="badminton-10")).to_be_visible()
    page.screenshot(path=pictures / "mapped-uploads.png")


def test_the_task_leads_to_studio(page: Page, airflow: Airflow, studio: EmulatorServer, pictures: Path) -> None:
    run = ended_run(airflow)
    assert run is not None
    page.goto(f"{airflow.url}/dags/{DAG}/runs/{run['dag_run_id']}/tasks/add_data/mapped/0/details")
    link = page.get_by_role("link", name="Edge Impulse Studio")
    expect(link).to_have_attribute("href", f"{studio.url.removesuffix('/v1')}/organization/7/data")
    page.screenshot(path=pictures / "task-link.png")


def test_the_page_lists_the_datasets(page: Page, airflow: Airflow, study: Path, pictures: Path) -> None:
    for night, recordings in enumerate((5, 2, 7)):
        for number in range(recordings):
            (study / f"s{number:02}-night-{night}").mkdir()
            (study / f"s{number:02}-night-{night}" / "motion.csv").write_text("timestamp,accX\n0,0.1\n" * 100)
        assert airflow.run("edge_impulse_nightly_sync") == "success"
    page.goto(airflow.url)
    page.get_by_role("link", name="Edge Impulse").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="basic-motions")).to_be_visible()
    expect(frame.get_by_role("heading", name="sleep-study")).to_be_visible()
    page.screenshot(path=pictures / "airflow-page.png")


def test_a_person_approves_a_release(
    page: Page, airflow: Airflow, studio: EmulatorServer, firmware: Path, pictures: Path
) -> None:
    dag = "release_with_approval"
    run = airflow.start(dag)
    tasks = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances"
    waiting = ("awaiting_input", "deferred")
    airflow.wait_for("approval is asked for", lambda: airflow.get(f"{tasks}/release.approve")["state"] in waiting)
    assert not firmware.exists()
    page.goto(f"{airflow.url}/dags/{dag}/runs/{run}/tasks/release.approve/required_actions")
    expect(page.get_by_text("Accuracy 0.9 over 100 samples").first).to_be_visible()
    page.screenshot(path=pictures / "approval.png")
    page.get_by_role("button", name="Approve").first.click()
    assert airflow.wait_for_run(dag, run) == "success"
    build = studio.projects.get().deployments[-1]
    assert firmware.read_bytes() == studio.projects.firmware(build.version)


def test_each_job_of_a_release_leads_to_studio(page: Page, airflow: Airflow, studio: EmulatorServer) -> None:
    dag = "release_with_approval"
    (run,) = airflow.get(f"/api/v2/dags/{dag}/dagRuns")["dag_runs"]
    jobs = {job.kind: job.id for job in studio.jobs.list()}  # the newest of each kind
    for task, kind in (("retrain", "retrain"), ("test", "classify"), ("version", "version"), ("build", "build")):
        page.goto(f"{airflow.url}/dags/{dag}/runs/{run['dag_run_id']}/tasks/release.{task}/details")
        link = page.get_by_role("link", name="Edge Impulse job")
        studio_page = f"{studio.url.removesuffix('/v1')}/studio/1/jobs#show-job-{jobs[kind]}"
        expect(link).to_have_attribute("href", studio_page)


def test_the_page_shows_the_released_model_with_its_accuracy_and_what_is_out(
    page: Page, airflow: Airflow, studio: EmulatorServer, firmware: Path
) -> None:
    build = studio.projects.get().deployments[-1]
    page.goto(airflow.url)
    page.get_by_role("link", name="Edge Impulse").click()
    card = page.frame_locator("iframe").get_by_role("region", name="Project 1", exact=True)
    expect(card.get_by_text(f"Out: build {build.version}, zip, int8")).to_be_visible()
    expect(card.get_by_text(str(firmware))).to_be_visible()
    expect(card.get_by_role("img", name="Accuracy of the last 1 test, oldest first: 90.0 %")).to_be_visible()
    studio_page = f"{studio.url.removesuffix('/v1')}/studio/1"
    expect(card.get_by_role("link", name="Open in Studio")).to_have_attribute("href", studio_page)


def test_the_tab_tells_what_the_upload_did(page: Page, airflow: Airflow, pictures: Path) -> None:
    run = ended_run(airflow)
    assert run is not None
    page.goto(f"{airflow.url}/dags/{DAG}/runs/{run['dag_run_id']}/tasks/add_data/mapped/0")
    page.get_by_role("link", name="Edge Impulse", exact=True).last.click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text("standing-01").first).to_be_visible()
    page.screenshot(path=pictures / "airflow-tab.png")


def test_the_data_items_are_in_studio(page: Page, studio: EmulatorServer, pictures: Path) -> None:
    page.goto(studio.url.removesuffix("/v1"))
    expect(page.get_by_text("basic-motions").first).to_be_visible()
    assert len(studio.items("basic-motions")) == 40


def ended_run(airflow: Airflow) -> dict[str, str] | None:
    runs = airflow.get(f"/api/v2/dags/{DAG}/dagRuns")["dag_runs"]
    return next((run for run in runs if run["state"] in ("success", "failed")), None)
