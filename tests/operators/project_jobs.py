"""The emulated project that the tests of a project's operators work with."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer

CONNECTION = "AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT"


def connect_project(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> EmulatorServer:
    """Lead the default connection to the emulator's first project, whose jobs take no time."""
    quick = {"retry_wait": 0.01, "settle_seconds": 0.01, "retry_attempts": 2, "project_id": 1}
    connection = {
        "conn_type": "edge_impulse_project",
        "host": emulator.url,
        "password": emulator.project_api_key,
        "extra": quick,
    }
    monkeypatch.setenv(CONNECTION, json.dumps(connection))
    emulator.settings.job_queued_seconds = emulator.settings.job_running_seconds = 0
    return emulator


def operations(server: EmulatorServer) -> list[str | None]:
    """Return the operations that were requested, in their order."""
    return [request.operation for request in server.requests()]


def started(server: EmulatorServer, kind: str) -> list[int]:
    """Return the ids of the jobs of a kind."""
    return [job.id for job in server.jobs.list() if job.kind == kind]


def maker(operator: type[Any], **values: Any) -> Callable[[], Any]:
    """Return what creates an operator with these arguments."""
    return lambda: operator(task_id="task", **{"poll_interval": 0.05, **values})
