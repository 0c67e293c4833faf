"""Sensors that wait for data items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.polling.dataset_criteria import DatasetCriteria
from airflow_provider_ei.sensors.criteria import CriteriaSensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_ei.triggers.dataset import EdgeImpulseDatasetTrigger


class _DatasetSensor(CriteriaSensor):
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.organization_id = organization_id
        self.edge_impulse_conn_id = edge_impulse_conn_id

    def _create_trigger(self, **arguments: Any) -> EdgeImpulseDatasetTrigger:
        from airflow_provider_ei.triggers.dataset import EdgeImpulseDatasetTrigger

        return EdgeImpulseDatasetTrigger(
            organization_id=self.organization_id, edge_impulse_conn_id=self.edge_impulse_conn_id, **arguments
        )


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
