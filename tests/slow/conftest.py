"""An emulated Studio over TLS in its own process, so that its memory and descriptors are not the uploader's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import API_KEY
from tests.support.certificates import self_signed

Upload = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a certificate for 127.0.0.1 and its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))[0]


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
    """Upload in another process; return the result and the peak memory in bytes."""
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
