"""Base of the operators that run a job of a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_ei.hooks.edge_impulse_project import EdgeImpulseProjectHook
from airflow_provider_ei.operators.job_base import JobOperator


class EdgeImpulseProjectJobOperator(JobOperator):
    """Base operator for a job of a project.

    :param project_id: overrides that of the connection.
    :param edge_impulse_project_conn_id: the Airflow connection.
    """

    template_fields: Sequence[str] = ("project_id", *JobOperator.template_fields, "edge_impulse_project_conn_id")

    def __init__(
        self,
        *,
        project_id: int | str | None = None,
        edge_impulse_project_conn_id: str = EdgeImpulseProjectHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project_id = project_id
        self.edge_impulse_project_conn_id = edge_impulse_project_conn_id

    def _create_hook(self) -> EdgeImpulseProjectHook:  # type: ignore[override]
        hook = self._hook = EdgeImpulseProjectHook(self.edge_impulse_project_conn_id, self.project_id)
        return hook

    def _trigger_owner(self, hook: EdgeImpulseProjectHook) -> dict[str, Any]:
        return {
            "project_id": hook.project_id,
            "edge_impulse_project_conn_id": self.edge_impulse_project_conn_id,
        }
