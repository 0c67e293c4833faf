"""Files of samples for tests, and uploads of them without Airflow."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.results import UploadSamplesResult
from airflow_provider_ei.samples.options import UploadOptions
from airflow_provider_ei.samples.prepare import prepare_samples
from airflow_provider_ei.samples.upload import SampleUpload
from airflow_provider_ei.studio.api.ingestion import IngestionApi
from airflow_provider_ei.studio.api.samples import SamplesApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.studio import UPLOAD_SAMPLES

PROJECT = 1


def csv(number: float) -> bytes:
    """A recording; each number makes another content."""
    return f"timestamp,x\n0,{number}\n10,{number}\n20,1\n".encode()


def png(width: int, height: int, shade: int = 0) -> bytes:
    """A gray image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([shade]) * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """The beginning of an image, as far as the service looks at it: its size comes after a comment of 60,000 bytes."""
    comment = b"\xff\xfe" + struct.pack(">H", 60_002) + bytes(60_000)
    return b"\xff\xd8" + comment + b"\xff\xc0" + struct.pack(">HBHHB", 8, 8, height, width, 1)


def boxes_file(boxes: Mapping[str, Any]) -> bytes:
    return json.dumps({"version": 1, "type": "bounding-box-labels", "boundingBoxes": boxes}).encode()


def spans_file(spans: Mapping[str, Any]) -> bytes:
    return json.dumps({"version": 1, "type": "structured-labels", "structuredLabels": spans}).encode()


def info_file(*files: Mapping[str, Any]) -> bytes:
    return json.dumps({"version": 1, "files": files}).encode()


def no_store(uri: str) -> NoReturn:
    raise AssertionError(f"{uri} is not in a store")


@contextmanager
def clients(
    server: EmulatorServer, *, sleep: Callable[[float], None] = lambda seconds: None, **settings: Any
) -> Iterator[tuple[SamplesApi, IngestionApi]]:
    """The operations on the samples of the emulator's project."""
    values = {"api_key": server.project_api_key, "base_url": server.url, "retry_wait": 0.0, "settle_seconds": 0.0}
    studio = StudioSettings(**{**values, **settings})
    ingestion = studio.for_ingestion(server.ingestion_url)
    with (
        HttpClient(studio, connections=8, sleep=sleep) as http,
        HttpClient(ingestion, connections=8, sleep=sleep) as other,
    ):
        yield SamplesApi(http, PROJECT), IngestionApi(other)


def upload_samples(
    server: EmulatorServer,
    files: Any,
    *,
    sleep: Callable[[float], None] = lambda seconds: None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> UploadSamplesResult:
    """One upload, as the hook does it."""
    checked = UploadOptions.check(**{"category": "training", "workers": 4, **options})
    samples, _ = prepare_samples(str(files) if isinstance(files, Path) else files, checked, no_store)
    with clients(server, sleep=sleep, **(settings or {})) as (api, ingestion):
        return SampleUpload(api, ingestion, samples, checked, url="").run()


def stored(server: EmulatorServer) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Category, label and metadata of each sample, by the name of its file, which must occur only once."""
    samples = server.samples.list()
    found = {sample.file_name: (sample.category, sample.label, sample.metadata) for sample in samples}
    assert len(found) == len(samples)
    return found


def sent_files(server: EmulatorServer) -> list[str]:
    """Names of the files in all requests to the ingestion service, sorted."""
    return sorted(
        file.name for request in server.requests() if request.operation == UPLOAD_SAMPLES for file in request.files
    )
