"""A task that is told to stop does so at once, wherever it is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseCancelledError
from airflow_provider_ei.studio.api.organizations import list_organizations
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.files import MadeUpFile
from tests.support.studio import data_api

from .conftest import KEY
from .wire import SocketServer


def client_of(url: str) -> HttpClient:
    """A client whose own timeouts would last far longer than any test."""
    return HttpClient(StudioSettings(api_key=KEY, base_url=url, read_timeout=900, write_timeout=900, retry_wait=900))


def cancelled_at(client: HttpClient, moment: threading.Event, call: Callable[[], object]) -> None:
    def cancel() -> None:
        moment.wait(60)
        client.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        with pytest.raises(EdgeImpulseCancelledError):
            call()
    finally:
        moment.set()
        thread.join()


class TestCancelling:
    def test_while_it_waits_for_the_answer(self) -> None:
        received = threading.Event()

        def silent(connection: socket.socket) -> None:
            connection.recv(65536)
            received.set()
            connection.recv(65536)  # until the client ends it

        with SocketServer(silent) as server, client_of(server.url) as client:
            cancelled_at(client, received, lambda: list_organizations(client))

    def test_while_it_sends(self) -> None:
        began = threading.Event()

        def deaf(connection: socket.socket) -> None:
            connection.recv(1024)
            began.set()
            threading.Event().wait(0.5)  # reads no further until the client has filled all buffers, or is cancelled
            while connection.recv(65536):
                pass

        with SocketServer(deaf, receive_buffer=4096) as server, client_of(server.url) as client:
            file = MadeUpFile("large.bin", bytes(64 * 1024 * 1024))
            cancelled_at(client, began, lambda: data_api(client).add_files(1, [file]))

    def test_while_it_waits_before_the_next_try(self) -> None:
        refused = threading.Event()

        def unavailable(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 503 No\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")
            refused.set()

        with SocketServer(unavailable) as server, client_of(server.url) as client:
            cancelled_at(client, refused, lambda: list_organizations(client))
            assert server.connections == 1

    def test_before_anything_is_sent(self) -> None:
        with SocketServer(lambda connection: None) as server, client_of(server.url) as client:
            client.cancel()
            with pytest.raises(EdgeImpulseCancelledError):
                list_organizations(client)
            assert server.connections == 0
