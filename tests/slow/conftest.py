"""An emulated Studio over TLS in a process of its own, so that its memory and descriptors are not the uploader's."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import API_KEY

Upload = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def tls_emulator(certificate: Path, tmp_path: Path) -> Iterator[str]:
    """Base URL of the emulator."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "airflow_provider_ei.emulator", "--port=0", f"--api-key={API_KEY}"),
            *(f"--data-dir={tmp_path / 'emulator'}", f"--certfile={certificate}"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split(" API ")[1].split()[0]
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def upload(tls_emulator: str, certificate: Path) -> Upload:
    """Upload in a process of its own; return the result and the peak memory in bytes."""
    connection = {"conn_type": "edge_impulse", "host": tls_emulator, "password": API_KEY}
    environment = os.environ | {
        "AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT": json.dumps(connection),
        "REQUESTS_CA_BUNDLE": str(certificate),
    }

    def run(*arguments: str) -> dict[str, Any]:
        command = [sys.executable, str(Path(__file__).parent / "upload.py"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    return run
