"""A client leaves no socket behind: when it is closed, and when it is only dropped."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.studio.api.organizations import OrganizationApi, list_organizations
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from tests.studio.conftest import KEY
from tests.support.sockets import open_connections


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """What is asserted here must not depend on when the collector happens to run."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def succeed(client: HttpClient) -> None:
    list_organizations(client)


def fail(client: HttpClient) -> None:
    with pytest.raises(EdgeImpulseError):
        OrganizationApi(client, 7).get_dataset("no such dataset")


@pytest.fixture(params=[succeed, fail], ids=["after success", "after an error"])
def use(request: pytest.FixtureRequest) -> Callable[[HttpClient], None]:
    """Send a request, so that there is a connection to close."""
    function: Callable[[HttpClient], None] = request.param
    return function


def client_of(emulator: EmulatorServer) -> HttpClient:
    return HttpClient(StudioSettings(api_key=KEY, base_url=emulator.url, retry_attempts=1))


def test_closing_closes_the_sockets(studio_emulator: EmulatorServer, use: Callable[[HttpClient], None]) -> None:
    before = open_connections(studio_emulator.url)
    client = client_of(studio_emulator)
    use(client)
    assert open_connections(studio_emulator.url) == before + 1
    client.close()
    assert open_connections(studio_emulator.url) == before


def test_a_client_that_is_dropped_closes_its_sockets_without_the_garbage_collector(
    studio_emulator: EmulatorServer,
) -> None:
    before = open_connections(studio_emulator.url)
    client = client_of(studio_emulator)
    succeed(client)
    session = weakref.ref(client._session)
    gone = weakref.ref(client)
    del client
    assert gone() is None
    assert session() is None
    assert open_connections(studio_emulator.url) == before


def test_many_clients_that_failed_keep_no_socket(studio_emulator: EmulatorServer) -> None:
    before = open_connections(studio_emulator.url)
    for _ in range(20):
        fail(client_of(studio_emulator))
    gc.collect()
    assert open_connections(studio_emulator.url) == before
