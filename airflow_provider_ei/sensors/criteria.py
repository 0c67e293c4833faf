"""Base of the sensors that poll until criteria are met, in a worker or in the triggerer."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    conf,
)

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.operators.base import EdgeImpulseTask, airflow_errors
from airflow_provider_ei.polling.poller import Poller

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.triggers.criteria import CriteriaTrigger

#: Exceptions that end the waiting also with ``silent_fail``, as in Airflow's own loop.
_FINAL = (AirflowFailException, AirflowSensorTimeout, AirflowTaskTimeout)


class CriteriaSensor(EdgeImpulseTask, BaseSensorOperator):
    """Base of the sensors. A subclass takes the arguments that say which connection to use.

    :param deferrable: wait in the triggerer, without a worker. All other arguments mean the same as without it.
    """

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self._poller: Poller | None = None

    def _criteria(self) -> Any:
        """Return the criteria, a dataclass."""
        raise NotImplementedError

    def _create_trigger(self, **arguments: Any) -> CriteriaTrigger:
        """Return the trigger that waits in the triggerer."""
        raise NotImplementedError

    def poke(self, context: Context) -> bool:
        """Poll once. The client is kept for the next time.

        :raises AirflowFailException: for a permanent error.
        """
        with airflow_errors():
            self._check_killed()
            if self._poller is None:
                self._poller = Poller(self._criteria(), self._create_hook())
            return self._poller.poll().met

    def execute(self, context: Context) -> Any:
        """Wait, here or in the triggerer."""
        try:
            if self.deferrable:
                return self._poke_and_defer(context)
            return super().execute(context)
        except (AirflowSensorTimeout, AirflowSkipException):
            if self._poller is not None:
                self._poller.log_last()
            raise
        finally:
            if self._poller is not None:
                self._poller.hook.close()
                self._poller = None

    def _poke_and_defer(self, context: Context) -> None:
        deadline = time.time() + self.timeout
        try:
            if self.poke(context):
                return
        except (Exception, AirflowTaskTimeout) as error:
            if isinstance(error, _FINAL) or not self.silent_fail:
                self._fail(error)
            self.log.error("The poke failed: %s", error)
        if time.time() > deadline:
            self._time_out(self._poller.describe_last() if self._poller else None)
        trigger = self._create_trigger(
            criteria=asdict(self._criteria()),
            poke_interval=self.poke_interval,
            deadline=deadline,
            exponential_backoff=self.exponential_backoff,
            max_wait=self.max_wait.total_seconds() if self.max_wait else None,
            silent_fail=self.silent_fail,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """End as a sensor in poke mode does, after what the trigger reports.

        :raises AirflowFailException: for a permanent error.
        :raises EdgeImpulseError: for a transient error, with its own class; Airflow's ``retries`` apply.
        :raises AirflowSensorTimeout: when the criteria were not met in time.
        :raises AirflowSkipException: instead of these, as ``soft_fail`` and ``never_fail`` say.
        """
        if "error" in event:
            try:
                with airflow_errors():
                    raise EdgeImpulseError.from_event(event)
            except (EdgeImpulseError, AirflowFailException) as error:
                self._fail(error)
        if "timed_out" in event:
            self._time_out(event.get("seen"))
        self.log.info("Criteria met: %s.", event.get("seen"))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after the trigger.

        Here Airflow's sensors handle errors differently than in poke mode, and each version in its own way.
        """
        failed = next_method == "__fail__"
        if failed and "timeout" in str((next_kwargs or {}).get("error")).lower():
            self._time_out()  # the trigger could not report it: no triggerer was running
        try:
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        except AirflowException as error:
            if failed:
                self._fail(error)
            raise

    def _fail(self, error: BaseException) -> NoReturn:
        """Raise what Airflow raises in poke mode for a poke that failed.

        In poke mode, ``soft_fail`` skips the task only after an error that ends the waiting for good.
        """
        if not isinstance(error, AirflowSkipException):
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            if self.soft_fail and isinstance(error, _FINAL):
                raise AirflowSkipException("Skipping due to soft_fail is set to True.") from error
        raise error

    def _time_out(self, seen: str | None = None) -> NoReturn:
        message = f"Sensor has timed out after {self.timeout:g} seconds{f': {seen}' if seen else ''}."
        raise AirflowSkipException(message) if self.soft_fail else AirflowSensorTimeout(message)
