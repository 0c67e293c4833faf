"""The emulator behaves like the service that a check has described."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_ei.check.report import report_as_json
from airflow_provider_ei.check.run import OrganizationCheck
from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.emulator.__main__ import _parse
from airflow_provider_ei.emulator.service_file import read_service_file
from airflow_provider_ei.studio.settings import StudioSettings

SWITCHES = {
    "duplicate_names": "reject",
    "metadata_update": "merge",
    "file_names": "latin1",
    "file_folders": "drop",
    "file_quotes": "keep",
    "name_form": "trim",
    "filters": "rejected",
    "file_listing": "missing",
    "listing_order": "newest",
    "listing_totals": False,
    "wrong_key_status": 403,
    "archive": "tar",
}


def checked(settings: EmulatorSettings) -> dict[str, object]:
    with EmulatorServer(settings) as studio:
        report = OrganizationCheck(StudioSettings(api_key=studio.api_key, base_url=studio.url)).run(write=True)
        return report_as_json(report)


@pytest.mark.parametrize("form", ["whole report", "service only", "as pasted into the extra", "as saved in the extra"])
def test_a_check_of_the_emulator_finds_the_service_that_it_was_given(tmp_path: Path, form: str) -> None:
    report = checked(EmulatorSettings(**SWITCHES))
    service = report["service"]
    written = {
        "whole report": report,
        "service only": service,
        "as pasted into the extra": {"service": service},
        "as saved in the extra": {"service": json.dumps(service)},
    }[form]
    file = tmp_path / "service.json"
    file.write_text(json.dumps(written))
    options = vars(_parse(["--service", str(file)]))
    settings = EmulatorSettings(**{name: options[name] for name in EmulatorSettings().switches() if name in options})
    assert {name: getattr(settings, name) for name in SWITCHES} == SWITCHES
    again = checked(settings)
    assert again["service"] == service


def test_an_option_takes_precedence_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "service.json"
    file.write_text(json.dumps({"filters": "rejected", "archive": "tar"}))
    options = _parse(["--archive", "zip", "--service", str(file)])
    assert (options.filters, options.archive) == ("rejected", "zip")


@pytest.mark.parametrize("text", ["", "[]", '{"filters": "maybe"}', '{"api_key": "ei_x"}', '{"service": 7}'])
def test_another_file_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "service.json"
    file.write_text(text)
    with pytest.raises(ValueError):
        read_service_file(file)
    with pytest.raises(SystemExit):
        _parse(["--service", str(file)])
    assert "--service" in capsys.readouterr().err


def test_a_missing_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parse(["--service", str(tmp_path / "nothing.json")])
    assert "nothing.json" in capsys.readouterr().err
