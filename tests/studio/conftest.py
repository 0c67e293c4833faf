from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.certificates import self_signed
from tests.support.studio import reset

KEY = "ei_studio_tests_0123456789abcdef"

OpenClient = Callable[..., HttpClient]


@pytest.fixture(autouse=True)
def studio_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's proxies, certificates and .netrc out."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="session")
def studio_one_emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=7)) as server:
        yield server


@pytest.fixture
def studio_emulator(studio_one_emulator: EmulatorServer) -> EmulatorServer:
    """An emulator without data, faults and requests, its switches at their defaults."""
    reset(studio_one_emulator)
    return studio_one_emulator


@pytest.fixture
def studio_sleeps() -> list[float]:
    """How long the clients of ``studio_open`` were told to sleep; none of them does."""
    return []


@pytest.fixture
def studio_open(studio_sleeps: list[float]) -> Iterator[OpenClient]:
    """Open a client: ``studio_open(url, **settings)``."""
    clients = []

    def open_client(url: str, **settings: object) -> HttpClient:
        values: dict[str, object] = {"api_key": KEY, "retry_attempts": 1, "read_timeout": 30.0} | settings
        client = HttpClient(StudioSettings(base_url=url, **values), sleep=studio_sleeps.append)  # type: ignore[arg-type]
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        client.close()


@pytest.fixture
def studio_client(studio_emulator: EmulatorServer, studio_open: OpenClient) -> HttpClient:
    """A client of the emulator that tries everything once."""
    return studio_open(studio_emulator.url)


@pytest.fixture(scope="session")
def studio_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a key and a certificate for 127.0.0.1 that nobody trusts."""
    return self_signed(tmp_path_factory.mktemp("tls"))[0]
