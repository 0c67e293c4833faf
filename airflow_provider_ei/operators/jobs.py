"""Operators that run a job of a project: started once, also when a worker is lost, and cancelled with the task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import BaseOperator, ResumableJobMixin, conf

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError, EdgeImpulseJobError
from airflow_provider_ei.hooks.best_effort import best_effort
from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.numeric import read_number, whole_number
from airflow_provider_ei.operators.base import EdgeImpulseTask, airflow_errors
from airflow_provider_ei.operators.links import EdgeImpulseJobLink
from airflow_provider_ei.operators.templates import AuthoredTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.jobs.starting import JobStore
    from airflow_provider_ei.results import JobResult

link = EdgeImpulseJobLink()

#: Key of the job's id in Airflow's task state store. Never rename it: a running job would be lost in the upgrade.
JOB_ID_KEY = "edge_impulse_job_id"

#: Seconds that a request may take that cancels the job of a task that was killed.
CANCEL_TIMEOUT = 10.0


class EdgeImpulseJobOperator(AuthoredTemplates, EdgeImpulseTask, ResumableJobMixin, BaseOperator):
    """Base operator for a job of a project.

    On Airflow 3.3 and newer, a retry finds the job that the try before has started, and continues to wait for it. On
    2.11, it finds the job while it is active, if it is the only one of its kind since the DAG run began. A job that has
    failed is started again by a retry.

    :param project_id: overrides that of the connection.
    :param edge_impulse_project_conn_id: the Airflow connection.
    :param wait_for_completion: False: the task ends as soon as the job is started.
    :param deferrable: wait in the triggerer, without a worker.
    :param durable: False: a retry starts a new job, whatever the try before has started.
    :param poll_interval: seconds between the first two looks at the job; later intervals are longer, up to six times.
    :param timeout: seconds, or a timedelta, after which the job is cancelled and the task fails; None for no limit.
    :param cancel_on_kill: cancel the job when the task is killed, times out, or is ended by a user.
    """

    template_fields: Sequence[str] = ("project_id", "poll_interval", "timeout", "edge_impulse_project_conn_id")
    operator_extra_links = (link,)
    external_id_key = JOB_ID_KEY
    job_kind: ClassVar[str]

    def __init__(
        self,
        *,
        project_id: int | str | None = None,
        edge_impulse_project_conn_id: str = EdgeImpulseProjectHook.default_conn_name,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        durable: bool | None = None,
        poll_interval: float | str = 10.0,
        timeout: float | str | timedelta | None = None,
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        if durable is not None:
            kwargs["durable"] = durable  # Airflow 2.11 warns where it is given
        super().__init__(**kwargs)
        self.project_id = project_id
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.cancel_on_kill = cancel_on_kill
        self._wants_durable = durable is not False
        self._memory: JobStore | None = None
        self._deadline: float | None = None
        self._job_id: int | None = None
        self._cancelled_job_id: int | None = None
        self._result: JobResult | None = None

    def _start_job(self, hook: EdgeImpulseProjectHook) -> int:
        """Send the request that starts the job, and return the job's id."""
        raise NotImplementedError

    def _check_arguments(self) -> None:
        """Check and convert the arguments, after they were rendered.

        :raises EdgeImpulseInputError: when one of them cannot be used.
        """
        interval = _seconds("poll_interval", self.poll_interval)
        if interval is None:
            raise EdgeImpulseInputError("poll_interval must be a positive number of seconds, not None.")
        self._interval = interval
        timeout = _seconds("timeout", self.timeout)
        self._deadline = None if timeout is None else time.time() + timeout

    # --- running ------------------------------------------------------------------------------------------

    def execute(self, context: Context) -> JobResult:
        """Start the job or find it again, wait until it has succeeded, and return its id and its page.

        :raises AirflowFailException: for a permanent error.
        :raises EdgeImpulseJobError: when the job ends without success; a retry starts a new one.
        :raises EdgeImpulseError: for a transient error; a retry finds the job again.
        """
        with self._working(context):
            self._check_arguments()
            if self.deferrable and self.wait_for_completion:
                return self._start_and_defer(context)
            result: JobResult = self.execute_resumable(context)
            return result

    def execute_complete(self, context: Context, event: dict[str, Any]) -> JobResult:
        """Return the job's result, or raise the error that the trigger reports."""
        with self._working(context) as hook:
            if "error" in event:
                self._fail(EdgeImpulseError.from_event(event), context)
            return self._finish(hook, event["job_id"], context)

    @contextmanager
    def _working(self, context: Context) -> Iterator[EdgeImpulseProjectHook]:
        hook = self._create_hook()
        try:
            with airflow_errors():
                self._check_killed()
                yield hook
                self._check_killed()  # Airflow 3 continues after on_kill: a killed task must not succeed
        except BaseException:
            if self._killed and self.cancel_on_kill:
                with best_effort("A job whose answer was lost"):
                    self._cancel_what_was_started(context)
            raise
        finally:
            hook.close()

    def _create_hook(self) -> EdgeImpulseProjectHook:  # type: ignore[override]
        hook = self._hook = EdgeImpulseProjectHook(self.edge_impulse_project_conn_id, self.project_id)
        return hook

    def _start_and_defer(self, context: Context) -> JobResult:
        from airflow_provider_ei.jobs.starting import INTENT_KEY
        from airflow_provider_ei.triggers.job import EdgeImpulseJobTrigger

        hook, store = self._hook, self._store(context)
        job_id = store.get(JOB_ID_KEY)
        if job_id is not None:
            status = self.get_job_status(job_id, context)
            if self.is_job_succeeded(status):
                return self._finish(hook, job_id, context)
            if not self.is_job_active(status):
                self.log.warning("Job %d has ended as %s; a new one is started.", job_id, status)
                job_id = None
        if job_id is None:
            job_id = self.submit_job(context)
            store.set(JOB_ID_KEY, job_id)
        store.delete(INTENT_KEY)
        trigger = EdgeImpulseJobTrigger(
            job_id=job_id,
            project_id=hook.project_id,
            edge_impulse_project_conn_id=self.edge_impulse_project_conn_id,
            poll_interval=self._interval,
            deadline=self._deadline,
            cancel_on_kill=self.cancel_on_kill,
        )
        self._check_killed()
        self.defer(trigger=trigger, method_name="execute_complete")  # the deadline is in the trigger
        raise AssertionError  # defer raises

    # --- what ResumableJobMixin asks for ------------------------------------------------------------------

    def submit_job(self, context: Context) -> int:
        """Start the job, unless an earlier try has, and return its id."""
        from airflow_provider_ei.jobs.starting import MemoryStore, find_active, start_once

        hook, store = self._hook, self._store(context)
        job_id = None
        if isinstance(store, MemoryStore) and self._wants_durable and (began := _retried_run(context)) is not None:
            job_id = find_active(hook.jobs_api, self.job_kind, began)
        if job_id is None:
            ended = store.get(JOB_ID_KEY)
            job_id = start_once(hook.jobs_api, store, self.job_kind, lambda: self._start_job(hook), ended_job_id=ended)
            self.log.info("Job %d was started: %s", job_id, hook.job_url(job_id))
        else:
            self.log.info("Reconnected to job %d: %s", job_id, hook.job_url(job_id))
        self._announce(hook, job_id, context)
        self._check_killed()
        return job_id

    def get_job_status(self, external_id: Any, context: Context) -> str:
        """Return the state of the job that an earlier try has started."""
        from airflow_provider_ei.jobs.waiting import look_at_job

        hook = self._hook
        status = look_at_job(hook.jobs_api, external_id)
        if status.active:
            self.log.info("Reconnected to job %d: %s", external_id, hook.job_url(external_id))
            self._announce(hook, external_id, context)
        return status.state

    def is_job_active(self, status: str) -> bool:
        """Return whether a job in that state has not ended."""
        return status in ("queued", "running")

    def is_job_succeeded(self, status: str) -> bool:
        """Return whether a job in that state has succeeded."""
        return status == "succeeded"

    def poll_until_complete(self, external_id: Any, context: Context) -> JobResult:  # type: ignore[override]
        """Wait until the job has succeeded, and return its result."""
        from airflow_provider_ei.jobs.starting import INTENT_KEY
        from airflow_provider_ei.jobs.waiting import JobWatcher, wait_for_job

        hook = self._hook
        self._store(context).delete(INTENT_KEY)
        if self.wait_for_completion:
            watcher = JobWatcher(hook.jobs_api, external_id, poll_interval=self._interval, deadline=self._deadline)
            try:
                wait_for_job(watcher, hook.job_url(external_id), cancel_on_timeout=self.cancel_on_kill)
            except EdgeImpulseJobError as error:
                self._fail(error, context)
        return self._finish(hook, external_id, context)

    def get_job_result(self, external_id: Any, context: Context) -> JobResult:
        """Return the result of a job that has succeeded."""
        return self._result or self._finish(self._hook, external_id, context)

    def _finish(self, hook: EdgeImpulseProjectHook, job_id: int, context: Context) -> JobResult:
        """Return the result, and forget the job: when the task is cleared, it starts a new one."""
        self._announce(hook, job_id, context)
        self._result = hook.job_result(job_id, "succeeded" if self.wait_for_completion else "started")
        self._forget(context)
        return self._result

    def _fail(self, error: EdgeImpulseError, context: Context) -> NoReturn:
        """Raise an error. A job that has ended is forgotten, so that a retry starts a new one."""
        if isinstance(error, EdgeImpulseJobError) and not self.is_job_active(error.state):
            self._forget(context)
        raise error

    def _forget(self, context: Context) -> None:
        from airflow_provider_ei.jobs.starting import INTENT_KEY

        store = self._store(context)
        store.delete(INTENT_KEY)
        store.delete(JOB_ID_KEY)

    def _store(self, context: Context) -> JobStore:
        """Return Airflow's store; one that lasts for this try where there is none."""
        store: JobStore | None = context.get("task_state_store") if self.durable else None
        if store is not None:
            return store
        if self._memory is None:
            from airflow_provider_ei.jobs.starting import MemoryStore

            self._memory = MemoryStore()
        return self._memory

    def _announce(self, hook: EdgeImpulseProjectHook, job_id: int, context: Context) -> None:
        """Let the link and other tasks know the job, while it runs."""
        self._job_id = job_id
        with best_effort("The link to the job"):
            link.persist(context, hook.job_url(job_id))
            if (task_instance := context.get("ti")) is not None:
                task_instance.xcom_push(key="job_id", value=job_id)

    # --- the end of the task ------------------------------------------------------------------------------

    def on_kill(self) -> None:
        """Stop waiting, and cancel the job unless ``cancel_on_kill`` is false."""
        super().on_kill()
        if self.cancel_on_kill and self._job_id is not None:
            self._cancel(self._job_id)

    def _cancel(self, job_id: int) -> None:
        """Cancel a job with a client of its own, since that of the task is cancelled."""
        from airflow_provider_ei.jobs.waiting import cancel_job
        from airflow_provider_ei.studio.api.jobs import JobsApi
        from airflow_provider_ei.studio.http import HttpClient

        if self._hook is None or job_id == self._cancelled_job_id:
            return
        with HttpClient(self._hook.settings.for_one_try(CANCEL_TIMEOUT)) as client:
            try:
                status = cancel_job(JobsApi.of_project(client, self._hook.project_id), job_id)
            except EdgeImpulseError as error:
                url = self._hook.job_url(job_id)
                self.log.error("Cancel job %d in Studio, %s: it could not be cancelled: %s", job_id, url, error)
            else:
                self._cancelled_job_id = job_id
                self.log.info("%s, since the task was killed.", status)

    def _cancel_what_was_started(self, context: Context) -> None:
        """Cancel the job of a task that was killed, also when its start request was under way."""
        from airflow_provider_ei.jobs.starting import find_started
        from airflow_provider_ei.studio.api.jobs import JobsApi
        from airflow_provider_ei.studio.http import HttpClient

        hook, job_id = self._hook, self._job_id
        if job_id is None and "project_id" in vars(hook):
            with HttpClient(hook.settings.for_one_try(CANCEL_TIMEOUT)) as client:
                client.sleep(min(hook.settings.settle_seconds, CANCEL_TIMEOUT))  # it may just arrive
                job_id = find_started(JobsApi.of_project(client, hook.project_id), self._store(context), self.job_kind)
        if job_id is not None:
            self._cancel(job_id)


