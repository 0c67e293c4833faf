"""Waits for samples of a project in the triggerer, instead of a sensor that would occupy a worker."""

from __future__ import annotations

from typing import Any

from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.polling.samples_criteria import SamplesCriteria
from airflow_provider_ei.triggers.criteria import CriteriaTrigger
from airflow_provider_ei.triggers.short_requests import ShortRequestsProjectHook


class EdgeImpulseSamplesTrigger(CriteriaTrigger):
    """Poll the numbers of a project's samples until there are enough.

    Nothing is kept between two polls, so another triggerer can continue. Requests are made in separate threads; the
    triggerer's event loop and its default executor stay free.

    :param criteria: the fields of :class:`~airflow_provider_ei.polling.samples_criteria.SamplesCriteria`.
    :param poke_interval: seconds between two polls.
    :param project_id: overrides that of the connection.
    :param edge_impulse_project_conn_id: the Airflow connection.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param exponential_backoff: double the interval after each poll.
    :param max_wait: longest interval in seconds, with ``exponential_backoff``.
    :param silent_fail: log transient errors and continue.
    """

    criteria_type = SamplesCriteria

    def __init__(
        self,
        *,
        criteria: dict[str, Any],
        poke_interval: float,
        project_id: int | str | None = None,
        edge_impulse_project_conn_id: str = EdgeImpulseProjectHook.default_conn_name,
        **options: Any,
    ) -> None:
        super().__init__(criteria=criteria, poke_interval=poke_interval, **options)
        self.project_id = project_id
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id

    def _connection_arguments(self) -> dict[str, Any]:
        return {
            "project_id": self.project_id,
            "edge_impulse_project_conn_id": self.edge_impulse_project_conn_id,
        }

    def _create_hook(self) -> ShortRequestsProjectHook:
        return ShortRequestsProjectHook(self.edge_impulse_project_conn_id, self.project_id)
