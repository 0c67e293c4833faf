"""The output of a check: for people and as JSON, and what must not be in it."""

from __future__ import annotations

import html
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from airflow_provider_ei.check import (
    connection_questions,
    item_questions,
    listing_questions,
    name_questions,
    network_questions,
)
from airflow_provider_ei.check.report import print_report, report_as_json
from airflow_provider_ei.check.run import OrganizationCheck, Report, check_project
from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.studio.known_service import KnownService
from tests.support.studio import KEY

from .conftest import Check, settings, values


def shown(report: Report) -> str:
    file = io.StringIO()
    print_report(report, Console(file=file, width=140))
    return file.getvalue()


@pytest.mark.parametrize("write", [False, True])
def test_neither_output_has_a_key_a_host_or_a_name_of_data(
    check: Check, check_studio: EmulatorServer, write: bool
) -> None:
    check_studio.add_bucket("secret-bucket")
    for name in ("secret-pump-1", "secret-pump-3", "secret-pump-2"):
        check_studio.put_item(name, "secret-plant", {"secret-key": "secret-value"}, {"secret.csv": b"1"})
    report = check(write=write, dataset="secret-plant")
    for output in (shown(report), json.dumps(report_as_json(report))):
        assert KEY not in output
        assert "127.0.0.1" not in output
        assert "secret" not in output


def test_an_error_in_the_output_has_no_host(free_port: int, check_studio: EmulatorServer) -> None:
    nowhere = settings(check_studio, base_url=f"http://127.0.0.1:{free_port}/v1")
    report = OrganizationCheck(nowhere).run(write=True)
    for output in (shown(report), json.dumps(report_as_json(report))):
        assert "127.0.0.1" not in output and str(free_port) not in output


def test_the_table_has_every_question_that_was_asked_with_its_meaning(check: Check) -> None:
    report = check(write=True)
    lines = " ".join(shown(report).split())
    for answer in report.answers.values():
        assert answer.text.split()[0] in lines
        assert answer.meaning, answer.id
    assert "What it means for you" in lines
    assert "--write" not in shown(report).splitlines()[-1]


def test_the_picture_in_the_documentation_has_every_question() -> None:
    """It is drawn by scripts/check_picture.py, and its lines are folded."""
    picture = Path(__file__).resolve().parents[2] / "docs" / "images" / "check.svg"
    strings = re.findall(r"<text [^>]*>([^<]*)</text>", picture.read_text())
    words = set(" ".join(html.unescape(text).replace("\xa0", " ") for text in strings).split())
    for module in (connection_questions, network_questions, listing_questions, name_questions, item_questions):
        for question in module.QUESTIONS:
            if question is not connection_questions.DATASET_TYPE:
                assert set(question.text.split()) <= words, "run scripts/check_picture.py"
    assert "fonts" not in picture.read_text() and "cdnjs" not in picture.read_text()


def test_the_json_has_all_answers_and_what_would_be_saved(check: Check) -> None:
    report = check(write=True)
    written = json.loads(json.dumps(report_as_json(report)))
    assert written["kind"] == "organization" and written["wrote"] is True and written["left"] == []
    assert written["answers"] | dict.fromkeys(written["unknown"]) == values(report)
    assert KnownService.parse(written["service"]) == report.known_service()
    assert written["service"]["duplicate_names"] == "new_id"


def test_a_projects_key_is_checked_for_its_part(check_studio: EmulatorServer) -> None:
    report = check_project(settings(check_studio, api_key=check_studio.project_api_key))
    found = values(report)
    assert (found["key"], found["project"], found["role"], found["reads"]) == ("project", "one", "admin", True)
    assert found["days_left"] == "never"
    assert report.usable
    assert {request.method for request in check_studio.requests()} == {"GET"}
    assert check_studio.project_api_key not in shown(report)


def test_the_expiry_and_role_of_a_projects_key_are_told(check_studio: EmulatorServer) -> None:
    import time

    project = check_studio.projects.add("gearbox", role="readonly", key_expires=time.time() + 3.5 * 86_400)
    report = check_project(settings(check_studio, api_key=project.api_key), project.id)
    found = values(report)
    assert (found["project"], found["role"], found["days_left"]) == ("same", "readonly", 3)
    assert report.answers["role"].meaning == "It may not start jobs: use a key with the role admin."


def test_an_organizations_key_in_the_connection_of_a_project_is_recognized(check_studio: EmulatorServer) -> None:
    report = check_project(settings(check_studio))
    assert values(report)["key"] == "organization"
    assert not report.usable
