"""Airflow with a home of its own for each test process, and an emulated Studio that the default connection leads to."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

# Before the first import of airflow, which reads them once.
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
_home = tempfile.mkdtemp(prefix="airflow-test-home-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
# Airflow 3 runs only what lies in the DAGs folder: the examples are copied there, as users do, and tests add theirs.
DAGS_FOLDER = Path(_home, "dags")
shutil.copytree(Path(__file__).resolve().parent.parent / "example_dags", DAGS_FOLDER / "examples")
os.environ.update(
    AIRFLOW_HOME=_home,
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(DAGS_FOLDER),
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    # A proxy of this shell has no business between a test and its own server.
    NO_PROXY="127.0.0.1,localhost",
)

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings  # noqa: E402

API_KEY = "ei_0123456789abcdef_the_key_of_the_tests"


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    """An emulated Studio with organization 7."""
    with EmulatorServer(EmulatorSettings(api_key=API_KEY, organization_id=7)) as server:
        yield server


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the default connection: ``connect(host=…, password=…, **extra)``; waits are short unless given."""

    def set_connection(host: str, password: str = API_KEY, **extra: object) -> None:
        quick = {"retry_wait": 0.01, "settle_seconds": 0.01}
        connection = {"conn_type": "edge_impulse", "host": host, "password": password, "extra": quick | extra}
        monkeypatch.setenv("AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT", json.dumps(connection))

    return set_connection


@pytest.fixture
def studio(emulator: EmulatorServer, connect: Callable[..., None]) -> EmulatorServer:
    """The emulated Studio, with the default connection leading to it."""
    connect(emulator.url, organization_id=7)
    return emulator


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's database, so that ``dag.test()`` runs as in an installation."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def free_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def write_tree(tmp_path: Path) -> Callable[..., Path]:
    """Write files below a new folder: ``write_tree({"s1/x.csv": b"…"})``."""

    def write(files: Mapping[str, bytes], folder: str = "tree") -> Path:
        top = tmp_path / folder
        top.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return top

    return write


@pytest.fixture
def write_deep_folder(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Make a file 990 folders deep, each named ``d``: ``write_deep_folder("tree/a")``; ``rm`` removes it."""

    def make(folder: str) -> str:
        path = str(tmp_path / folder)
        os.makedirs(path, exist_ok=True)
        for _ in range(990):
            path += "/d"
            os.mkdir(path)
        Path(path, "y.csv").write_bytes(b"1")
        return path

    yield make
    subprocess.run(["rm", "-rf", *map(str, tmp_path.iterdir())], check=True)
