"""The button on a task's page in Airflow that leads to Studio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook


class EdgeImpulseDatasetLink(BaseOperatorLink):
    """Leads to the organization's data in Studio, on the host of the connection, as soon as the task runs."""

    name = "Edge Impulse Studio"

    @property
    def xcom_key(self) -> str:
        """Where the address is kept."""
        return "edge_impulse_studio_url"

    def persist(self, context: Context, hook: EdgeImpulseHook) -> None:
        """Keep the address of a task that is beginning."""
        if (task_instance := context.get("ti")) is not None:
            task_instance.xcom_push(key=self.xcom_key, value=hook.data_url)

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the address; nothing for a task that has not begun."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""
