"""Sensors that wait for data items."""

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
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.base import EdgeImpulseTask, airflow_errors
from airflow_provider_ei.polling.dataset_criteria import DatasetCriteria
from airflow_provider_ei.polling.dataset_poller import DatasetPoller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

#: Exceptions that end the waiting also with ``silent_fail``, as in Airflow's own loop.
_FINAL = (AirflowFailException, AirflowSensorTimeout, AirflowTaskTimeout)


class _DatasetSensor(EdgeImpulseTask, BaseSensorOperator):
    """Base of the sensors.

    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    :param deferrable: wait in the triggerer, without a worker. All other arguments mean the same as without it.
    """

    def __init__(
        self,
        *,
        organization_id: int | str | None = None,
        edge_impulse_conn_id: str = EdgeImpulseHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.organization_id = organization_id
        self.edge_impulse_conn_id = edge_impulse_conn_id
        self.deferrable = deferrable
        self._poller: DatasetPoller | None = None

    def _criteria(self) -> DatasetCriteria:
        raise NotImplementedError

    def poke(self, context: Context) -> bool:
        """List the dataset once. The client is kept for the next time.

        :raises AirflowFailException: for a permanent error.
        """
        with airflow_errors():
            self._check_killed()
            if self._poller is None:
                self._poller = DatasetPoller(self._criteria(), self._create_hook())
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
        from airflow_provider_ei.triggers.dataset import EdgeImpulseDatasetTrigger

        trigger = EdgeImpulseDatasetTrigger(
            criteria=asdict(self._criteria()),
            poke_interval=self.poke_interval,
            organization_id=self.organization_id,
            edge_impulse_conn_id=self.edge_impulse_conn_id,
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


class EdgeImpulseDataItemSensor(_DatasetSensor):
    """Wait until a data item exists and is complete.

    An item that this package is uploading counts only once the upload is complete.

    :param dataset: name of the dataset.
    :param name: name of the data item.
    """

    template_fields: Sequence[str] = ("dataset", "name", "organization_id", "edge_impulse_conn_id")

    def __init__(self, *, dataset: str, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.name = name
        self._make_plain()

    def _criteria(self) -> DatasetCriteria:
        return DatasetCriteria(self.dataset, name=self.name)


class EdgeImpulseDatasetSensor(_DatasetSensor):
    """Wait until a dataset has enough data items and, if wanted, no new one has been added for a while.

    :param dataset: name of the dataset.
    :param at_least: number of complete data items to wait for.
    :param filter: count only data items that match this condition, such as ``metadata->activity = 'running'``.
    :param quiet_seconds: wait also until no data item has been added for so many seconds.
    """

    template_fields: Sequence[str] = (
        "dataset",
        "at_least",
        "filter",
        "quiet_seconds",
        "organization_id",
        "edge_impulse_conn_id",
    )

    def __init__(
        self,
        *,
        dataset: str,
        at_least: int | str = 1,
        filter: str | None = None,
        quiet_seconds: float | str = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.at_least = at_least
        self.filter = filter
        self.quiet_seconds = quiet_seconds
        self._make_plain()

    def _criteria(self) -> DatasetCriteria:
        # Numbers, or strings that templates render to.
        at_least: Any = self.at_least
        quiet_seconds: Any = self.quiet_seconds
        return DatasetCriteria(self.dataset, filter=self.filter, at_least=at_least, quiet_seconds=quiet_seconds)
