"""Waits for a dataset in the triggerer, instead of a sensor that would occupy a worker."""

from __future__ import annotations

from typing import Any

from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.polling.dataset_criteria import DatasetCriteria
from airflow_provider_ei.triggers.criteria import CriteriaTrigger
from airflow_provider_ei.triggers.short_requests import ShortRequestsHook


class EdgeImpulseDatasetTrigger(CriteriaTrigger):
    """Poll a dataset until its criteria are met.

    Nothing is kept between two polls, so another triggerer can continue. Requests are made in separate threads; the
    triggerer's event loop and its default executor stay free.

    :param criteria: the fields of :class:`~airflow_provider_ei.polling.dataset_criteria.DatasetCriteria`.
    :param poke_interval: seconds between two polls.
    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param exponential_backoff: double the interval after each poll.
    :param max_wait: longest interval in seconds, with ``exponential_backoff``.
    :param silent_fail: log transient errors and continue.
    """

    criteria_type = DatasetCriteria

    def __init__(
        self,
        *,
        criteria: dict[str, Any],
        poke_interval: float,
        organization_id: int | str | None = None,
        edge_impulse_conn_id: str = EdgeImpulseHook.default_conn_name,
        **options: Any,
    ) -> None:
        super().__init__(criteria=criteria, poke_interval=poke_interval, **options)
        self.organization_id = organization_id
        self.edge_impulse_conn_id = edge_impulse_conn_id

    def _connection_arguments(self) -> dict[str, Any]:
        return {"organization_id": self.organization_id, "edge_impulse_conn_id": self.edge_impulse_conn_id}

    def _create_hook(self) -> ShortRequestsHook:
        return ShortRequestsHook(self.edge_impulse_conn_id, organization_id=self.organization_id)
