"""Files that the ingestion service takes, and how they become samples."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, Fault

from .samples import CSV, Ingestion, acquisition, png


@pytest.fixture
def ingestion(studio: EmulatorServer) -> Ingestion:
    return Ingestion(studio)


def test_stores_each_file_of_a_request_as_a_sample(ingestion: Ingestion) -> None:
    files = {"a.csv": CSV, "b.json": acquisition(1, 2, 3)}
    entries = ingestion.upload(files, x_label="idle", x_metadata='{"site": "Graz"}')
    assert [entry["success"] for entry in entries] == [True, True]
    assert {entry["projectId"] for entry in entries} == {1}
    samples = ingestion.studio.samples.list()
    assert [sample.id for sample in samples] == [entry["sampleId"] for entry in entries]
    assert [(each.name, each.file_name, each.label, each.category) for each in samples] == [
        ("a", "a.csv", "idle", "training"),
        ("b", "b.json", "idle", "training"),
    ]
    assert [ingestion.studio.samples.read(sample.id) for sample in samples] == list(files.values())
    assert all(sample.metadata == {"site": "Graz"} for sample in samples)
    assert ingestion.studio.samples.counts() == {"training": {"idle": 2}}


@pytest.mark.parametrize("category", ["training", "testing", "anomaly"])
def test_stores_samples_in_the_category_of_the_path(ingestion: Ingestion, category: str) -> None:
    ingestion.upload_id("a.csv", CSV, category)
    assert [sample.category for sample in ingestion.studio.samples.list()] == [category]


def test_split_puts_about_a_fifth_into_testing_and_the_same_file_always_into_the_same_category(
    ingestion: Ingestion,
) -> None:
    files = {f"{number}.json": acquisition(number) for number in range(300)}
    ingestion.upload(files, "split")
    counts = {category: sum(labels.values()) for category, labels in ingestion.studio.samples.counts().items()}
    assert 30 < counts["testing"] < 90 and counts["training"] == 300 - counts["testing"]
    ingestion.upload(files, "split")
    assert {category: 2 * number for category, number in counts.items()} == {
        category: sum(labels.values()) for category, labels in ingestion.studio.samples.counts().items()
    }


@pytest.mark.parametrize(
    ("headers", "label"),
    [
        ({"x_label": "idle"}, "idle"),
        ({"x_label": "hochfahren%20%C3%BCber%2050%25"}, "hochfahren über 50%"),
        ({"x_label": "", "x_no_label": "1"}, ""),
        ({"x_label": "idle", "x_no_label": "1"}, ""),
        ({}, "wave"),
    ],
)
def test_takes_the_label_from_the_header_or_from_the_file_name(
    ingestion: Ingestion, headers: Mapping[str, str], label: str
) -> None:
    ingestion.upload_id("wave.01.csv", CSV, **headers)
    (sample,) = ingestion.studio.samples.list()
    assert (sample.label, sample.name) == (label, "wave.01")


def test_refuses_the_same_content_only_if_told_to(ingestion: Ingestion) -> None:
    first = ingestion.upload_id("a.csv", CSV)
    second = ingestion.upload_id("b.csv", CSV, "testing")
    entries = ingestion.upload({"c.csv": CSV, "d.json": acquisition(1)}, x_disallow_duplicates="1")
    assert entries[0] == {
        "success": False,
        "error": f"An item with this hash already exists (ids: {first}, {second})",
    }
    assert entries[1]["success"]
    before = ingestion.upload({"d.json": acquisition(1)}, x_disallow_duplicates="1")
    assert not before[0]["success"] and not ingestion.studio.requests()[-1].changed
    other = ingestion.studio.projects.add("other")
    assert Ingestion(ingestion.studio, other.api_key).upload({"a.csv": CSV}, x_disallow_duplicates="1")[0]["success"]


def test_the_same_content_twice_in_a_request_is_stored_once_if_duplicates_are_refused(ingestion: Ingestion) -> None:
    entries = ingestion.upload({"a.csv": CSV, "b.csv": CSV}, x_disallow_duplicates="1")
    assert [entry["success"] for entry in entries] == [True, False]


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.exe", b"MZ", "Unsupported file type '.exe'"),
        ("a", b"x", "Unsupported file type 'a'"),
        ("a.csv", b"", "The file is empty"),
        ("a.csv", b"\xff\xfe\x00", "not text in UTF-8"),
        ("a.json", b"{", "not valid JSON"),
        ("a.json", b"[1]", "no payload"),
        ("a.json", b'{"payload": {"sensors": []}}', "payload.values must be a list"),
        ("a.wav", b"RIFFxxxxWAVX", "not a WAV file"),
        ("a.png", b"GIF89a", "not a PNG image"),
        ("a.jpg", b"\x89PNG", "not a JPEG image"),
        ("a.cbor", b"\x01", "not a CBOR map"),
        ("a.mp4", b"\0\0\0\0mdat", "not an MP4 video"),
        ("a.avi", b"RIFF....WAVE", "not an AVI video"),
        ("a.parquet", b"PAR2", "not a Parquet file"),
    ],
)
def test_names_what_is_wrong_with_a_file_and_stores_the_others(
    ingestion: Ingestion, name: str, data: bytes, error: str
) -> None:
    entries = ingestion.upload({name: data, "good.csv": CSV})
    assert not entries[0]["success"] and error in entries[0]["error"]
    assert entries[1]["success"]
    assert [sample.name for sample in ingestion.studio.samples.list()] == ["good"]


def test_refuses_a_file_above_the_limit_without_keeping_its_bytes(data_dir: Path) -> None:
    with EmulatorServer(EmulatorSettings(max_sample_bytes=1_000), data_dir) as studio:
        big = b"timestamp,x\n" + b"0,1\n" * 100_000
        entries = Ingestion(studio).upload({"a.csv": CSV, "big.csv": big, "b.json": acquisition(5)})
        assert [entry["success"] for entry in entries] == [True, False, True]
        assert "File too large, max. size is" in entries[1]["error"]
        assert sum(path.stat().st_size for path in (data_dir / "uploads").iterdir()) < 1_000
        assert [studio.samples.read(each.id) for each in studio.samples.list()] == [CSV, acquisition(5)]
    assert EmulatorSettings().max_sample_bytes == 100 << 20


def test_refuses_more_than_1000_files_a_request(ingestion: Ingestion) -> None:
    response = ingestion.send([(f"{number}.csv", CSV) for number in range(1001)])
    assert (response.status_code, "More than 1000 files" in response.text) == (400, True)
    assert ingestion.studio.samples.list() == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_refuses_an_invalid_request_with_a_status(ingestion: Ingestion, form: Any) -> None:
    ingestion.studio.settings.ingestion_errors = form

    def refusal(response: requests.Response) -> tuple[int, str]:
        if form == "text":
            return response.status_code, response.text
        answer = response.json()
        assert answer["success"] is False
        return response.status_code, answer["error"]

    status, error = refusal(ingestion.send([("a.csv", CSV)], x_metadata="{"))
    assert (status, error) == (400, "x-metadata is not valid JSON")
    status, error = refusal(ingestion.send([("a.csv", CSV)], x_metadata='{"a": 1}'))
    assert (status, error) == (400, "x-metadata must be an object whose values are strings")
    url = f"{ingestion.studio.ingestion_url}/api/training/files"
    status, error = refusal(ingestion.session.post(url, files=[("files[]", ("a.csv", CSV))]))
    assert status == 400 and "files go into data" in error
    status, error = refusal(ingestion.session.post(url, data=b"x"))
    assert status == 400 and "multipart" in error
    for key in ("wrong", ingestion.studio.api_key):
        status, error = refusal(Ingestion(ingestion.studio, key).send([("a.csv", CSV)]))
        assert status == 401 and error.startswith("Invalid API key")
    assert ingestion.studio.samples.list() == []


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("ingestiononly", 200), ("ingestion_deployment", 200), ("readonly", 401)]
)
def test_a_key_that_may_ingest_is_enough(studio: EmulatorServer, role: Any, status: int) -> None:
    key = studio.projects.add("gearbox", role=role).api_key
    assert Ingestion(studio, key).send([("a.csv", CSV)]).status_code == status


def test_reads_the_sidecars_of_the_official_uploader(ingestion: Ingestion) -> None:
    box = {"label": "bolt", "x": 2, "y": 3, "width": 4, "height": 5}
    ranges = [{"startIndex": 0, "endIndex": 1, "label": "idle"}, {"startIndex": 2, "endIndex": 2, "label": "walk"}]
    sidecars = {
        "bounding_boxes.labels": {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {"a.png": [box]}},
        "structured_labels.labels": {
            "version": 1,
            "type": "structured-labels",
            "structuredLabels": {"b.csv": ranges},
        },
        "label_map.labels": {"version": 1, "type": "label-map-labels", "labels": {"b.csv": {"who": "me"}}},
        "attachments.labels": {"version": 1, "type": "attachments", "attachments": {"b.csv": [{"filename": "c.png"}]}},
    }
    files = {"a.png": png(), "b.csv": CSV, "c.png": png(1, 1)}
    entries = ingestion.upload({**files, **{name: json.dumps(each).encode() for name, each in sidecars.items()}})
    assert len(entries) == 2 and all(entry["success"] for entry in entries)
    image, motion = ingestion.studio.samples.list()
    assert (image.labels.boxes, image.facts.width, image.facts.height) == ((box,), 32, 24)
    assert (motion.labels.structured, motion.labels.label_map) == (tuple(ranges), {"who": "me"})


@pytest.mark.parametrize(
    ("sidecar", "error"),
    [
        ({"version": 2, "type": "bounding-box-labels", "boundingBoxes": {}}, "Invalid version"),
        ({"version": 1, "type": "boxes", "boundingBoxes": {}}, "Invalid type"),
        ({"version": 1, "type": "bounding-box-labels"}, "boundingBoxes is not an object"),
        ({"version": 1, "type": "bounding-box-labels", "boundingBoxes": {"z.png": []}}, "names 'z.png'"),
    ],
)
def test_refuses_a_request_with_an_invalid_sidecar(ingestion: Ingestion, sidecar: Any, error: str) -> None:
    response = ingestion.send([("a.png", png()), ("bounding_boxes.labels", json.dumps(sidecar).encode())])
    assert response.status_code == 400 and error in response.text
    assert ingestion.studio.samples.list() == []


def test_refuses_a_box_outside_of_its_image(ingestion: Ingestion) -> None:
    box = {"label": "bolt", "x": 30, "y": 3, "width": 4, "height": 5}
    sidecar = {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {"a.png": [box]}}
    (entry,) = ingestion.upload({"a.png": png(), "bounding_boxes.labels": json.dumps(sidecar).encode()})
    assert not entry["success"] and "outside of the image (32 pixels)" in entry["error"]


def test_adds_a_date_id_if_told_to(ingestion: Ingestion) -> None:
    ingestion.upload_id("a.csv", CSV, x_add_date_id="1")
    (sample,) = ingestion.studio.samples.list()
    assert sample.name.startswith("a.20") and sample.file_name == "a.csv"


def test_names_and_hashes_of_samples_are_switches(ingestion: Ingestion) -> None:
    ingestion.studio.settings.change({"sample_names": "as_sent"})
    ingestion.upload_id("a.csv", CSV)
    assert ingestion.studio.samples.list()[0].name == "a.csv"


def test_a_second_port_serves_ingestion_only(data_dir: Path) -> None:
    with EmulatorServer(data_dir=data_dir, ingestion_port=0) as studio:
        assert studio.ingestion_url != studio.page_url.rstrip("/")
        Ingestion(studio).upload_id("a.csv", CSV)
        key = {"x-api-key": studio.project_api_key}
        assert requests.get(f"{studio.ingestion_url}/v1/api/projects", headers=key, timeout=20).status_code == 404
        assert requests.get(f"{studio.page_url}v1/api/projects", headers=key, timeout=20).json()["success"]
        same = requests.post(
            f"{studio.page_url}api/training/files", headers=key, files=[("data", ("b.csv", CSV))], timeout=20
        )
        assert same.json()["files"][0]["success"]
        studio.inject(Fault(operation="uploadSamples", kind="drop_after"))
        with pytest.raises(requests.ConnectionError):
            Ingestion(studio).send([("c.json", acquisition(1))])
        assert len(studio.samples.list()) == 3


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "cut_body", "status", "success_false", "store_late"])
def test_faults_hit_ingestion(ingestion: Ingestion, kind: Any) -> None:
    ingestion.studio.inject(Fault(operation="uploadSamples", kind=kind, after_bytes=10, delay_seconds=3600))
    if kind in ("status", "success_false"):
        response = ingestion.send([("a.csv", CSV)])
        assert response.status_code == (503 if kind == "status" else 200)
    else:
        with pytest.raises(requests.ConnectionError):
            ingestion.send([("a.csv", CSV)])
    assert len(ingestion.studio.samples.list()) == (1 if kind == "drop_after" else 0)
    ingestion.studio.flush_late()
    assert len(ingestion.studio.samples.list()) == (1 if kind in ("drop_after", "store_late") else 0)


def test_logs_the_headers_and_files_of_a_request_but_not_the_key(ingestion: Ingestion) -> None:
    ingestion.upload_id("a.csv", CSV, x_label="idle", x_disallow_duplicates="1")
    record = ingestion.studio.requests()[-1]
    assert (record.operation, record.changed) == ("uploadSamples", True)
    assert record.fields == {"x-label": "idle", "x-disallow-duplicates": "1"}
    assert [(file.name, file.size) for file in record.files] == [("a.csv", len(CSV))]


def test_a_large_file_is_not_held_in_memory(ingestion: Ingestion) -> None:
    """The body is sent in pieces, so that only the emulator could hold it."""
    rows, pieces = b"100000,1\n" * (1 << 17), 24

    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="data"; filename="large.csv"\r\n\r\ntimestamp,x\n'
        for _ in range(pieces):
            yield rows
        yield b"\r\n--x--\r\n"

    tracemalloc.start()
    try:
        response = ingestion.session.post(
            f"{ingestion.studio.ingestion_url}/api/training/files",
            data=body(),
            headers={"content-type": "multipart/form-data; boundary=x"},
            timeout=60,
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.json()["files"][0]["success"]
    assert ingestion.studio.samples.list()[0].facts.values == pieces << 17
    assert peak < pieces * len(rows) / 2


def test_an_upload_changes_the_modification_date_of_the_project(ingestion: Ingestion) -> None:
    ingestion.studio.clock.stop()
    url = f"{ingestion.studio.url}/api/1/last-modification"
    before = ingestion.session.get(url).json()["lastModificationDate"]
    ingestion.studio.clock.advance(60)
    ingestion.upload_id("a.csv", CSV)
    assert ingestion.session.get(url).json()["lastModificationDate"] > before
