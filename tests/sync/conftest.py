from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.results import AddDataResult
from airflow_provider_ei.sources.pinned import LocalFile
from airflow_provider_ei.studio.client import StudioClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.apply import ItemUpload
from airflow_provider_ei.sync.item import WantedItem
from tests.support.files import made_up
from tests.support.studio import KEY, ORGANIZATION, reset

from .lab import SyncLab

OpenClient = Callable[..., StudioClient]
Upload = Callable[..., AddDataResult]


@pytest.fixture(autouse=True)
def sync_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine's proxies out."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def sync_one_studio() -> Iterator[EmulatorServer]:
    with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=ORGANIZATION)) as server:
        yield server


@pytest.fixture
def sync_studio(sync_one_studio: EmulatorServer) -> EmulatorServer:
    """An emulator without data, faults and requests, its switches at their defaults."""
    reset(sync_one_studio)
    return sync_one_studio


@pytest.fixture
def sync_open(sync_studio: EmulatorServer) -> Iterator[OpenClient]:
    """Open a client: ``sync_open(sleep=…, **settings)``. It does not sleep."""
    clients = []

    def open_client(
        *, sleep: Callable[[float], None] = lambda seconds: None, connections: int = 1, **settings: Any
    ) -> StudioClient:
        values = {"api_key": KEY, "base_url": sync_studio.url, "read_timeout": 30.0} | settings
        clients.append(StudioClient(StudioSettings(**values), connections=connections, sleep=sleep))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()


@pytest.fixture
def sync_client(sync_open: OpenClient) -> StudioClient:
    return sync_open()


@pytest.fixture
def sync_upload(sync_client: StudioClient) -> Upload:
    """Make item ``run 1`` of dataset ``d`` what is given: ``sync_upload(files, metadata)``."""

    def upload(
        files: Mapping[str, bytes] | Sequence[Any],
        metadata: Mapping[str, str] | None = None,
        *,
        if_exists: Any = "update",
        client: StudioClient = sync_client,
        name: str = "run 1",
        **more: Any,
    ) -> AddDataResult:
        sources = made_up(files) if isinstance(files, Mapping) else list(files)
        wanted = WantedItem(name, "d", sources, dict(metadata or {}), **more)
        return ItemUpload(client, ORGANIZATION, wanted, if_exists).run()

    return upload


@pytest.fixture
def sync_tree(tmp_path: Path) -> Callable[..., Path]:
    """Write files below a new folder: ``sync_tree({"s1/x.csv": b"…"})``."""

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
def sync_deep(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Make a file 990 folders deep, each named ``d``: ``sync_deep("tree/a")``; removed by a tool that goes so deep."""

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


@pytest.fixture
def lab(sync_studio: EmulatorServer, sync_open: OpenClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SyncLab:
    """A folder, an emulated Studio, and a sync between them."""
    (tmp_path / "study").mkdir()
    made = SyncLab(sync_studio, tmp_path / "study", sync_open)
    open_file = LocalFile.open

    def open_and_tell(file: LocalFile) -> Any:
        name = os.path.relpath(file.path, made.top)
        made.opened.append(name)
        made.on_open(name)
        return open_file(file)

    monkeypatch.setattr(LocalFile, "open", open_and_tell)
    return made
