"""Sensors that wait for data items."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseSensorOperator, conf

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseInputError
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.sensors.condition import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context


class _DatasetSensor(BaseSensorOperator):
    """What both sensors have in common.

    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    :param deferrable: wait in the triggerer, without a worker.
    """

    ui_color = "#dcefe8"

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

    def _condition(self) -> Condition:
        raise NotImplementedError

    def poke(self, context: Context) -> bool:
        """Look once.

        :raises AirflowFailException: for an error that no further look can mend.
        """
        hook = EdgeImpulseHook(self.edge_impulse_conn_id, organization_id=self.organization_id)
        try:
            return self._condition().ask(hook)
        except EdgeImpulseError as error:
            if error.permanent:
                raise AirflowFailException(str(error)) from None
            raise

    def execute(self, context: Context) -> Any:
        """Wait, here or in the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        if self.poke(context):
            return None
        from airflow_provider_ei.triggers.dataset import EdgeImpulseDatasetTrigger

        trigger = EdgeImpulseDatasetTrigger(
            condition=asdict(self._condition()),
            poke_interval=self.poke_interval,
            organization_id=self.organization_id,
            edge_impulse_conn_id=self.edge_impulse_conn_id,
        )
        return self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Take what the trigger has seen.

        :raises AirflowFailException: for an error that no further look can mend.
        :raises EdgeImpulseError: for one that may pass; Airflow tries again.
        """
        if "error" in event:
            raise AirflowFailException(event["error"]) if event["permanent"] else EdgeImpulseError(event["error"])


class EdgeImpulseDataItemSensor(_DatasetSensor):
    """Wait until a data item is there, and complete.

    An item that this package is uploading counts only when all of it is there.

    :param dataset: name of the dataset.
    :param name: name of the data item.
    """

    template_fields: Sequence[str] = ("dataset", "name", "organization_id", "edge_impulse_conn_id")

    def __init__(self, *, dataset: str, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.name = name

    def _condition(self) -> Condition:
        return Condition(self.dataset, name=self.name)


class EdgeImpulseDatasetSensor(_DatasetSensor):
    """Wait until a dataset has so many data items, or none has come for a while.

    :param dataset: name of the dataset.
    :param at_least: how many data items there have to be.
    :param filter: only those that fulfil it: SQL-WHERE text, such as ``metadata->activity = 'running'``.
    :param quiet_seconds: and for how many seconds none has come.
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

    def _condition(self) -> Condition:
        try:
            at_least, quiet = int(self.at_least), float(self.quiet_seconds)
        except (TypeError, ValueError):
            raise EdgeImpulseInputError(
                f"at_least and quiet_seconds must be numbers, not {self.at_least!r} and {self.quiet_seconds!r}."
            ) from None
        return Condition(self.dataset, filter=self.filter, at_least=at_least, quiet_seconds=quiet)
