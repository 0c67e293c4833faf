"""A DAG file is parsed every few seconds: declaring tasks must not load what only uploading needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
from airflow.providers.common.compat.sdk import AirflowFailException, BaseHook, BaseOperator, BaseOperatorLink
from airflow.providers.common.compat.sdk import ResumableJobMixin, dag, task
before = set(sys.modules)
import airflow_provider_ei.operators.data
data = set(sys.modules)
import airflow_provider_ei.operators.retrain
import airflow_provider_ei.operators.pipeline, airflow_provider_ei.operators.transform
import airflow_provider_ei.operators.bucket_data, airflow_provider_ei.operators.download
import airflow_provider_ei.operators.test_model
import airflow_provider_ei.operators.version
import airflow_provider_ei.operators.build
print(json.dumps([sorted(data - before), sorted(set(sys.modules) - before)]))
"""


@pytest.fixture(scope="module")
def loaded() -> list[list[str]]:
    """The modules that the operators for data load, and those that all operators load."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_operators_load_nothing_but_this_package(loaded: list[list[str]]) -> None:
    _, new = loaded
    assert [name for name in new if not name.startswith("airflow_provider_ei")] == []
    assert not [name for name in new if name.startswith(("airflow_provider_ei.sync", "airflow_provider_ei.emulator"))]


def test_the_operators_for_data_load_neither_the_hook_nor_what_reads_results(loaded: list[list[str]]) -> None:
    new, _ = loaded
    assert "airflow_provider_ei.operators.data" in new
    assert not {"airflow_provider_ei.hooks.edge_impulse", "airflow_provider_ei.results"}.intersection(new)
