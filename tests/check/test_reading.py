"""A check that only reads: what it finds, and that it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.check import item_questions, name_questions, network_questions
from airflow_provider_ei.check.organization import OrganizationUnderCheck
from airflow_provider_ei.check.questions import ask_all
from airflow_provider_ei.check.run import OrganizationCheck
from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.certificates import self_signed
from tests.support.studio import ORGANIZATION, changes

from .conftest import Check, settings, values


@pytest.fixture
def with_items(check_studio: EmulatorServer) -> EmulatorServer:
    """Three items whose ids, names and dates are in different orders."""
    for name in ("pump-2", "pump-3", "pump-1"):
        check_studio.put_item(name, "plant", {}, {"a.csv": b"1"})
    return check_studio


def test_it_tells_all_that_reading_can_show(check: Check, with_items: EmulatorServer) -> None:
    found = values(check())
    assert {name: value for name, value in found.items() if value is not None and name != "request_seconds"} == {
        "key": "organization",
        "organization": "one",
        "reads": True,
        "buckets": 1,
        "datasets": 1,
        "organization_key_in_projects": "reject",
        "tls": "none",
        "proxy": False,
        "clock_difference": 0,
        "filters": "supported",
        "filter_quotes": "both",
        "listing_totals": True,
        "listing_order": "oldest",
        "listing_offset": "honored",
        "file_listing": "available",
    }
    assert 0 < found["request_seconds"] < 60


def test_it_changes_nothing(check: Check, with_items: EmulatorServer) -> None:
    before = with_items.state()
    report = check(dataset="plant")
    assert {request.method for request in with_items.requests()} == {"GET"}
    assert changes(with_items) == []
    assert with_items.state() == before
    assert not report.wrote


def test_questions_that_need_items_of_the_check_say_so(check: Check, with_items: EmulatorServer) -> None:
    answers = check().answers
    for question in (*name_questions.QUESTIONS, *item_questions.QUESTIONS):
        assert answers[question.id].value is None
        assert answers[question.id].why == "it takes --write"


def test_an_empty_organization_leaves_the_listing_unknown(check: Check) -> None:
    answers = check().answers
    for name in ("filters", "listing_order", "listing_offset", "file_listing"):
        assert answers[name].value is None
        assert "--write makes some" in answers[name].why
    assert answers["listing_totals"].value is True


def test_a_given_dataset_is_described(check: Check, with_items: EmulatorServer) -> None:
    assert values(check(dataset="plant"))["dataset_type"] == "clinical"
    assert values(check(dataset="nothing"))["dataset_type"] == "missing"


@pytest.mark.parametrize(("given", "value"), [(ORGANIZATION, "same"), (ORGANIZATION + 1, "other")])
def test_the_organization_of_the_connection_is_compared(check: Check, given: int, value: str) -> None:
    report = check(organization_id=given)
    assert values(report)["organization"] == value
    assert report.usable is (value == "same")


@pytest.mark.parametrize("status", [401, 403, 200])
def test_a_refused_key_ends_the_check_early(check_studio: EmulatorServer, status: Any) -> None:
    check_studio.settings.wrong_key_status = status
    wrong = replace(settings(check_studio), api_key="ei_wrong")
    report = OrganizationCheck(wrong).run(write=True)
    assert values(report)["key"] == "refused"
    assert not report.usable and not report.wrote
    assert report.answers["duplicate_names"].why == "the key cannot be used for that"
    assert changes(check_studio) == []


def test_a_key_of_a_project_is_recognized(check_studio: EmulatorServer) -> None:
    other = replace(settings(check_studio), api_key=check_studio.project_api_key)
    report = OrganizationCheck(other).run(write=True)
    assert values(report)["key"] == "project"
    assert not report.usable


def test_a_service_that_is_not_there_is_no_answer(free_port: int) -> None:
    nowhere = StudioSettings(api_key="ei_key_of_nowhere", base_url=f"http://127.0.0.1:{free_port}/v1")
    report = OrganizationCheck(nowhere).run(write=True)
    assert report.answers["key"].value is None
    assert report.answers["key"].why.startswith("EdgeImpulseUnavailableError")
    assert str(free_port) in report.answers["key"].detail
    assert not report.usable


def test_one_question_without_an_answer_does_not_end_the_others(check: Check, with_items: EmulatorServer) -> None:
    with_items.inject(Fault(operation="listOrganizationBuckets", kind="status", status=500))
    answers = check().answers
    assert answers["buckets"].value is None
    assert answers["buckets"].why == "EdgeImpulseUnavailableError (listOrganizationBuckets, HTTP 500)"
    assert answers["datasets"].value == 1


def test_a_listing_that_is_too_slow_is_called_slow(check_studio: EmulatorServer) -> None:
    check_studio.put_item("pump-1", "plant", {}, {"a.csv": b"1"})
    check_studio.inject(Fault(operation="listOrganizationFiles", kind="slow", delay_seconds=30))
    report = OrganizationCheck(settings(check_studio, read_timeout=0.3)).run(write=False)
    assert values(report)["file_listing"] == "slow"


@pytest.mark.parametrize(("no_proxy", "is_used"), [("", True), ("studio.example", False)])
def test_a_proxy_from_the_environment_is_seen(
    check_studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch, no_proxy: str, is_used: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    (question,) = [question for question in network_questions.QUESTIONS if question.id == "proxy"]
    with OrganizationUnderCheck(settings(check_studio, base_url="http://studio.example/v1")) as service:
        assert ask_all([question], service)[0].value is is_used


def test_tls_and_an_authority_of_ones_own_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certfile, keyfile = self_signed(tmp_path)
    with EmulatorServer(certfile=certfile, keyfile=keyfile) as studio:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certfile))
        found = values(OrganizationCheck(StudioSettings(api_key=studio.api_key, base_url=studio.url)).run(write=False))
    assert found["tls"].startswith("TLSv1.")
    assert found["authorities"] == "environment"
