"""Base of the operators that run a job: started once, also when a worker is lost, and cancelled with the task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    ResumableJobMixin,
    conf,
)

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError, EdgeImpulseJobError
from airflow_provider_ei.hooks.best_effort import best_effort
from airflow_provider_ei.operators.arguments import read_flag, read_seconds
from airflow_provider_ei.operators.base import EdgeImpulseTask, airflow_errors
from airflow_provider_ei.operators.links import EdgeImpulseJobLink
from airflow_provider_ei.operators.model_report import model_reported
from airflow_provider_ei.operators.templates import AuthoredTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.job_calls import JobCalls
    from airflow_provider_ei.jobs.starting import JobStore
    from airflow_provider_ei.studio.api.jobs import JobsApi

link = EdgeImpulseJobLink()

#: Keys in Airflow's task state store: the job's id, and what the operator has noted about it. Never rename them: a
#: running job would be lost in the upgrade.
JOB_ID_KEY = "edge_impulse_job_id"
NOTES_KEY = "edge_impulse_job_notes"

#: Seconds that a request may take that cancels the job of a task that was killed.
CANCEL_TIMEOUT = 10.0


class JobOperator(AuthoredTemplates, EdgeImpulseTask, ResumableJobMixin, BaseOperator):
    """Starts a job, waits for it, and returns its result. A subclass says whose job it is, and starts it.

    On Airflow 3.3 and newer, a retry finds the job that the try before has started, and continues to wait for it. On
    2.11, it finds the job while it is active, if it is the only one of its kind since the DAG run began. A job that has
    failed is started again by a retry.

    :param wait_for_completion: False: the task ends as soon as the job is started.
    :param deferrable: wait in the triggerer, without a worker.
    :param durable: False: a retry starts a new job, whatever the try before has started.
    :param poll_interval: seconds between the first two looks at the job; later intervals are longer, up to six times.
    :param timeout: seconds, or a timedelta, after which the job is cancelled and the task fails; None for no limit.
    :param cancel_on_kill: cancel the job when the task is killed, times out, or is ended by a user.
    :cvar job_kind: a kind of job that :mod:`~airflow_provider_ei.jobs.starting` knows, such as ``retrain``.
    :ivar _notes: what must be known when the job has ended: small JSON, kept next to the job's id. Empty when a try on
        Airflow 2.11 has found the job of the try before.
    """

    template_fields: Sequence[str] = (
        "wait_for_completion",
        "deferrable",
        "durable",
        "poll_interval",
        "timeout",
        "cancel_on_kill",
    )
    operator_extra_links = (link,)
    external_id_key = JOB_ID_KEY
    job_kind: ClassVar[str]

    def __init__(
        self,
        *,
        wait_for_completion: bool | str = True,
        deferrable: bool | str = conf.getboolean("operators", "default_deferrable", fallback=False),
        durable: bool | str | None = None,
        poll_interval: float | str = 10.0,
        timeout: float | str | timedelta | None = None,
        cancel_on_kill: bool | str = True,
        **kwargs: Any,
    ) -> None:
        if durable is not None:
            kwargs["durable"] = durable  # Airflow 2.11 warns where it is given
        super().__init__(**kwargs)
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.durable = True if durable is None else durable  # type: ignore[assignment]  # a string until it is rendered
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.cancel_on_kill = cancel_on_kill
        self._memory: JobStore | None = None
        self._notes: dict[str, Any] = {}
        self._deadline: float | None = None
        self._job_id: int | None = None
        self._cancelled_job_id: int | None = None
        self._result: Any = None

    # --- what a subclass defines --------------------------------------------------------------------------

    def _create_hook(self) -> Any:
        """Return the hook of the job's owner, and keep it as ``_hook``."""
        raise NotImplementedError

    def _trigger_owner(self, hook: Any) -> dict[str, Any]:
        """Return the trigger's arguments that say whose job it is."""
        raise NotImplementedError

    def _start_job(self, hook: Any) -> int:
        """Send the request that starts the job, and return the job's id. It may add to ``_notes`` what it learns."""
        raise NotImplementedError

    def _prepare_start(self, hook: Any) -> None:
        """Put into ``_notes`` what must be known from before the start. Called right before each start request."""

    def _collect_result(self, hook: Any, job_id: int, context: Context) -> Mapping[str, Any]:
        """Return the task's result when the job has succeeded: small JSON.

        After a retryable error, a retry collects the result of the same job. After a permanent one, or when the task is
        skipped, the job is forgotten: a cleared task starts a new one.
        """
        result: Mapping[str, Any] = hook.job_result(job_id, "succeeded")
        return result

    def _check_arguments(self) -> None:
        """Check and convert the arguments, after they were rendered.

        :raises EdgeImpulseInputError: when one of them cannot be used.
        """
        for field in ("wait_for_completion", "deferrable", "durable", "cancel_on_kill"):
            setattr(self, field, read_flag(field, getattr(self, field)))
        interval = read_seconds("poll_interval", self.poll_interval)
        if interval is None:
            raise EdgeImpulseInputError("poll_interval must be a positive number of seconds, not None.")
        self._interval = interval
        timeout = read_seconds("timeout", self.timeout)
        self._deadline = None if timeout is None else time.time() + timeout

    # --- running ------------------------------------------------------------------------------------------

    def execute(self, context: Context) -> Any:
        """Start the job or find it again, wait until it has succeeded, and return its id and its page.

        :raises AirflowFailException: for a permanent error.
        :raises EdgeImpulseJobError: when the job ends without success; a retry starts a new one.
        :raises EdgeImpulseError: for a transient error; a retry finds the job again.
        """
        with self._working(context):
            if self.deferrable and self.wait_for_completion:
                return self._start_and_defer(context)
            return self.execute_resumable(context)

    def execute_complete(self, context: Context, event: dict[str, Any], notes: dict[str, Any] | None = None) -> Any:
        """Return the job's result, or raise the error that the trigger reports."""
        with self._working(context) as hook:
            self._notes = notes or self._notes
            if "error" in event:
                self._fail(EdgeImpulseError.from_event(event), context)
            return self._finish(hook, event["job_id"], context)

    @contextmanager
    def _working(self, context: Context) -> Iterator[Any]:
        hook = self._create_hook()
        try:
            with airflow_errors(), model_reported(self, context):
                self._check_arguments()
                self._check_killed()
                self._notes = self._store(context).get(NOTES_KEY) or {}
                yield hook
                self._check_killed()  # Airflow 3 continues after on_kill: a killed task must not succeed
        except BaseException:
            if self._killed and self.cancel_on_kill:
                with best_effort("A job whose answer was lost"):
                    self._cancel_what_was_started(context)
            raise
        finally:
            hook.close()

    def _start_and_defer(self, context: Context) -> Any:
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
            **self._trigger_owner(hook),
            poll_interval=self._interval,
            deadline=self._deadline,
            cancel_on_kill=bool(self.cancel_on_kill),
        )
        self._check_killed()
        # The deadline is in the trigger.
        self.defer(trigger=trigger, method_name="execute_complete", kwargs={"notes": self._notes})
        raise AssertionError  # defer raises

    # --- what ResumableJobMixin asks for ------------------------------------------------------------------

    def submit_job(self, context: Context) -> int:
        """Start the job, unless an earlier try has, and return its id."""
        from airflow_provider_ei.jobs.starting import MemoryStore, find_active, start_once

        hook, store = self._hook, self._store(context)
        job_id = None
        if isinstance(store, MemoryStore) and self.durable and (began := _retried_run(context)) is not None:
            job_id = find_active(hook.jobs_api, self.job_kind, began)
        if job_id is None:
            ended = store.get(JOB_ID_KEY)
            start = partial(self._start_with_notes, hook, store)
            job_id = start_once(hook.jobs_api, store, self.job_kind, start, ended_job_id=ended)
            self.log.info("Job %d was started: %s", job_id, hook.job_url(job_id))
        else:
            self.log.info("Reconnected to job %d: %s", job_id, hook.job_url(job_id))
        self._announce(hook, job_id, context)
        self._check_killed()
        return job_id

    def _start_with_notes(self, hook: Any, store: JobStore) -> int:
        self._notes.clear()
        self._prepare_start(hook)
        self._keep_notes(store)  # before the request: its answer may be lost, and so may the worker
        job_id = self._start_job(hook)
        self._keep_notes(store)
        return job_id

    def _keep_notes(self, store: JobStore) -> None:
        if self._notes:
            store.set(NOTES_KEY, self._notes)

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

    def poll_until_complete(self, external_id: Any, context: Context) -> Any:
        """Wait until the job has succeeded, and return its result."""
        from airflow_provider_ei.jobs.starting import INTENT_KEY
        from airflow_provider_ei.jobs.waiting import JobWatcher, wait_for_job

        hook = self._hook
        self._store(context).delete(INTENT_KEY)
        if self.wait_for_completion:
            watcher = JobWatcher(hook.jobs_api, external_id, poll_interval=self._interval, deadline=self._deadline)
            try:
                wait_for_job(watcher, hook.job_url(external_id), cancel_on_timeout=bool(self.cancel_on_kill))
            except EdgeImpulseJobError as error:
                self._fail(error, context)
        return self._finish(hook, external_id, context)

    def get_job_result(self, external_id: Any, context: Context) -> Any:
        """Return the result of a job that has succeeded."""
        return self._result or self._finish(self._hook, external_id, context)

    def _finish(self, hook: Any, job_id: int, context: Context) -> Any:
        """Return the result, and forget the job: when the task is cleared, it starts a new one."""
        self._announce(hook, job_id, context)
        try:
            if self.wait_for_completion:
                self._result = self._collect_result(hook, job_id, context)
            else:
                self._result = hook.job_result(job_id, "started")
        except (AirflowFailException, AirflowSkipException):
            self._forget(context)
            raise
        except EdgeImpulseError as error:
            if not error.retryable:
                self._forget(context)
            raise
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
        for key in (INTENT_KEY, JOB_ID_KEY, NOTES_KEY):
            store.delete(key)

    def _store(self, context: Context) -> JobStore:
        """Return Airflow's store; one that lasts for this try where there is none."""
        store: JobStore | None = context.get("task_state_store") if self.durable else None
        if store is not None:
            return store
        if self._memory is None:
            from airflow_provider_ei.jobs.starting import MemoryStore

            self._memory = MemoryStore()
        return self._memory

    def _announce(self, hook: JobCalls, job_id: int, context: Context) -> None:
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
        from airflow_provider_ei.studio.http import HttpClient

        if self._hook is None or job_id == self._cancelled_job_id:
            return
        with HttpClient(self._hook.settings.for_one_try(CANCEL_TIMEOUT)) as client:
            try:
                status = cancel_job(self._hook.open_jobs_api(client), job_id)
            except EdgeImpulseError as error:
                url = self._hook.job_url(job_id)
                self.log.error("Cancel job %d in Studio, %s: it could not be cancelled: %s", job_id, url, error)
            else:
                self._cancelled_job_id = job_id
                self.log.info("%s, since the task was killed.", status)

    def _cancel_what_was_started(self, context: Context) -> None:
        """Cancel the job of a task that was killed, also when its start request was under way."""
        from airflow_provider_ei.studio.http import HttpClient

        hook, job_id = self._hook, self._job_id
        if job_id is None and hook.knows_owner:
            with HttpClient(hook.settings.for_one_try(CANCEL_TIMEOUT)) as client:
                client.sleep(min(hook.settings.settle_seconds, CANCEL_TIMEOUT))  # it may just arrive
                job_id = self._find_started(hook.open_jobs_api(client), context)
        if job_id is not None:
            self._cancel(job_id)

    def _find_started(self, jobs: JobsApi, context: Context) -> int | None:
        """Return the job whose start request was under way; None when there is none."""
        from airflow_provider_ei.jobs.starting import find_started

        return find_started(jobs, self._store(context), self.job_kind)


def _retried_run(context: Context) -> Any:
    """Return when the DAG run began, in a retry; None in the first try."""
    task_instance, run = context.get("ti"), context.get("dag_run")
    if task_instance is None or run is None or task_instance.try_number < 2:
        return None
    return run.start_date