class EdgeImpulseRetrainOperator(EdgeImpulseJobOperator):
    """Train a project's model again with the last known parameters, and wait until that has succeeded.

    The project must have been trained once before, in Studio.

    :param impulse_id: the impulse; None for the project's default impulse.
    :return: the job's id and its page; see :class:`~airflow_provider_ei.results.JobResult`.
    """

    template_fields: Sequence[str] = ("impulse_id", *EdgeImpulseJobOperator.template_fields)
    job_kind = "retrain"

    def __init__(self, *, impulse_id: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.impulse_id = impulse_id
        self._make_plain()

    def _check_arguments(self) -> None:
        super()._check_arguments()
        self._impulse_id = whole_number("impulse_id", self.impulse_id)

    def _start_job(self, hook: EdgeImpulseProjectHook) -> int:
        return hook.project_api.start_retrain(self._impulse_id)


def _seconds(field: str, value: object) -> float | None:
    """Return a positive number of seconds; None for None and for an empty string.

    :raises EdgeImpulseInputError: when the value is anything else.
    """
    if value is None or value == "":
        return None
    number = value.total_seconds() if isinstance(value, timedelta) else read_number(value)
    if number is None or number <= 0:
        raise EdgeImpulseInputError(f"{field} must be a positive number of seconds, not {value!r}.")
    return float(number)


def _retried_run(context: Context) -> Any:
    """Return when the DAG run began, in a retry; None in the first try."""
    task_instance, run = context.get("ti"), context.get("dag_run")
    if task_instance is None or run is None or task_instance.try_number < 2:
        return None
    return run.start_date
