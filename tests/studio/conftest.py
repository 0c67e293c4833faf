from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings

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
    server = studio_one_emulator
    requests.post(f"{server.page_url}emulator/reset", timeout=30).raise_for_status()
    server.settings.change(EmulatorSettings().switches())
    return server


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
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
