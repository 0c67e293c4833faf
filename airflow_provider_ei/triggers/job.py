"""Waits for a job in the triggerer, instead of an operator or a sensor that would occupy a worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.hooks.job_calls import JobCalls
from airflow_provider_ei.jobs.state import JobStatus
from airflow_provider_ei.jobs.waiting import JobWatcher, cancel_job, give_up
from airflow_provider_ei.triggers.hook_calls import call_hook
from airflow_provider_ei.triggers.short_requests import (
    ShortRequestsHook,
    ShortRequestsPipelineRunsHook,
    ShortRequestsProjectHook,
    ShortRequestsTransformationsHook,
)
from airflow_provider_ei.triggers.threads import TRIGGER_THREADS

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class EdgeImpulseJobTrigger(BaseTrigger):
    """Look at a job of a project or of an organization until it ends, or a deadline passes.

    Another triggerer can continue: all that it needs is in the arguments. Requests are made in separate threads.

    :param job_id: id of the job.
    :param project_id: the project that it belongs to; or
    :param organization_id: the organization that it belongs to.
    :param pipeline_id: the job is a run of this pipeline of the organization.
    :param max_failed_imports: how many items such a run may fail to import into a project.
    :param is_transformation: the job is a transformation job of the organization.
    :param edge_impulse_project_conn_id: the Airflow connection for a project.
    :param edge_impulse_conn_id: the Airflow connection for an organization.
    :param poll_interval: seconds between the first two looks; later intervals are longer.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param cancel_on_kill: cancel the job when the deadline passes, and when a user ends the deferred task (Airflow 3).
    """

    def __init__(
        self,
        *,
        job_id: int,
        project_id: int | None = None,
        organization_id: int | None = None,
        pipeline_id: int | None = None,
        max_failed_imports: int = 0,
        is_transformation: bool = False,
        edge_impulse_project_conn_id: str = EdgeImpulseProjectHook.default_conn_name,
        edge_impulse_conn_id: str = EdgeImpulseHook.default_conn_name,
        poll_interval: float = 10.0,
        deadline: float | None = None,
        cancel_on_kill: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job_id = job_id
        self.project_id = project_id
        self.organization_id = organization_id
        self.pipeline_id = pipeline_id
        self.max_failed_imports = max_failed_imports
        self.is_transformation = is_transformation
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id
        self.edge_impulse_conn_id = edge_impulse_conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.cancel_on_kill = cancel_on_kill
        self._watcher: JobWatcher | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that create this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "job_id": self.job_id,
                "project_id": self.project_id,
                "organization_id": self.organization_id,
                "pipeline_id": self.pipeline_id,
                "max_failed_imports": self.max_failed_imports,
                "is_transformation": self.is_transformation,
                "edge_impulse_project_conn_id": self.edge_impulse_project_conn_id,
                "edge_impulse_conn_id": self.edge_impulse_conn_id,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "cancel_on_kill": self.cancel_on_kill,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the job has succeeded, or the error that ended the wait."""
        with TRIGGER_THREADS:
            try:
                event = await self._wait()
            except EdgeImpulseError as error:
                event = error.to_event()
        yield TriggerEvent(event | {"job_id": self.job_id})  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Cancel the job when a user marks the deferred task as failed or succeeded, or clears it."""
        if self.cancel_on_kill:
            with TRIGGER_THREADS:
                await asyncio.wrap_future(TRIGGER_THREADS.submit(self._cancel))

    def _cancel(self) -> None:
        with self._create_hook() as hook:
            log.info("%s, since the task was ended.", cancel_job(hook.jobs_api, self.job_id))

    def _create_hook(self) -> JobCalls:
        if self.pipeline_id is not None:
            return ShortRequestsPipelineRunsHook(
                self.edge_impulse_conn_id,
                self.organization_id,
                pipeline_id=self.pipeline_id,
                max_failed_imports=self.max_failed_imports,
            )
        if self.is_transformation:
            return ShortRequestsTransformationsHook(self.edge_impulse_conn_id, self.organization_id)
        if self.organization_id is not None:
            return ShortRequestsHook(self.edge_impulse_conn_id, self.organization_id)
        return ShortRequestsProjectHook(self.edge_impulse_project_conn_id, self.project_id)

    async def _wait(self) -> dict[str, Any]:
        while True:
            # Each look reads the connection, so that a new key is used at once.
            status, url = await self._in_thread(self._look)
            watcher = self._watcher
            assert watcher is not None
            if status is not None and status.state == "succeeded":
                return {"state": status.state}
            if status is not None and not status.active:
                raise status.error(url, watcher.last_lines)
            wait = watcher.next_wait()
            if wait is None:
                raise await self._in_thread(self._give_up)
            await asyncio.sleep(wait)

    def _look(self, hook: JobCalls) -> tuple[JobStatus | None, str]:
        jobs = hook.jobs_api
        if self._watcher is None:
            interval, deadline = self.poll_interval, self.deadline
            self._watcher = JobWatcher(jobs, self.job_id, poll_interval=interval, deadline=deadline)
        self._watcher.use(jobs)
        return self._watcher.look(), hook.job_url(self.job_id)

    def _give_up(self, hook: JobCalls) -> EdgeImpulseError:
        assert self._watcher is not None
        self._watcher.use(hook.jobs_api)
        return give_up(self._watcher, hook.job_url(self.job_id), cancel=self.cancel_on_kill)

    async def _in_thread(self, call: Callable[[JobCalls], _T]) -> _T:
        """Return what a call returns that gets a new hook, which is closed after it.

        :raises EdgeImpulseUnavailableError: when it does not end in time.
        """
        return await call_hook(self._create_hook(), call, f"a look at job {self.job_id}")
