"""What an operation of the API is, and the request that it gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_ei.emulator.api.arguments import Arguments
from airflow_provider_ei.emulator.downloads import Download
from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.job_engine import Job, JobKind
from airflow_provider_ei.emulator.projects import IMPULSE_ID, Project
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.uploads import Upload
from airflow_provider_ei.emulator.workspace import Workspace

BodyKind = Literal["none", "json", "multipart"]
Answer = dict[str, Any] | Download

ORGANIZATION = "/organizations/{organizationId}"
PROJECT = "/{projectId}"

KeyKind = Literal["organization", "project"]
Service = Literal["studio", "ingestion"]
_ROOTS: dict[Service, str] = {"studio": "/v1/api", "ingestion": "/api"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose body has been read.

    :param path: the variable parts of the path, decoded.
    :param query: the parameters of the query.
    :param fields: the text fields of a multipart body, or the members of a JSON body.
    :param key_project_id: the project of the key; 0 if it is an organization's.
    :param headers: by lower-case name, decoded as Latin-1.
    :param upload: the files of a multipart body.
    """

    store: ItemStore
    workspace: Workspace
    settings: EmulatorSettings
    key_project_id: int
    path: Mapping[str, str]
    query: Arguments
    fields: Arguments
    headers: Mapping[str, str]
    upload: Upload | None = None

    @property
    def project_id(self) -> int | None:
        """The project of the path; None for the operations of an organization."""
        return int(self.path["projectId"]) if "projectId" in self.path else None

    @property
    def project(self) -> Project:
        """The project of the path.

        :raises StoreError: if it does not exist.
        """
        return self.workspace.project(int(self.path["projectId"]))

    def discard(self) -> None:
        """Remove the files of a request that is not carried out."""
        if self.upload is not None:
            self.upload.discard()

    def check_impulse(self) -> None:
        """Check the impulse of the query.

        :raises StoreError: if it is not the impulse of the project.
        """
        impulse = self.query.integer("impulseId")
        if impulse not in (None, IMPULSE_ID):
            raise StoreError(f"Impulse {impulse} not found")

    def start_job(self, kind: JobKind, on_success: Callable[[float], None]) -> Job:
        """Start a job for the project of the path, or for the organization.

        :raises StoreError: if a job of that kind is active, and ``concurrent_jobs`` is ``reject``.
        """
        jobs = self.workspace.jobs
        if self.settings.concurrent_jobs == "reject":
            for job in jobs.active():
                if (job.kind, job.project_id) == (kind, self.project_id):
                    raise StoreError(f"Job {job.id} is already in progress")

        def on_end(successful: bool, now: float) -> None:
            if successful:
                on_success(now)

        return jobs.start(kind, self.project_id, on_end)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API: of Studio, below ``/v1/api``, or of the ingestion service, below ``/api``.

    ``run`` blocks. It returns the members of a JSON answer (without ``success``) or a download, and raises
    ``StoreError`` for an answer with ``success: false``.
    """

    id: str
    method: str
    path: str
    run: Callable[[Call], Answer]
    body: BodyKind = "none"
    changes: bool = False
    service: Service = "studio"
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+Id)\}", r"(?P<\1>[0-9]+)", self.path)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        object.__setattr__(self, "pattern", re.compile(f"{_ROOTS[self.service]}{pattern}"))

    @property
    def key_kind(self) -> KeyKind:
        """The kind of key that the operation needs."""
        return "organization" if self.path.startswith("/organizations") else "project"
