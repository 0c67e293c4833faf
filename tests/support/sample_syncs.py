"""Syncs of samples without Airflow, and what the project must have after one."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.results import SampleSyncSummary
from airflow_provider_ei.studio.api.ingestion import IngestionApi
from airflow_provider_ei.studio.api.samples import SamplesApi
from airflow_provider_ei.sync.metadata import STATE_KEY
from airflow_provider_ei.sync.samples.options import SampleSyncOptions
from airflow_provider_ei.sync.samples.sample_index import SampleIndex
from airflow_provider_ei.sync.samples.sync import SampleSync

from .samples import clients, no_store

SYNC_ID = "nightly"
_LONG_AGO = 1_700_000_000


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Let a folder have exactly these files, with times that depend on their content."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in files.items():
        add(folder, name, data)
    return folder


def add(folder: Path, name: str, data: bytes) -> None:
    """Write one file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (_LONG_AGO, _LONG_AGO + zlib.crc32(data) % 1_000_000))


def remove(folder: Path, name: str) -> None:
    """Remove one file, and the folders that are empty then."""
    path = folder / name
    path.unlink()
    for above in path.parents:
        if above == folder or any(above.iterdir()):
            return
        above.rmdir()


def run(api: SamplesApi, ingestion: IngestionApi, source: object, *, dry_run: bool = False, **arguments: Any) -> Any:
    """One run of the product, as the hook does it."""
    options = SampleSyncOptions.check(**{"source": source, "sync_id": SYNC_ID, "workers": 4, **arguments})
    index = SampleIndex(options)
    index.read(arguments.pop("open_store", no_store))
    return SampleSync(api, ingestion, index, options, url="").run(dry_run=dry_run)


def sync(
    server: EmulatorServer,
    source: object,
    *,
    sleep: Callable[[float], None] = lambda seconds: None,
    settings: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> SampleSyncSummary:
    """One run with clients of its own."""
    with clients(server, sleep=sleep, **(settings or {})) as (api, ingestion):
        summary: SampleSyncSummary = run(api, ingestion, source, **arguments)
        return summary


def stored(server: EmulatorServer) -> dict[str, tuple[bytes, dict[str, str]]]:
    """The bytes and the user's metadata of each sample, by ``category/label/file name``, which must be unique."""
    samples = server.samples.list()
    found = {
        f"{sample.category}/{sample.label}/{sample.file_name}": (
            server.samples.read(sample.id),
            {key: value for key, value in sample.metadata.items() if key != STATE_KEY},
        )
        for sample in samples
    }
    assert len(found) == len(samples), "a sample is there twice"
    return found


def contents(server: EmulatorServer) -> dict[str, bytes]:
    """The same without the metadata."""
    return {name: data for name, (data, _) in stored(server).items()}
