"""A sensor that waits for a job of a project or of an organization."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    conf,
)

from airflow_provider_ei.exceptions import (
    EdgeImpulseError,
    EdgeImpulseInputError,
    EdgeImpulseJobError,
    EdgeImpulseJobTimeoutError,
)
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.numeric import whole_number
from airflow_provider_ei.operators.base import EdgeImpulseTask, airflow_errors
from airflow_provider_ei.operators.links import EdgeImpulseJobLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.job_calls import JobCalls

link = EdgeImpulseJobLink()


class EdgeImpulseJobSensor(EdgeImpulseTask, BaseSensorOperator):
    """Wait until a job of a project or of an organization has succeeded. The sensor never cancels the job.

    The operations are ``getJobStatus`` and ``getOrganizationJobStatus``. The job belongs to an organization when
    ``edge_impulse_conn_id`` or ``organization_id`` is given, and to a project otherwise. A job that ends without
    success fails the task without retries, or skips it with ``soft_fail``.

    :param job_id: id of the job, for instance ``{{ ti.xcom_pull("retrain")["job_id"] }}``.
    :param project_id: the project; overrides that of its connection.
    :param edge_impulse_project_conn_id: the Airflow connection of the project.
    :param organization_id: the organization; overrides that of its connection.
    :param edge_impulse_conn_id: the Airflow connection of the organization.
    :param deferrable: wait in the triggerer, without a worker.
    """

    template_fields: Sequence[str] = (
        "job_id",
        "project_id",
        "edge_impulse_project_conn_id",
        "organization_id",
        "edge_impulse_conn_id",
    )
    operator_extra_links = (link,)

    def __init__(
        self,
        *,
        job_id: int | str,
        project_id: int | str | None = None,
        edge_impulse_project_conn_id: str | None = None,
        organization_id: int | str | None = None,
        edge_impulse_conn_id: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.project_id = project_id
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id
        self.organization_id = organization_id
        self.edge_impulse_conn_id = edge_impulse_conn_id  # type: ignore[assignment]  # None: the job is a project's
        self.deferrable = deferrable
        self._make_plain()

    def execute(self, context: Context) -> Any:
        """Wait, here or in the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        from airflow_provider_ei.triggers.job import EdgeImpulseJobTrigger

        with airflow_errors(), self._create_hook() as hook:
            trigger = EdgeImpulseJobTrigger(
                job_id=self._checked_job_id(),
                **_trigger_owner(hook),
                poll_interval=self.poke_interval,
                deadline=time.time() + self.timeout,
                cancel_on_kill=False,
            )
            self._link(hook, context)
        self.defer(trigger=trigger, method_name="execute_complete")
        raise AssertionError  # defer raises

    def poke(self, context: Context) -> bool:
        """Look at the job once.

        :raises AirflowFailException: when it has ended without success, and for a permanent error.
        """
        from airflow_provider_ei.jobs.waiting import look_at_job

        with airflow_errors(), self._create_hook() as hook:
            self._check_killed()
            job_id = self._checked_job_id()
            self._link(hook, context)
            status = look_at_job(hook.jobs_api, job_id)
            self.log.info("%s.", status)
            if not status.active and status.state != "succeeded":
                raise AirflowFailException(str(status.error(hook.job_url(job_id))))
            return not status.active

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """End as in poke mode, after what the trigger reports."""
        if "error" not in event:
            return
        error = EdgeImpulseError.from_event(event)
        final = isinstance(error, EdgeImpulseJobError) or not error.retryable
        if self.never_fail and not isinstance(error, EdgeImpulseJobTimeoutError):
            raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
        if final and self.soft_fail:
            raise AirflowSkipException("Skipping due to soft_fail is set to True.") from error
        if isinstance(error, EdgeImpulseJobTimeoutError):
            raise AirflowSensorTimeout(str(error))
        if final:
            raise AirflowFailException(str(error))
        raise error

    def _create_hook(self) -> JobCalls:  # type: ignore[override]
        of_project = self._given("project_id", "edge_impulse_project_conn_id")
        of_organization = self._given("organization_id", "edge_impulse_conn_id")
        if of_project and of_organization:
            raise EdgeImpulseInputError(
                f"Leave out {' and '.join(of_organization)} to wait for a job of a project, or "
                f"{' and '.join(of_project)} to wait for a job of an organization: both are given."
            )
        hook: JobCalls
        if of_organization:
            conn_id = self.edge_impulse_conn_id or EdgeImpulseHook.default_conn_name
            hook = EdgeImpulseHook(conn_id, self.organization_id)
        else:
            conn_id = self.edge_impulse_project_conn_id or EdgeImpulseProjectHook.default_conn_name
            hook = EdgeImpulseProjectHook(conn_id, self.project_id)
        self._hook = hook
        return hook

    def _given(self, *fields: str) -> list[str]:
        return [field for field in fields if getattr(self, field) not in (None, "")]

    def _checked_job_id(self) -> int:
        job_id = whole_number("job_id", self.job_id)
        if job_id is None:
            raise EdgeImpulseInputError(f"job_id must be a positive whole number, not {self.job_id!r}.")
        return job_id

    def _link(self, hook: JobCalls, context: Context) -> None:
        link.persist(context, hook.job_url(self._checked_job_id()))


def _trigger_owner(hook: JobCalls) -> dict[str, Any]:
    """Return the trigger's arguments that say whose job it is."""
    if isinstance(hook, EdgeImpulseProjectHook):
        conn_id = hook.edge_impulse_project_conn_id
        return {"project_id": hook.project_id, "edge_impulse_project_conn_id": conn_id}
    assert isinstance(hook, EdgeImpulseHook)
    return {"organization_id": hook.organization_id, "edge_impulse_conn_id": hook.edge_impulse_conn_id}
