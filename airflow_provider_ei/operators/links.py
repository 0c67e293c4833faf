"""Links from a task's page in Airflow to Studio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook


class EdgeImpulseDatasetLink(BaseOperatorLink):
    """Link to the organization's data in Studio, on the connection's host. Available as soon as the task runs."""

    name = "Edge Impulse Studio"

    @property
    def xcom_key(self) -> str:
        """Name of the XCom that holds the URL."""
        return "edge_impulse_studio_url"

    def persist(self, context: Context, hook: EdgeImpulseHook) -> None:
        """Store the URL for a task that is starting."""
        if (task_instance := context.get("ti")) is not None:
            task_instance.xcom_push(key=self.xcom_key, value=hook.data_url)

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the URL; an empty string for a task that has not started."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class EdgeImpulseJobLink(BaseOperatorLink):
    """Link to a job in Studio, on the connection's host. Available as soon as the job is started."""

    name = "Edge Impulse job"

    @property
    def xcom_key(self) -> str:
        """Name of the XCom that holds the URL."""
        return "edge_impulse_job_url"

    def persist(self, context: Context, url: str) -> None:
        """Store the URL for a task that is running."""
        if (task_instance := context.get("ti")) is not None:
            task_instance.xcom_push(key=self.xcom_key, value=url)

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the URL; an empty string for a task that has not started a job."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class EdgeImpulseProjectDataLink(BaseOperatorLink):
    """Link to a project's data in Studio, on the connection's host. Available as soon as the task runs."""

    name = "Edge Impulse data"

    @property
    def xcom_key(self) -> str:
        """Name of the XCom that holds the URL."""
        return "edge_impulse_project_data_url"

    def persist(self, context: Context, url: str) -> None:
        """Store the URL for a task that is running."""
        if (task_instance := context.get("ti")) is not None:
            task_instance.xcom_push(key=self.xcom_key, value=url)

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the URL; an empty string for a task that has not started."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""
