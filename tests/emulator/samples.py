"""Files of samples for tests, and a client of the ingestion service."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from airflow_provider_ei.emulator import EmulatorServer

CSV = b"timestamp,accX,accY\n0,0.5,1\n100,0.25,2\n200,0.125,3\n"


def acquisition(*values: float, interval_ms: float = 10.0) -> bytes:
    """A file in the data acquisition format."""
    payload = {
        "device_type": "TEST",
        "interval_ms": interval_ms,
        "sensors": [{"name": "accX", "units": "m/s2"}],
        "values": [[value] for value in values],
    }
    return json.dumps({"protected": {"ver": "v1", "alg": "none"}, "signature": "0" * 64, "payload": payload}).encode()


def png(width: int = 32, height: int = 24) -> bytes:
    """A PNG image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Ingestion:
    """Sends plain requests to the ingestion service."""

    def __init__(self, studio: EmulatorServer, api_key: str | None = None) -> None:
        self.studio = studio
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["x-api-key"] = api_key or studio.project_api_key

    def send(self, files: Sequence[tuple[str, bytes]], category: str = "training", **headers: str) -> requests.Response:
        """The response as it is. ``x_label`` stands for the header ``x-label``."""
        return self.session.post(
            f"{self.studio.ingestion_url}/api/{category}/files",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            files=[("data", file) for file in files],
            timeout=20,
        )

    def upload(self, files: Mapping[str, bytes], category: str = "training", **headers: str) -> list[dict[str, Any]]:
        """The entries of an answer with ``success: true``."""
        response = self.send(list(files.items()), category, **headers)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["success"] is True
        return list(answer["files"])

    def upload_id(self, name: str, data: bytes, category: str = "training", **headers: str) -> int:
        """The id of a sample that must have been stored."""
        (entry,) = self.upload({name: data}, category, **headers)
        assert entry["success"], entry
        return int(entry["sampleId"])
