"""Base of the operators that run a job of an organization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.job_base import JobOperator


class EdgeImpulseOrganizationJobOperator(JobOperator):
    """Base operator for a job of an organization.

    :param organization_id: overrides that of the connection.
    :param edge_impulse_conn_id: the Airflow connection.
    """

    template_fields: Sequence[str] = ("organization_id", *JobOperator.template_fields, "edge_impulse_conn_id")

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

    def _create_hook(self) -> EdgeImpulseHook:
        hook = self._hook = EdgeImpulseHook(self.edge_impulse_conn_id, organization_id=self.organization_id)
        return hook

    def _trigger_owner(self, hook: EdgeImpulseHook) -> dict[str, Any]:
        return {"organization_id": hook.organization_id, "edge_impulse_conn_id": self.edge_impulse_conn_id}
