"""``python -m airflow_provider_ei check`` and ``airflow edge-impulse check``, with real Airflow connections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_ei.__main__ import main
from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from tests.conftest import API_KEY
from tests.support.airflow_runs import has_asset_state

CONN_ID = "check_saves_here"


@pytest.fixture
def saved_connection(emulator: EmulatorServer, airflow_database: None) -> Iterator[str]:
    """The id of a connection in Airflow's database."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    extra = json.dumps({"organization_id": 7, "settle_seconds": 0.01})
    with create_session() as session:
        session.add(Connection(CONN_ID, conn_type="edge_impulse", host=emulator.url, password=API_KEY, extra=extra))
    yield CONN_ID
    with create_session() as session:
        session.query(Connection).filter(Connection.conn_id == CONN_ID).delete()


def test_it_prints_a_table(studio: EmulatorServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    output = capsys.readouterr()
    assert "What it means for you" in output.out
    assert "Whose key is it?" in output.out
    assert {request.method for request in studio.requests()} == {"GET"}


def test_it_prints_json_and_nothing_else_to_standard_output(
    studio: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    studio.settings.duplicate_names = "merge"
    assert main(["check", "--write", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["answers"]["duplicate_names"] == "merge"
    assert "Creating data items in dataset airflow-check-" in output.err
    assert API_KEY not in output.out + output.err
    assert studio.items() == []


def test_a_wrong_key_is_told_with_exit_code_1(
    emulator: EmulatorServer, connect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(emulator.url, password="ei_wrong_key")
    assert main(["check"]) == 1
    output = capsys.readouterr()
    assert "refused" in output.out
    assert "ei_wrong_key" not in output.out + output.err


def test_a_missing_connection_is_told_with_exit_code_1(
    airflow_database: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--conn-id", "nowhere"]) == 1
    assert "Create the connection 'nowhere'" in capsys.readouterr().err


def test_the_connection_of_a_project_is_checked_as_one(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = {
        "conn_type": "edge_impulse_project",
        "host": emulator.url,
        "password": emulator.project_api_key,
    }
    monkeypatch.setenv("AIRFLOW_CONN_GEARBOX", json.dumps(connection))
    assert main(["check", "--conn-id", "gearbox", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "project" and found["answers"]["role"] == "admin"


def test_cleaning_names_the_datasets(studio: EmulatorServer, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = "airflow-check-0123456789abcdef"
    studio.put_item("marked", dataset, {"airflow_ei_check": "0123456789abcdef"}, {"a": b"1"})
    stranger = studio.put_item("theirs", dataset, {}, {"a": b"1"})
    assert main(["check", "--clean"]) == 1
    said = capsys.readouterr().err
    assert f"Datasets of earlier checks: {dataset}." in said
    assert f"data item {stranger}: it is not certain" in said
    assert [item.id for item in studio.items()] == [stranger]
    studio.remove_item(stranger)
    assert main(["check", "--clean"]) == 0


def test_cleaning_excludes_a_check(studio: EmulatorServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--clean", "--write"]) == 2
    assert "Use --clean alone" in capsys.readouterr().err
    assert studio.requests() == []


def test_help_needs_no_airflow() -> None:
    code = (
        "import sys; from airflow_provider_ei.__main__ import main\n"
        "try: main(['check', '--help'])\n"
        "except SystemExit: assert 'airflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--write" in done.stdout


class TestSaving:
    def test_what_was_found_is_saved_and_used(
        self, emulator: EmulatorServer, saved_connection: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        emulator.settings.change({"filters": "rejected", "file_folders": "drop"})
        assert main(["check", "--conn-id", saved_connection, "--write", "--save"]) == 0
        assert f"Saved as 'service' in the extra of connection '{saved_connection}'." in capsys.readouterr().err
        from airflow.models import Connection

        connection = Connection.get_connection_from_secrets(saved_connection)
        extra = json.loads(connection.extra)
        assert extra["organization_id"] == 7 and extra["settle_seconds"] == 0.01
        assert isinstance(extra["service"], str), "a form shows it as it is"
        assert json.loads(extra["service"])["file_folders"] == "drop"

    def test_saving_again_replaces_it(self, emulator: EmulatorServer, saved_connection: str) -> None:
        from airflow.models import Connection

        for value in ("drop", "keep"):
            emulator.settings.file_folders = value  # type: ignore[assignment]
            assert main(["check", "--conn-id", saved_connection, "--write", "--save"]) == 0
            extra = json.loads(Connection.get_connection_from_secrets(saved_connection).extra)
            assert json.loads(extra["service"])["file_folders"] == value

    def test_a_connection_in_an_environment_variable_is_told_what_to_paste(
        self, studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        studio.settings.change({"filters": "rejected"})
        assert main(["check", "--write", "--save"]) == 0
        said = capsys.readouterr().err.splitlines()
        assert "environment variable AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT" in said[-2]
        pasted = json.loads(said[-1])
        assert pasted["service"]["filters"] == "rejected"
        connection = json.loads(os.environ["AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT"])
        connection["extra"] |= pasted
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT", json.dumps(connection))
        assert EdgeImpulseHook().settings.service.filters == "rejected"

    def test_an_environment_variable_hides_the_database(
        self,
        emulator: EmulatorServer,
        saved_connection: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        connection = {"conn_type": "edge_impulse", "host": emulator.url, "password": API_KEY}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
        assert main(["check", "--conn-id", saved_connection, "--save"]) == 0
        assert "Not saved" in capsys.readouterr().err
        monkeypatch.delenv(f"AIRFLOW_CONN_{CONN_ID.upper()}")
        from airflow.models import Connection

        assert "service" not in json.loads(Connection.get_connection_from_secrets(saved_connection).extra)

    def test_a_key_that_cannot_be_used_saves_nothing(
        self, emulator: EmulatorServer, connect: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        connect(emulator.url, password="ei_wrong_key")
        assert main(["check", "--save"]) == 1
        assert "service" not in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not has_asset_state(), reason="provider commands came with Airflow 3.3")
def test_airflow_has_the_command(studio: EmulatorServer, tmp_path: Path) -> None:
    environment = os.environ | {"AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "airflow", "edge-impulse", "check", "--write", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout[done.stdout.index("{") :])["answers"]["key"] == "organization"
    assert studio.items() == []
