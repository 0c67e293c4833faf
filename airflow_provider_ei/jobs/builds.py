"""Builds of a model: whether a target can be built for, and which build is that of a job."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any

from airflow_provider_ei.exceptions import EdgeImpulseInputError, EdgeImpulseJobConflictError
from airflow_provider_ei.studio.api.deployments import (
    DeploymentsApi,
    DeploymentTarget,
    LastBuild,
    PastBuild,
    not_firmware,
)
from airflow_provider_ei.studio.api.jobs import JobsApi

log = logging.getLogger(__name__)

#: Names of what a task notes about its build: before the start request, and from its answer.
ENGINE_NOTE = "engine"
LAST_BUILD_NOTE = "last_build"
VERSION_NOTE = "deployment_version"

#: Larger files are not looked into: no error response is so long.
MAX_JSON_BYTES = 64 * 1024

_OTHER_BUILD = (
    "Let nobody else build project {project} at the same time, and clear the task to build again: {reason}, so that "
    "nobody can tell which build belongs to job {job}. Nothing was saved."
)


@dataclass(frozen=True)
class BuildOrder:
    """A build to make. ``target`` is the format of a deployment target; ``engine`` None for its preferred one."""

    target: str
    engine: str | None
    model_type: str
    impulse_id: int | None = None


def choose_engine(targets: Sequence[DeploymentTarget], order: BuildOrder) -> str:
    """Return the engine to build with.

    :raises EdgeImpulseInputError: when the project cannot be built so; lists what can be.
    """
    found = next((target for target in targets if target.format == order.target), None)
    names = ", ".join(target.format for target in targets if not target.disabled_for_project)
    if found is None:
        raise EdgeImpulseInputError(f"Set target to one of {names or 'none'}: there is no target {order.target!r}.")
    if found.disabled_for_project:
        raise EdgeImpulseInputError(
            f"Change the project, or set target to one of {names or 'none'}: {order.target!r} is disabled for this "
            f"project: {found.reason_target_disabled or 'the service does not say why'}."
        )
    if order.engine is None:
        if not found.preferred_engine:
            raise EdgeImpulseInputError(f"Set engine: the target {order.target!r} has no preferred one.")
        return found.preferred_engine
    if found.supported_engines and order.engine not in found.supported_engines:
        raise EdgeImpulseInputError(
            f"Set engine to one of {', '.join(found.supported_engines)}: the target {order.target!r} does not support "
            f"{order.engine!r}."
        )
    return order.engine


def notes_before(api: DeploymentsApi, order: BuildOrder) -> dict[str, Any]:
    """Return the notes from before the build: the engine, and the version of the last build, or 0."""
    engine = choose_engine(api.list_targets(order.impulse_id), order)
    last = api.get_last_build(order.impulse_id)
    return {ENGINE_NOTE: engine, LAST_BUILD_NOTE: last.version if last else 0}


def start_build(api: DeploymentsApi, order: BuildOrder, notes: dict[str, Any]) -> int:
    """Start the build, add its version to the notes if the service tells it, and return the job's id."""
    answer = api.start_build(order.target, notes[ENGINE_NOTE], order.model_type, order.impulse_id)
    if answer.deployment_version is not None:
        notes[VERSION_NOTE] = answer.deployment_version
    return answer.id


