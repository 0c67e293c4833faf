"""The registration of the page with Airflow, on every version, by an import that costs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from airflow import __version__

from airflow_provider_ei.plugins import plugin

ROOT = Path(__file__).resolve().parents[2]
HAS_PAGES = tuple(int(part) for part in __version__.split(".")[:2]) >= (3, 1)

SCRIPT = """
import json, sys
import airflow.plugins_manager
before = set(sys.modules)
from airflow_provider_ei.plugins.plugin import EdgeImpulsePlugin
print(json.dumps([sorted(set(sys.modules) - before), len(EdgeImpulsePlugin.external_views)]))
"""


def imported(**environment: str) -> tuple[list[str], int]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    modules, views = json.loads(done.stdout.splitlines()[-1])
    return modules, views


def test_importing_the_plugin_does_not_import_the_application() -> None:
    modules, views = imported()
    assert [name for name in modules if not name.startswith("airflow_provider_ei")] == []
    assert "airflow_provider_ei.plugins.app" not in modules
    assert views == (2 if HAS_PAGES else 0)


def test_the_page_can_be_switched_off() -> None:
    assert imported(AIRFLOW__EDGE_IMPULSE__INTERFACE="False")[1] == 0


def test_older_versions_of_airflow_get_no_page() -> None:
    registered = plugin.EdgeImpulsePlugin.fastapi_apps, plugin.EdgeImpulsePlugin.external_views
    assert all(registered) if HAS_PAGES else not any(registered)


def test_the_entry_point_leads_to_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, name = project["entry-points"]["airflow.plugins"]["edge_impulse"].split(":")
    assert getattr(sys.modules[module], name) is plugin.EdgeImpulsePlugin


def test_the_page_works_below_a_base_path() -> None:
    assert all(not view["href"].startswith("/") for view in plugin.EdgeImpulsePlugin.external_views)
