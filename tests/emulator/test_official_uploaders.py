"""The official uploaders: the Python SDK, and the request of the official command line, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_ei.emulator import EmulatorServer

from .samples import CSV, acquisition, png


@pytest.fixture
def sdk(studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The data functions of the Python SDK, with the key of the first project."""
    ei = pytest.importorskip("edgeimpulse")
    monkeypatch.setattr(ei, "API_KEY", studio.project_api_key)
    monkeypatch.setattr(ei, "API_ENDPOINT", studio.url)
    monkeypatch.setattr(ei, "INGESTION_ENDPOINT", studio.ingestion_url)
    return ei.experimental.data


def test_the_sdk_uploads_a_directory(sdk: Any, studio: EmulatorServer, tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "idle.1.csv").write_bytes(CSV)
    (tmp_path / "deeper" / "walk.1.json").write_bytes(acquisition(1, 2))
    (tmp_path / "notes.md").write_text("not a sample")
    response = sdk.upload_directory(
        directory=str(tmp_path), category="testing", label="motion", metadata={"site": "Graz"}
    )
    assert (len(response.successes), len(response.fails)) == (2, 0)
    samples = {sample.file_name: sample for sample in studio.samples.list()}
    assert sorted(samples) == ["idle.1.csv", "walk.1.json"]
    assert {(each.label, each.category, each.metadata["site"]) for each in samples.values()} == {
        ("motion", "testing", "Graz")
    }
    assert studio.samples.read(samples["idle.1.csv"].id) == CSV
    again = sdk.upload_directory(directory=str(tmp_path), category="testing", label="motion")
    assert (len(again.successes), len(again.fails)) == (0, 2)
    assert all("already exists (ids: " in str(fail) for fail in again.fails)


def test_the_sdk_uploads_an_exported_dataset(sdk: Any, studio: EmulatorServer, tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "bolt.png").write_bytes(png())
    (tmp_path / "training" / "motion.csv").write_bytes(CSV)
    box = {"label": "bolt", "x": 1, "y": 2, "width": 3, "height": 4}
    ranges = [{"startIndex": 0, "endIndex": 2, "label": "idle"}]
    info = {
        "version": 1,
        "files": [
            {"path": "training/bolt.png", "category": "training", "label": {"type": "label", "label": "bolt"},
             "boundingBoxes": [box], "metadata": {"camera": "left"}},
            {"path": "training/motion.csv", "category": "testing", "label": {"type": "multi-label", "labels": ranges},
             "boundingBoxes": None},
        ],
    }  # fmt: skip
    (tmp_path / "info.labels").write_text(json.dumps(info))
    response = sdk.upload_directory(directory=str(tmp_path))
    assert (len(response.successes), len(response.fails)) == (2, 0)
    image, motion = sorted(studio.samples.list(), key=lambda sample: sample.file_name)
    assert (image.labels.boxes, image.metadata, image.category) == ((box,), {"camera": "left"}, "training")
    assert (motion.labels.structured, motion.category) == (tuple(ranges), "testing")


def test_the_sdk_finds_and_deletes_samples(sdk: Any, studio: EmulatorServer) -> None:
    kept = studio.samples.put("walk.1.csv", CSV, label="walk")
    gone = studio.samples.put("idle.1.csv", CSV, label="idle")
    assert [info.sample_id for info in sdk.get_sample_ids(filename="idle.1", category="training")] == [gone]
    assert sdk.get_filename_by_id(kept) == "walk.1"
    assert sdk.get_filename_by_id(999) is None
    sdk.delete_samples_by_filename("idle.1", category="training")
    assert [sample.id for sample in studio.samples.list()] == [kept]


def test_takes_the_request_of_the_official_command_line(studio: EmulatorServer) -> None:
    """The official command line (edge-impulse-cli, cli-common/make-image.ts) sends this by undici's ``fetch``."""
    labels = {"type": "structured-labels", "version": 1, "structuredLabels": {}}
    labels["structuredLabels"] = {"idle 1.csv": [{"startIndex": 0, "endIndex": 2, "label": "idle"}]}
    boundary = "----formdata-undici-012345678901"
    parts = [("idle 1.csv", "text/csv", CSV), ("structured_labels.labels", "application/json", json.dumps(labels))]
    body = b""
    for name, content_type, content in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="{name}"\r\n'
        body += f"{head}Content-Type: {content_type}\r\n\r\n".encode()
        body += (content.encode() if isinstance(content, str) else content) + b"\r\n"
    body += f"--{boundary}--\r\n\r\n".encode()
    response = requests.post(
        f"{studio.ingestion_url}/api/split/files",
        data=body,
        headers={
            "x-api-key": studio.project_api_key,
            "x-upload-source": "EDGE_IMPULSE_CLI_UPLOADER",
            "x-disallow-duplicates": "1",
            "x-metadata": '{"site":"Graz"}',
            "x-device-type": "EDGE_IMPULSE_CLI",
            "content-type": f"multipart/form-data; boundary={boundary}",
        },
        timeout=20,
    )
    assert response.status_code == 200, response.text
    assert [file["success"] for file in response.json()["files"]] == [True]
    (sample,) = studio.samples.list()
    assert (sample.file_name, sample.metadata, sample.device_type) == (
        "idle 1.csv", {"site": "Graz"}, "EDGE_IMPULSE_CLI",
    )  # fmt: skip
    assert sample.labels.structured == ({"startIndex": 0, "endIndex": 2, "label": "idle"},)
