from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.results import AddDataResult
from airflow_provider_ei.sources.local import LocalFile
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from airflow_provider_ei.sync.item.upload import ItemUpload
from airflow_provider_ei.sync.item.wanted import WantedItem
from tests.support.files import before_each_read, made_up
from tests.support.studio import KEY, ORGANIZATION, reset

from .lab import SyncLab

OpenClient = Callable[..., OrganizationDataApi]
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

    def open_api(
        *, sleep: Callable[[float], None] = lambda seconds: None, connections: int = 1, **settings: Any
    ) -> OrganizationDataApi:
        values = {"api_key": KEY, "base_url": sync_studio.url, "read_timeout": 30.0} | settings
        clients.append(HttpClient(StudioSettings(**values), connections=connections, sleep=sleep))
        return OrganizationDataApi(clients[-1], ORGANIZATION)

    yield open_api
    for client in clients:
        client.close()


@pytest.fixture
def sync_api(sync_open: OpenClient) -> OrganizationDataApi:
    return sync_open()


@pytest.fixture
def sync_upload(sync_api: OrganizationDataApi) -> Upload:
    """Make item ``run 1`` of dataset ``d`` what is given: ``sync_upload(files, metadata)``."""

    def upload(
        files: Mapping[str, bytes] | Sequence[Any],
        metadata: Mapping[str, str] | None = None,
        *,
        if_exists: Any = "update",
        api: OrganizationDataApi = sync_api,
        name: str = "run 1",
        **more: Any,
    ) -> AddDataResult:
        sources = made_up(files) if isinstance(files, Mapping) else list(files)
        wanted = WantedItem(name, "d", sources, dict(metadata or {}), **more)
        return ItemUpload(api, wanted, if_exists).run()

    return upload


@pytest.fixture
def lab(sync_studio: EmulatorServer, sync_open: OpenClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SyncLab:
    """A folder, an emulated Studio, and a sync between them."""
    (tmp_path / "study").mkdir()
    made = SyncLab(sync_studio, tmp_path / "study", sync_open)

    def tell(file: LocalFile) -> None:
        name = os.path.relpath(file.path, made.top)
        made.opened.append(name)
        made.on_open(name)

    before_each_read(monkeypatch, tell)
    return made
