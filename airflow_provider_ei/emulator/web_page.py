"""The page: one HTML file that shows ``/emulator/state`` and ``/emulator/projects``."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings

_PAGE = Path(__file__).with_name("web_page.html")
# The page loads nothing from elsewhere, and no name of a data item can run as a script in it.
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def page_routes(settings: EmulatorSettings) -> list[BaseRoute]:
    """Return the routes of the page: its own, and those of Studio's pages, the targets of the provider's links."""
    organization = f"/organization/{settings.organization_id}"
    project = "/studio/{project_id:int}"
    paths = ("/", organization, f"{organization}/data", f"{organization}/jobs", project, f"{project}/jobs")
    return [Route(path, _get_page, methods=["GET"]) for path in paths]


async def _get_page(request: Request) -> Response:
    return Response(_PAGE.read_bytes(), media_type="text/html", headers=_HEADERS)
