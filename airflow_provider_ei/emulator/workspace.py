"""The projects, jobs and pipelines, which the emulator keeps in memory until the server stops."""

from __future__ import annotations

import hmac
import secrets
import threading
from types import TracebackType

from airflow_provider_ei.emulator.bucket_objects import BucketObjects
from airflow_provider_ei.emulator.emulator_clock import EmulatorClock
from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.job_engine import JobEngine
from airflow_provider_ei.emulator.pipelines import PipelineStore
from airflow_provider_ei.emulator.projects import KEY_ROLES, KeyRole, Project
from airflow_provider_ei.emulator.request_log import RequestLog
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.transformations import TransformationStore


class Workspace:
    """A context manager: inside it, no other thread changes the workspace, and the jobs are up to date."""

    def __init__(self, settings: EmulatorSettings, clock: EmulatorClock, log: RequestLog) -> None:
        self.clock = clock
        self.settings = settings
        self.jobs = JobEngine(clock, lambda: (settings.job_queued_seconds, settings.job_running_seconds))
        self.projects: dict[int, Project] = {}
        self.transformations = TransformationStore(self.jobs)
        self.pipelines = PipelineStore()
        self.buckets = BucketObjects()
        self._log = log
        self._lock = threading.RLock()
        self._add_default_project()

    def __enter__(self) -> Workspace:
        self._lock.acquire()
        self.jobs.update()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def update(self) -> None:
        """Bring the jobs up to date."""
        with self:
            pass

    def add_project(
        self, name: str, *, api_key: str | None = None, role: KeyRole = "admin", key_expires: float | None = None
    ) -> Project:
        """Add a project with a key.

        :raises ValueError: for an unknown role.
        """
        if role not in KEY_ROLES:
            raise ValueError(f"role must be one of {', '.join(KEY_ROLES)}, not {role!r:.100}")
        with self:
            key = api_key or f"ei_{secrets.token_hex(24)}"
            self._log.add_secret(key)
            now = self.clock.now()
            project = Project(max(self.projects, default=0) + 1, name, key, now, role, key_expires, last_modified=now)
            self.projects[project.id] = project
            return project

    def project(self, project_id: int) -> Project:
        """Return a project.

        :raises StoreError: if it does not exist.
        """
        if project_id not in self.projects:
            raise StoreError(f"Project {project_id} not found, or this API key has no access to it")
        return self.projects[project_id]

    def project_of_key(self, api_key: str) -> Project | None:
        """Return the project of a key that is valid now."""
        now = self.clock.now()
        for project in list(self.projects.values()):  # no lock: the event loop calls this and must not wait
            if hmac.compare_digest(api_key.encode(), project.api_key.encode()):
                return project if project.key_expires is None or now < project.key_expires else None
        return None

    def reset(self) -> None:
        """Forget everything, and add a new default project."""
        with self._lock:
            self.jobs.clear()
            self.transformations.clear()
            self.pipelines.clear()
            self.buckets.clear()
            self.projects.clear()
            self._add_default_project()

    def _add_default_project(self) -> None:
        self.add_project("Emulated project", api_key=self.settings.project_api_key)
