"""Registers the page and the tab with Airflow, through the entry point ``airflow.plugins``.

Every component of Airflow imports this module, so the application itself is imported with its first request.
"""

from __future__ import annotations

from typing import Any

from airflow import __version__ as airflow_version
from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

URL_PREFIX = "/edge-impulse"

#: With its own background, because that of the navigation may be light, dark or colored.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' "
    "rx='4' fill='%233558c8'/%3E%3Cpath d='M2 9h3l2-5 2.5 8L11.5 9H14' fill='none' stroke='white' stroke-width='1.5'"
    "/%3E%3C/svg%3E"
)


class LazyApp:
    """The application, imported with the first request."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request as an ASGI application."""
        if self._app is None:
            from airflow_provider_ei.plugins.app import create_app

            self._app = create_app()
        await self._app(scope, receive, send)


def is_shown() -> bool:
    """Return whether this Airflow can show the page, and is configured to."""
    version = tuple(int(part) for part in airflow_version.split(".")[:2])
    return version >= (3, 1) and conf.getboolean("edge_impulse", "interface", fallback=True)


class EdgeImpulsePlugin(AirflowPlugin):
    """A page *Edge Impulse* in the navigation, and a tab of that name on each task instance."""

    name = "edge_impulse"
    fastapi_apps: list[Any] = []
    external_views: list[Any] = []

    if is_shown():
        fastapi_apps = [{"app": LazyApp(), "url_prefix": URL_PREFIX, "name": "Edge Impulse"}]
        # Relative, so that they also work when Airflow has a base path.
        external_views = [
            {
                "name": "Edge Impulse",
                "href": f"{URL_PREFIX[1:]}/",
                "destination": "nav",
                "url_route": "edge-impulse",
                "icon": _ICON,
            },
            {
                "name": "Edge Impulse",
                # Airflow replaces the placeholders, percent-encoded; {MAP_INDEX} only for mapped tasks.
                "href": f"{URL_PREFIX[1:]}/task"
                "?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}",
                "destination": "task_instance",
                "url_route": "edge-impulse-task",
                "icon": _ICON,
            },
        ]
