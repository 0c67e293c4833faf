from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.studio.api.jobs import JobsApi
from airflow_provider_ei.studio.api.projects import ProjectApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings


class Project:
    """Project 1 of the emulator, whose clock stands still until the client sleeps."""

    def __init__(self, server: EmulatorServer) -> None:
        self.server = server
        self.sleeps: list[float] = []
        settings = StudioSettings(api_key=server.project_api_key, base_url=server.url, retry_attempts=1)
        self.http = HttpClient(settings, sleep=self._sleep)
        self.jobs = JobsApi.of_project(self.http, 1)

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.server.clock.advance(seconds)

    def retrain(self) -> int:
        return ProjectApi(self.http, 1).start_retrain()

    def operations(self) -> list[str | None]:
        return [request.operation for request in self.server.requests()]


@pytest.fixture
def project(emulator: EmulatorServer) -> Iterator[Project]:
    emulator.clock.stop()
    project = Project(emulator)
    yield project
    project.http.close()
