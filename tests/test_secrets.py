"""The API key is in the connection and in the request, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.triggers.dataset import EdgeImpulseDatasetTrigger
from tests.conftest import API_KEY


def files_with(text: str, folder: Path) -> list[str]:
    return [str(p) for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


def test_no_trace_of_a_run(emulator: EmulatorServer, tmp_path: Path) -> None:
    """A DAG that succeeds, one that is refused with the key in the server's words, one that finds no host."""
    home = tmp_path / "home"
    (home / "dags").mkdir(parents=True)
    recording = tmp_path / "recording.csv"
    recording.write_text("timestamp,x\n0,1\n")
    (home / "dags" / "three.py").write_text(
        dedent(f"""
        from airflow.providers.common.compat.sdk import dag
        from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator
        @dag(schedule=None)
        def three():
            for conn in ("right", "refused", "nowhere"):
                EdgeImpulseAddDataOperator(
                    task_id=conn, name=conn, dataset="d", files={str(recording)!r}, edge_impulse_conn_id=conn,
                )
        three()
        """)
    )
    connection = {"conn_type": "edge_impulse", "host": emulator.url, "password": API_KEY}
    nowhere = connection | {"host": "http://127.0.0.1:9/v1", "extra": {"retry_attempts": 1, "organization_id": 7}}
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW_CONN_RIGHT": json.dumps(connection | {"extra": {"organization_id": 7}}),
        "AIRFLOW_CONN_REFUSED": json.dumps(connection),
        "AIRFLOW_CONN_NOWHERE": json.dumps(nowhere),
    }
    # Only the task without an organization id asks for it; its answer repeats the key, as some proxies do.
    words = f"no access for x-api-key {API_KEY}"
    emulator.inject(Fault(operation="listOrganizations", kind="success_false", error=words, count=100))
    output = ""
    for command in (["db", "migrate"], ["dags", "test", "three"]):
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *command], env=environment, capture_output=True, text=True
        )
        output += done.stdout + done.stderr
    assert [item.name for item in emulator.items()] == ["right"]
    assert "no access for x-api-key ***" in output
    assert API_KEY not in output
    assert files_with(API_KEY, home) == []

    for page in ("", "emulator/state", "emulator/requests", "emulator/settings"):
        with urllib.request.urlopen(emulator.page_url + page) as answer:
            assert API_KEY not in answer.read().decode()


class TestErrors:
    def check(self, error: BaseException | None) -> None:
        while error is not None:
            assert API_KEY not in f"{error} {error!r} {vars(error)}"
            error = error.__cause__

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param(Fault(kind="status", status=status, body=f"key {API_KEY}", count=9), id=str(status))
            for status in (200, 400, 401, 404, 413, 429, 500, 502)
        ]
        + [pytest.param(Fault(kind="drop_before", count=9), id="dropped")],
    )
    def test_none_of_the_service_shows_it(
        self, emulator: EmulatorServer, connect: Callable[..., None], fault: Fault
    ) -> None:
        connect(emulator.url, retry_attempts=1, throttle_patience=0.01)
        emulator.inject(fault)
        with pytest.raises(EdgeImpulseError) as caught:
            EdgeImpulseHook().list_organizations()
        self.check(caught.value)

    def test_the_objects_do_not_show_it(self, studio: EmulatorServer) -> None:
        hook = EdgeImpulseHook()
        assert API_KEY not in f"{hook!r} {hook.settings!r} {hook.client!r}"

    def test_the_event_and_the_log_of_a_trigger_do_not_show_it(
        self, emulator: EmulatorServer, connect: Callable[..., None], caplog: pytest.LogCaptureFixture
    ) -> None:
        connect(emulator.url, organization_id=7, retry_attempts=2)
        emulator.inject(Fault(kind="status", status=500, body=f"key {API_KEY}", count=2))
        trigger = EdgeImpulseDatasetTrigger(criteria={"dataset": "d"}, poke_interval=0.01)

        async def event() -> object:
            return (await anext(trigger.run())).payload

        with caplog.at_level(logging.INFO, "airflow_provider_ei"):
            shown = f"{asyncio.run(event())} {trigger.serialize()}"
        assert "key ***" in shown
        assert API_KEY not in shown
        assert not [r for r in caplog.records if API_KEY in r.getMessage()]

    @pytest.mark.parametrize("extra", ['{{"token": "{0}"', '["{0}"]', '"{0}"'])
    def test_an_extra_that_cannot_be_read_is_not_shown(self, monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
        made = {"conn_type": "edge_impulse", "password": "ei_other", "extra": extra.format(API_KEY)}
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT", json.dumps(made))
        with pytest.raises(EdgeImpulseError, match="JSON object") as caught:
            EdgeImpulseHook().list_organizations()
        self.check(caught.value)
