"""The routes of the control API for projects, jobs and their clock."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from airflow_provider_ei.emulator.control_requests import ControlError, count, json_object
from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.job_control import JobControl
from airflow_provider_ei.emulator.project_control import ProjectControl
from airflow_provider_ei.emulator.project_report import describe_projects
from airflow_provider_ei.emulator.stored_samples import SampleFilter
from airflow_provider_ei.emulator.workspace import Workspace

DEFAULT_JOBS = 10
DEFAULT_SAMPLES = 200
_MAX_SECONDS = 1e9


class ProjectRoutes:
    """Handlers for the control API."""

    def __init__(self, workspace: Workspace, store: ItemStore) -> None:
        self._workspace = workspace
        self._store = store
        self._jobs = JobControl(lambda: workspace)
        self._projects = ProjectControl(lambda: workspace)

    async def get_projects(self, request: Request) -> Response:
        """Return the projects with their newest jobs: ``jobs`` limits the number of these.

        The ETag stands for the content: a request with ``If-None-Match`` gets a 304 until something changes.
        """
        limit = count(request, "jobs", DEFAULT_JOBS)
        report = await asyncio.to_thread(describe_projects, self._workspace, self._store.samples, jobs_limit=limit)
        body = msgspec.json.encode(report)
        headers = {"etag": f'"{hashlib.sha256(body).hexdigest()[:16]}"', "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    async def post_projects(self, request: Request) -> Response:
        """Add a project with the ``name`` and ``role`` of an object, and return its id and key."""
        body = await json_object(request)
        project = self._projects.add(_string(body, "name"), role=body.get("role", "admin"))
        return JSONResponse({"id": project.id, "api_key": project.api_key})

    async def get_samples(self, request: Request) -> Response:
        """Return the newest samples of a ``project``, by default of the first one; ``limit`` limits their number."""
        selection = SampleFilter(project_id=count(request, "project", 1))
        limit = count(request, "limit", DEFAULT_SAMPLES)
        samples = await asyncio.to_thread(self._store.samples.select, selection, limit=limit, order="newest")
        total = await asyncio.to_thread(self._store.samples.count, selection)
        return Response(msgspec.json.encode({"samples": samples, "count": total}), media_type="application/json")

    async def post_results(self, request: Request) -> Response:
        """Set what the next tests of a model find, with the parameters of ``ProjectControl.set_results``."""
        body = await json_object(request)
        variants = _variants(body.get("variants"))
        project_id, ignored = body.get("project_id", 1), body.get("ignored", 0)
        if type(ignored) is not int or ignored < 0:
            raise ControlError("ignored must be an integer of 0 or more")
        try:
            self._projects.set_results(variants, ignored=ignored, project_id=project_id)
        except (KeyError, TypeError):
            raise ControlError(f"Project {project_id!r:.100} does not exist", 404) from None
        return JSONResponse({})

    async def post_plans(self, request: Request) -> Response:
        """Decide the course of the next jobs: an object with ``kind``, ``count`` and the members of ``JobPlan``."""
        body = await json_object(request)
        kind, times = _string(body, "kind"), body.pop("count", 1)
        if type(times) is not int or not 1 <= times <= 10_000:
            raise ControlError("count must be an integer from 1 to 10000")
        self._jobs.plan(kind, count=times, **{name: value for name, value in body.items() if name != "kind"})  # type: ignore[arg-type]
        return JSONResponse({})

    async def post_clock(self, request: Request) -> Response:
        """Turn the clock of the jobs: an object with ``advance``, in seconds."""
        seconds = (await json_object(request)).get("advance")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= _MAX_SECONDS:
            raise ControlError(f"advance must be a number of seconds from 0 to {_MAX_SECONDS:.0f}")
        self._workspace.clock.advance(seconds)
        return JSONResponse({})


def _string(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ControlError(f"{name} must be a non-empty string")
    return value


def _variants(value: Any) -> dict[str, dict[str, tuple[int, int]]]:
    try:
        variants = msgspec.convert(value, dict[str, dict[str, tuple[int, int]]])
    except msgspec.ValidationError as error:
        raise ControlError(f"variants: {error}") from None
    if not variants or any(min(pair) < 0 for labels in variants.values() for pair in labels.values()):
        raise ControlError("variants must not be empty, and have numbers of 0 or more")
    return variants
