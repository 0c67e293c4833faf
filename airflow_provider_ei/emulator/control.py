"""The control API under ``/emulator``: request log, faults, switches, state. It asks for no key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from airflow_provider_ei.emulator.api import Api
from airflow_provider_ei.emulator.faults import Fault, FaultQueue
from airflow_provider_ei.emulator.request_log import RequestLog
from airflow_provider_ei.emulator.settings import EmulatorSettings
from airflow_provider_ei.emulator.state import describe
from airflow_provider_ei.emulator.store import Store

DEFAULT_ITEMS = 200
DEFAULT_FILES = 20


class Control:
    """Its routes. A request that makes no sense is answered with 400 and ``error``."""

    def __init__(
        self,
        store: Store,
        settings: EmulatorSettings,
        faults: FaultQueue,
        log: RequestLog,
        api: Api,
        executor: Executor,
    ) -> None:
        self._store = store
        self._settings = settings
        self._faults = faults
        self._log = log
        self._api = api
        self._executor = executor

    def routes(self) -> list[BaseRoute]:
        """The routes of the control API."""
        return [
            Route("/emulator/requests", self._get_requests, methods=["GET"]),
            Route("/emulator/requests", self._delete_requests, methods=["DELETE"]),
            Route("/emulator/faults", self._get_faults, methods=["GET"]),
            Route("/emulator/faults", self._post_faults, methods=["POST"]),
            Route("/emulator/faults", self._delete_faults, methods=["DELETE"]),
            Route("/emulator/settings", self._get_settings, methods=["GET"]),
            Route("/emulator/settings", self._patch_settings, methods=["PATCH"]),
            Route("/emulator/state", self._get_state, methods=["GET"]),
            Route("/emulator/reset", self._reset, methods=["POST"]),
        ]

    async def _get_requests(self, request: Request) -> Response:
        """All logged API requests, oldest first: see ``RequestRecord``."""
        return await self._in_thread(
            lambda: JSONResponse({"requests": [asdict(record) for record in self._log.records()]})
        )

    async def _delete_requests(self, request: Request) -> Response:
        self._log.clear()
        return JSONResponse({})

    async def _get_faults(self, request: Request) -> Response:
        """The faults still to come."""
        return JSONResponse({"faults": [asdict(fault) for fault in self._faults.waiting()]})

    async def _post_faults(self, request: Request) -> Response:
        """Takes a list of objects with the members of ``Fault``; orders all of them or none."""
        try:
            wanted = await request.json()
            self._faults.order([Fault(**each) for each in wanted])
        except (TypeError, ValueError) as error:
            return _refused(error)
        return await self._get_faults(request)

    async def _delete_faults(self, request: Request) -> Response:
        self._faults.clear()
        return JSONResponse({})

    async def _get_settings(self, request: Request) -> Response:
        """The switches."""
        return JSONResponse(self._settings.switches())

    async def _patch_settings(self, request: Request) -> Response:
        """Takes an object with some of the switches; sets all of them or none."""
        try:
            self._settings.change(dict(await request.json()))
        except (TypeError, ValueError) as error:
            return _refused(error)
        return await self._get_settings(request)

    async def _get_state(self, request: Request) -> Response:
        """Totals, datasets, items and files.

        ``items`` and ``files`` (of each item) limit it, ``search`` picks items by name. An ETag stands for
        the version: asking again with ``If-None-Match`` costs nothing until something changes.
        """
        try:
            items_limit = max(0, int(request.query_params.get("items", DEFAULT_ITEMS)))
            files_limit = max(0, int(request.query_params.get("files", DEFAULT_FILES)))
        except ValueError as error:
            return _refused(error)
        search = request.query_params.get("search", "")
        headers = {"etag": f'"{self._store.version}"', "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)

        def answer() -> Response:
            state = describe(self._store, items_limit=items_limit, files_limit=files_limit, search=search)
            return JSONResponse(state, headers=headers)

        return await self._in_thread(answer)

    async def _reset(self, request: Request) -> Response:
        """Forgets all data, requests and faults; the switches stay as they are."""
        self._api.forget_late()
        self._faults.clear()
        self._log.clear()

        def reset() -> Response:
            self._store.reset()
            return JSONResponse({})

        return await self._in_thread(reset)

    async def _in_thread(self, work: Callable[[], Response]) -> Response:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _refused(error: Exception) -> Response:
    answer: dict[str, Any] = {"error": str(error)}
    return JSONResponse(answer, status_code=400)
