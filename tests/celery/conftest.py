"""Fixtures: PostgreSQL, Redis, Airflow with two workers and a triggerer, and an emulated Studio."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from tests.conftest import API_KEY
from tests.support.sockets import free_ports

from .services import postgres, redis
from .stack import Stack

PROJECT_API_KEY = "ei_fedcba9876543210_the_project_key_of_the_tests"

#: The folder of the sources; each DAG syncs the subfolder with its own name.
SOURCES_VARIABLE = "CELERY_TEST_SOURCES"


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user can enter."""
    path = Path(tempfile.mkdtemp(prefix="airflow-celery-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def studio_server() -> Iterator[EmulatorServer]:
    settings = EmulatorSettings(api_key=API_KEY, organization_id=7, project_api_key=PROJECT_API_KEY)
    with EmulatorServer(settings) as server:
        yield server


@pytest.fixture(scope="session")
def one_stack(folder: Path, studio_server: EmulatorServer) -> Iterator[Stack]:
    connection = {
        "conn_type": "edge_impulse",
        "host": studio_server.url,
        "password": API_KEY,
        "extra": {"organization_id": 7, "retry_wait": 0.1, "settle_seconds": 0.1},
    }
    project = {"conn_type": "edge_impulse_project", "host": studio_server.url, "password": PROJECT_API_KEY}
    settings = {
        "AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT": json.dumps(project),
        SOURCES_VARIABLE: str(folder / "sources"),
    }
    # When the tests are terminated, everything that they have started ends too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    postgres_port, redis_port, api_port = free_ports(3)
    try:
        with ExitStack() as running:
            database = running.enter_context(postgres(folder, postgres_port))
            broker = running.enter_context(redis(folder, redis_port))
            stack = Stack(folder, port=api_port, broker=broker, database=database, settings=settings)
            running.callback(stack.stop)
            stack.start()
            yield stack
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def sources(folder: Path) -> Path:
    """The folder with the sources of the DAGs."""
    return folder / "sources"


@pytest.fixture
def stack(one_stack: Stack) -> Stack:
    """Airflow with both workers running, even if an earlier test has killed one."""
    one_stack.start_workers()
    return one_stack


@pytest.fixture
def studio(studio_server: EmulatorServer) -> EmulatorServer:
    """The emulated Studio; its request log begins with this test, its datasets are those of all tests."""
    studio_server.clear_requests()
    return studio_server
