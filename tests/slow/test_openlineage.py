"""A DAG in real Airflow with the real OpenLineage client, which writes its events to a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings

pytestmark = pytest.mark.slow

DAG = """
from datetime import datetime
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_ei.operators.data import EdgeImpulseSyncDatasetOperator
with DAG("lineage", schedule=None, start_date=datetime(2026, 1, 1)):
    EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="two words", source={source!r})
"""


def test_the_events_name_the_source_and_the_dataset(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "study" / name).mkdir(parents=True)
        (tmp_path / "study" / name / "x.csv").write_text("12345")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "lineage.py").write_text(DAG.format(source=str(tmp_path / "study")))
    events = tmp_path / "events.jsonl"
    with EmulatorServer(EmulatorSettings(organization_id=7)) as studio:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | {
            "AIRFLOW_HOME": str(tmp_path / "home"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(events), "append": True}
            ),
            "AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT": json.dumps(
                {"conn_type": "edge_impulse", "host": studio.url, "password": studio.api_key}
            ),
        }
        for command in (["db", "migrate"], ["dags", "test", "lineage"]):
            done = subprocess.run(
                [sys.executable, "-m", "airflow", *command], env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line) for line in events.read_text().splitlines()]
    (complete,) = [
        event for event in told if event["eventType"] == "COMPLETE" and event["job"]["name"] == "lineage.sync"
    ]
    assert [(each["namespace"], each["name"]) for each in complete["inputs"]] == [("file", str(tmp_path / "study"))]
    (output,) = complete["outputs"]
    assert (output["namespace"], output["name"]) == ("edgeimpulse://7", "two words")
    statistics = output["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["fileCount"], statistics["size"]) == (2, 2, 10)
