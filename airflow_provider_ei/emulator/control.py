"""The control API under ``/emulator``: request log, faults, switches, buckets, state. It needs no key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import asdict

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from airflow_provider_ei.emulator.control_projects import ProjectRoutes
from airflow_provider_ei.emulator.control_requests import (
    ControlError,
    check_content_type,
    count,
    json_body,
    json_object,
)
from airflow_provider_ei.emulator.dispatch import Dispatcher
from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.error_responses import error_response
from airflow_provider_ei.emulator.faults import Fault, FaultQueue
from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.request_log import RequestLog
from airflow_provider_ei.emulator.state_report import describe_state
from airflow_provider_ei.emulator.workspace import Workspace

DEFAULT_ITEMS = 200
DEFAULT_FILES = 20
DEFAULT_CHARACTERS = 10_000

Handler = Callable[[Request], Awaitable[Response]]


class ControlApi:
    """The routes of the control API. The response to an invalid request has a status of 4xx and ``error``."""

    def __init__(
        self,
        store: ItemStore,
        workspace: Workspace,
        settings: EmulatorSettings,
        faults: FaultQueue,
        log: RequestLog,
        dispatcher: Dispatcher,
        executor: Executor,
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._projects = ProjectRoutes(workspace, store)
        self._settings = settings
        self._faults = faults
        self._log = log
        self._dispatcher = dispatcher
        self._executor = executor

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        handlers: list[tuple[str, str, Handler]] = [
            ("GET", "requests", self._get_requests),
            ("DELETE", "requests", self._delete_requests),
            ("GET", "faults", self._get_faults),
            ("POST", "faults", self._post_faults),
            ("DELETE", "faults", self._delete_faults),
            ("GET", "settings", self._get_settings),
            ("PATCH", "settings", self._patch_settings),
            ("POST", "buckets", self._post_buckets),
            ("GET", "state", self._get_state),
            ("POST", "reset", self._post_reset),
            ("GET", "projects", self._projects.get_projects),
            ("POST", "projects", self._projects.post_projects),
            ("GET", "samples", self._projects.get_samples),
            ("POST", "results", self._projects.post_results),
            ("POST", "plans", self._projects.post_plans),
            ("POST", "clock", self._projects.post_clock),
        ]
        by_path: dict[str, dict[str, Handler]] = {}
        for method, path, handler in handlers:
            by_path.setdefault(path, {})[method] = handler
        return [
            Route(f"/emulator/{path}", _endpoint(by_method), methods=list(by_method))
            for path, by_method in by_path.items()
        ]

    async def _get_requests(self, request: Request) -> Response:
        """Return all logged API requests, oldest first: see ``RequestRecord``."""
        return await self._in_thread(
            lambda: Response(msgspec.json.encode({"requests": self._log.records()}), media_type="application/json")
        )

    async def _delete_requests(self, request: Request) -> Response:
        self._log.clear()
        return JSONResponse({})

    async def _get_faults(self, request: Request) -> Response:
        """Return the faults that are still to come."""
        return JSONResponse({"faults": [asdict(fault) for fault in self._faults.waiting()]})

    async def _post_faults(self, request: Request) -> Response:
        """Inject the faults of a list of objects with the members of ``Fault``: all of them or none."""
        wanted = await json_body(request)
        if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
            raise ControlError("The request must be a JSON list of objects")
        self._faults.inject([Fault(**each) for each in wanted])
        return await self._get_faults(request)

    async def _delete_faults(self, request: Request) -> Response:
        self._faults.clear()
        return JSONResponse({})

    async def _get_settings(self, request: Request) -> Response:
        """Return the switches."""
        return JSONResponse(self._settings.switches())

    async def _patch_settings(self, request: Request) -> Response:
        """Set the switches of an object: all of them or none."""
        self._settings.change(await json_object(request))
        return await self._get_settings(request)

    async def _post_buckets(self, request: Request) -> Response:
        """Add a bucket with the ``name`` of an object unless it exists, and return its ``id``."""
        name = (await json_object(request)).get("name")
        if not isinstance(name, str) or not name or not _is_unicode(name):
            raise ControlError("name must be a non-empty string")
        return await self._in_thread(lambda: JSONResponse({"id": self._store.add_bucket(name)}))

    async def _get_state(self, request: Request) -> Response:
        """Return totals, datasets, items and files.

        ``items`` and ``files`` (of each item) limit their numbers, ``characters`` the length of each metadata value;
        ``search`` selects items by name. The ETag stands for the version: a request with ``If-None-Match`` gets a 304
        until something changes.
        """
        limits = {
            "items_limit": count(request, "items", DEFAULT_ITEMS),
            "files_limit": count(request, "files", DEFAULT_FILES),
            "characters_limit": count(request, "characters", DEFAULT_CHARACTERS),
        }
        search = request.query_params.get("search", "")
        headers = {"etag": f'"{self._store.version}"', "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)

        def answer() -> Response:
            return JSONResponse(describe_state(self._store, search=search, **limits), headers=headers)

        return await self._in_thread(answer)

    async def _post_reset(self, request: Request) -> Response:
        await self.reset()
        return JSONResponse({})

    async def reset(self) -> None:
        """Forget all data, requests and faults. The switches keep their values."""
        self._dispatcher.late.drop()
        self._faults.clear()
        self._log.clear()
        await asyncio.get_running_loop().run_in_executor(self._executor, self._store.reset)
        self._workspace.reset()

    async def _in_thread(self, work: Callable[[], Response]) -> Response:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _endpoint(handlers: dict[str, Handler]) -> Handler:
    """Return the endpoint of a path. An invalid value is the client's mistake: status 400."""

    async def endpoint(request: Request) -> Response:
        try:
            if request.method not in ("GET", "HEAD"):
                check_content_type(request)
            return await handlers["GET" if request.method == "HEAD" else request.method](request)
        except ControlError as error:
            return error_response(str(error), error.status)
        except (TypeError, ValueError) as error:  # from Fault and EmulatorSettings
            return error_response(str(error), 400)

    return endpoint


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