class BuildDownload:
    """The download of exactly the build that a job has made.

    :param project_id: the project, for messages.
    :param notes: what was noted before and after the start; parts may be missing.
    """

    def __init__(
        self,
        api: DeploymentsApi,
        jobs: JobsApi,
        project_id: int,
        job_id: int,
        order: BuildOrder,
        notes: Mapping[str, Any],
    ) -> None:
        self._api = api
        self._jobs = jobs
        self._project_id = project_id
        self._job_id = job_id
        self._order = order
        self._notes = notes
        self.engine: str = notes.get(ENGINE_NOTE) or choose_engine(api.list_targets(order.impulse_id), order)
        self.file_name = ""

    def run(self, begin: Callable[[], Callable[[bytes], object]]) -> int:
        """Download the build, and return its version. ``file_name`` is then the name that the service gives.

        :param begin: called before the first block of each try; returns what takes the blocks.
        :raises EdgeImpulseJobConflictError: when nobody can tell which build is that of the job.
        :raises EdgeImpulseServiceError: when it cannot be downloaded; a retry may download the same build.
        """
        version = self._notes.get(VERSION_NOTE)
        if version is None:
            builds = self._api.list_builds(self._order.target)
            if builds is None:
                return self._download_last(begin)
            version = self._find(builds)
        self._api.download_build(version, begin, self._keep_name)
        return int(version)

    def _find(self, builds: Sequence[PastBuild]) -> int:
        """Return the version of the only build since the job was created."""
        since = self._jobs.get_job(self._job_id).created
        found = [build.deployment_version for build in builds if build.created >= since and self._is_ordered(build)]
        if len(found) != 1:
            names = ", ".join(map(str, sorted(found))) or "none"
            raise self._conflict(f"of the builds since it began, {names} match")
        return found[0]

    def _is_ordered(self, build: PastBuild) -> bool:
        order = self._order
        return (build.deployment_format, build.engine, build.model_type or order.model_type) == (
            order.target,
            self.engine,
            order.model_type,
        ) and (order.impulse_id is None or build.impulse_id in (None, order.impulse_id))

    def _download_last(self, begin: Callable[[], Callable[[bytes], object]]) -> int:
        """Download the last build of a service that knows no other, if it is certainly that of the job."""
        order = self._order
        before = self._check_last()
        self._api.download_last_build(
            order.target, self.engine, order.model_type, order.impulse_id, begin, self._keep_name
        )
        if self._check_last() != before:
            raise self._conflict("another build came during the download")
        return before

    def _check_last(self) -> int:
        """Return the version of the last build.

        :raises EdgeImpulseJobConflictError: when it may not be that of the job.
        """
        last, noted = self._api.get_last_build(self._order.impulse_id), self._notes.get(LAST_BUILD_NOTE)
        if last is None:
            raise self._conflict("the service has no build")
        if not self._is_of_order(last):
            raise self._conflict(f"the last build, {last.version}, is of another kind ({last.deployment_type})")
        if noted is None:
            raise self._conflict("it is not known which builds there were before")
        if last.version != noted + 1:
            raise self._conflict(f"the last build was {noted} before and is {last.version} now")
        return last.version

    def _is_of_order(self, last: LastBuild) -> bool:
        order = self._order
        return (last.deployment_type, last.engine, last.model_type or order.model_type) == (
            order.target,
            self.engine,
            order.model_type,
        )

    def _keep_name(self, headers: Mapping[str, str]) -> None:
        message = Message()
        message["Content-Disposition"] = headers.get("Content-Disposition", "")
        self.file_name = message.get_filename() or f"{self._order.target}.zip"

    def _conflict(self, reason: str) -> EdgeImpulseJobConflictError:
        return EdgeImpulseJobConflictError(
            _OTHER_BUILD.format(project=self._project_id, reason=reason, job=self._job_id)
        )


def check_firmware(size: int, beginning: bytes) -> None:
    """Check that a downloaded file is not empty, and not a JSON response that was sent as a file.

    :param beginning: the first :data:`MAX_JSON_BYTES` of the file.
    :raises EdgeImpulseResponseError: when it is.
    """
    operation = "downloadHistoricDeployment, downloadBuild"
    if size == 0:
        raise not_firmware("an empty file", operation)
    if size <= MAX_JSON_BYTES and beginning.lstrip()[:1] in (b"{", b"["):
        try:
            json.loads(beginning)
        except ValueError:
            return
        raise not_firmware("JSON", operation)
