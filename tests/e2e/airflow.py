"""A complete Airflow on this machine, with the example DAGs and an emulated Studio."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.processes import Found, Process, wait_for
from tests.support.sockets import free_ports

ROOT = Path(__file__).resolve().parents[2]

_EXAMPLES = ("edge_impulse_motion_etl.py", "edge_impulse_nightly_sync.py")


class Airflow:
    """``airflow standalone``; a context manager that ends it.

    :param folder: for all that it writes.
    :ivar url: of its interface.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        dags = folder / "dags"
        dags.mkdir()
        for name in _EXAMPLES:
            shutil.copy(ROOT / "example_dags" / name, dags)
        shutil.copytree(Path(__file__).parent / "dags", dags, dirs_exist_ok=True)
        shutil.copytree(ROOT / "example_dags" / "data", dags / "data", dirs_exist_ok=True)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONDONT"))}
        self._environment = own | {
            # standalone starts its parts as ``airflow …``
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "NO_PROXY": "127.0.0.1,localhost",
            "AIRFLOW_HOME": str(folder / "home"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            **environment,
        }
        self._log = folder / "airflow.log"
        self._process: Process | None = None

    def __enter__(self) -> Airflow:
        command = [sys.executable, "-m", "airflow", "standalone"]
        self._process = Process("airflow standalone", command, self._log, environment=self._environment)
        try:
            self.wait_for("Airflow is healthy", self._healthy)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()

    def wait_for(self, what: str, probe: Callable[[], Found | None]) -> Found:
        """Return the first true result of ``probe``."""
        assert self._process is not None
        return wait_for(what, probe, [self._process], seconds=120, pause=0.5)

    def get(self, path: str) -> Any:
        """Call Airflow's REST API."""
        return self._ask(path)

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)

    def run(self, dag_id: str) -> str:
        """Run a DAG to its end and return the state in which it ended."""
        return self.wait_for_run(dag_id, self.start(dag_id))

    def start(self, dag_id: str) -> str:
        """Start a run of a DAG and return its id."""
        return str(self._ask(f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"])

    def wait_for_run(self, dag_id: str, run_id: str) -> str:
        """Return the state in which a run has ended."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
        ended = self.wait_for(f"{dag_id} has ended", lambda: self.get(path)["state"] in ("success", "failed"))
        return str(self.get(path)["state"]) if ended else ""

    def command(self, *arguments: str) -> str:
        """Run ``airflow …`` next to the running Airflow, and return what it says."""
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _healthy(self) -> bool:
        try:
            parts = self.get("/api/v2/monitor/health")
        except OSError:
            return False
        return all(parts[part]["status"] == "healthy" for part in ("scheduler", "dag_processor", "triggerer"))
