"""``airflow connections test``, as an administrator calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings

pytestmark = pytest.mark.slow


def test_it_says_what_is_right_and_what_is_wrong(tmp_path: Path) -> None:
    with EmulatorServer(EmulatorSettings(organization_id=7)) as studio:
        connections = {
            "right": {"password": studio.api_key},
            "other_key": {"password": "ei_wrong"},
            "other_organization": {"password": studio.api_key, "extra": {"organization_id": 8}},
            "no_key": {},
        }
        own = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        environment = own | {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            **{
                f"AIRFLOW_CONN_{name.upper()}": json.dumps({"conn_type": "edge_impulse", "host": studio.url, **fields})
                for name, fields in connections.items()
            },
        }
        key = studio.api_key
        said = {}
        for name in connections:
            command = [sys.executable, "-m", "airflow", "connections", "test", name]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            said[name] = (done.returncode, done.stdout + done.stderr)
    assert said["right"][0] == 0 and "Connection success" in said["right"][1]
    assert said["other_key"][0] != 0 and "Invalid API key" in said["other_key"][1]
    assert said["other_organization"][0] != 0 and "not to 8" in said["other_organization"][1]
    assert said["no_key"][0] != 0 and "Put a key of the organization" in said["no_key"][1]
    assert not any("ei_wrong" in message or key in message for _, message in said.values())
