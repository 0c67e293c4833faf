"""The running server: uvicorn on a real socket, in a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_ei.emulator.api.ingestion import PATHS as INGESTION_PATHS
from airflow_provider_ei.emulator.control import ControlApi
from airflow_provider_ei.emulator.cross_site_guard import CrossSiteGuard
from airflow_provider_ei.emulator.dispatch import Dispatcher
from airflow_provider_ei.emulator.emulator_clock import EmulatorClock
from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.error_responses import EXCEPTION_HANDLERS
from airflow_provider_ei.emulator.faults import FaultQueue
from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.request_log import RequestLog
from airflow_provider_ei.emulator.tcp_connections import TcpConnections
from airflow_provider_ei.emulator.web_page import page_routes
from airflow_provider_ei.emulator.workspace import Workspace

# A client would see the end of an idle connection as a fault that no test has injected.
_KEEP_ALIVE_SECONDS = 600
_GRACE_SECONDS = 0.5
_MAX_HEAD_BYTES = 256 << 10
_WORKERS = 8
_FLUSH_SECONDS = 60


class ServerThread:
    """A thread whose server accepts connections, with the resources that :meth:`stop` releases.

    :raises OSError: if the address cannot be used, the certificate cannot be read, or ``data_dir`` does not belong
        to the emulator.
    :raises sqlite3.OperationalError: if another emulator uses the data directory.
    """

    def __init__(
        self,
        settings: EmulatorSettings,
        faults: FaultQueue,
        log: RequestLog,
        clock: EmulatorClock,
        *,
        data_dir: str | Path | None,
        address: tuple[str, int],
        ingestion_port: int | None,
        certfile: str | Path | None,
        keyfile: str | Path | None,
    ) -> None:
        with ExitStack() as resources:
            listener = resources.enter_context(_listen(address))
            self.address: tuple[str, int] = (address[0], listener.getsockname()[1])
            listeners = [listener]
            if ingestion_port is not None:
                listeners.append(resources.enter_context(_listen((address[0], ingestion_port))))
            self.ingestion_port: int = listeners[-1].getsockname()[1]
            if data_dir is None:
                folder = tempfile.TemporaryDirectory(prefix="edge-impulse-emulator-")
                data_dir = resources.enter_context(folder)
            self.store = ItemStore(Path(data_dir))
            resources.callback(self.store.close)
            executor = resources.enter_context(ThreadPoolExecutor(_WORKERS, "emulator-worker"))
            connections = TcpConnections()
            self.workspace = Workspace(settings, clock, log)
            self.store.samples.delete_others(self.workspace.projects)  # projects are forgotten when the server stops
            self.dispatcher = Dispatcher(self.store, self.workspace, settings, faults, log, connections, executor)
            self._control = ControlApi(self.store, self.workspace, settings, faults, log, self.dispatcher, executor)
            ingestion = [Route(f"/api/{path}/files", self.dispatcher) for path in INGESTION_PATHS]
            studio = [*page_routes(settings), *self._control.routes(), Mount("/v1/api", app=self.dispatcher)]
            application = _application([*studio, *ingestion])
            if ingestion_port is not None:
                application = _by_port(application, self.ingestion_port, _application(ingestion))
            config = uvicorn.Config(
                CrossSiteGuard(application, address[0]),
                http=connections.protocol(),
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
                ssl_certfile=certfile,
                ssl_keyfile=keyfile,
            )
            config.load()
            self._server = _Server(config, self.dispatcher, connections)
            self._thread = threading.Thread(
                target=self._server.run, args=(listeners,), name="edge-impulse-emulator", daemon=True
            )
            self._thread.start()
            while not self._server.accepting.wait(0.05):
                if not self._thread.is_alive():
                    raise RuntimeError("the emulator's server has not started")
            self._resources = resources.pop_all()

    def flush_late(self) -> None:
        """Carry out now what ``store_late`` faults have delayed. Not for the server's own thread."""
        self._server.run_in_loop(self.dispatcher.late.flush())

    def reset(self) -> None:
        """Forget all data, requests and faults. Not for the server's own thread."""
        self._server.run_in_loop(self._control.reset())

    def stop(self) -> None:
        """Stop the server and release its resources."""
        self._server.stop()
        self._thread.join()
        self._resources.close()


class _Server(uvicorn.Server):
    """Uvicorn with an event for the moment when it accepts connections, and a stop that waits for no client."""

    def __init__(self, config: uvicorn.Config, dispatcher: Dispatcher, connections: TcpConnections) -> None:
        super().__init__(config)
        self.accepting = threading.Event()
        self._dispatcher = dispatcher
        self._connections = connections

    def run_in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the server's thread and wait for it. For other threads."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_FLUSH_SECONDS)

    def stop(self) -> None:
        """End the server. For other threads."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        await super().startup(sockets)
        self.accepting.set()

    async def main_loop(self) -> None:
        ticking = asyncio.create_task(super().main_loop())
        await self._stopped.wait()
        ticking.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Uvicorn's own shutdown waits until its clients have closed their connections.
        self._dispatcher.stop()
        for server in self.servers:
            server.close()
        self._connections.close_all()
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=_GRACE_SECONDS)


def _application(routes: Sequence[BaseRoute]) -> ASGIApp:
    application = Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)
    application.router.redirect_slashes = False
    return application


def _by_port(application: ASGIApp, port: int, application_of_port: ASGIApp) -> ASGIApp:
    """Return an application that passes the requests to one port to another application."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        is_there = scope.get("server") is not None and scope["server"][1] == port
        await (application_of_port if is_there else application)(scope, receive, send)

    return choose


def _listen(address: tuple[str, int]) -> socket.socket:
    family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
    # Nagle's algorithm adds 40 ms to each response; asyncio disables it only if the socket names its protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener
