"""Uploads: byte for byte, all or nothing, with any file names."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, UploadedFile

from .conftest import Client, Contract, Until

BOUNDARY = "boundary-of-the-test"


def multipart(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    """A multipart body of parts that are written out, headers and all."""
    delimiter = b"--" + BOUNDARY.encode()
    return b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + end


def text(name: str, value: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


def file(name: bytes, content: bytes = b"x", more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="files[]"; filename="' + name + b'"\r\n' + more + b"\r\n" + content


FORM = [text("name", "item"), text("dataset", "d"), text("metadata", "{}")]


def post(client: Client, body: bytes, path: str = "/data/add") -> dict[str, object]:
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return client.call("POST", path, data=body, headers=headers)


CONTENTS = [
    b"",
    b"\r\n",
    b"--" + BOUNDARY.encode(),
    b"\r\n--" + BOUNDARY.encode() + b"x",
    b"\r\n--" + BOUNDARY.encode()[:-1] + b"\r",
    bytes(range(256)) * 20_000,
    b"\r" * 700_000,
]


def test_bytes_arrive_as_sent(client: Client) -> None:
    contents = [*CONTENTS, os.urandom(3_000_000)]
    files = [(f"{number}.bin", content) for number, content in enumerate(contents)]
    item_id = client.add_id(files=files)
    for name, content in files:
        assert client.studio.read_file(item_id, name) == content
        assert client.send("GET", f"/data/{item_id}/files/download", params={"fileName": name}).content == content
    hashes = [stored.sha256 for stored in client.studio.items()[0].files]
    assert hashes == [hashlib.sha256(content).hexdigest() for content in contents]


def test_a_boundary_inside_a_file_does_not_end_it(client: Client) -> None:
    # Only a boundary on a line of its own ends a file; what merely looks like one belongs to it.
    parts = [file(str(number).encode(), content) for number, content in enumerate(CONTENTS)]
    answer = post(client, multipart(*FORM, *parts))
    stored = [client.studio.read_file(answer["id"], str(number)) for number in range(len(CONTENTS))]
    assert stored == CONTENTS


NAMES = [
    "with space.csv",
    "a/b/c.csv",
    "single'quote.csv",
    'double"quote.csv',
    "semi;colon=.csv",
    "back\\slash.csv",
    "percent%20.csv",
    "naïve 日本 🎉.csv",
    ".",
    "..",
    "../../x",
    "/etc/passwd",
    "C:\\x",
    "n\0l.csv",
    "x" * 900,
]


def test_names_arrive_as_sent(client: Client, data_dir: Path) -> None:
    item_id = client.add_id(files=[(name, name.encode()) for name in NAMES])
    answered = client.get(f"/data/{item_id}")["data"]["files"]
    assert [stored["name"] for stored in answered] == NAMES
    assert [stored.name for stored in client.studio.requests()[0].files] == NAMES
    for name in NAMES:
        assert client.studio.read_file(item_id, name) == name.encode()
        download = client.send("GET", f"/data/{item_id}/files/download", params={"fileName": name})
        assert download.content == name.encode()
    paths = {str(path.relative_to(data_dir.parent)) for path in data_dir.parent.rglob("*") if path.is_file()}
    assert {path.split(os.sep)[0] for path in paths} == {"data"}
    assert len(list((data_dir / "uploads").iterdir())) == 1


def test_names_are_read_as_browsers_write_them(client: Client) -> None:
    names = [b"a%22b", b"line%0D%0Afeed", b"per%25cent", b"back\\\\slash\\", b"plain"]
    answer = post(client, multipart(*FORM, *map(file, names)))
    (item,) = client.studio.items()
    assert [each.name for each in item.files] == [
        'a"b',
        "line\r\nfeed",
        "per%25cent",
        "back\\\\slash\\",
        "plain",
    ]
    assert item.id == answer["id"]


def test_accepts_unquoted_names_and_a_missing_content_type(client: Client) -> None:
    part = b"CONTENT-DISPOSITION: form-data; FileName=raw.csv; name=files[]\r\ncontent-type:text/csv\r\n\r\nx"
    post(client, multipart(*FORM, part, file(b"b")))
    assert client.studio.requests()[-1].files == (
        UploadedFile("raw.csv", "text/csv", 1, hashlib.sha256(b"x").hexdigest()),
        UploadedFile("b", "application/octet-stream", 1, hashlib.sha256(b"x").hexdigest()),
    )


@pytest.mark.parametrize(
    ("file_names", "raw", "name"),
    [
        ("utf8", "é.csv".encode(), "é.csv"),
        ("utf8", "é.csv".encode("latin-1"), "\ufffd.csv"),
        ("latin1", "é.csv".encode("latin-1"), "é.csv"),
        ("latin1", "é.csv".encode(), "Ã©.csv"),
    ],
)
def test_names_are_decoded_with_the_encoding_of_the_switch(
    client: Client, file_names: Any, raw: bytes, name: str
) -> None:
    client.studio.settings.file_names = file_names
    answer = post(client, multipart(*FORM, file(raw, b"content")))
    assert client.studio.read_file(answer["id"], name) == b"content"


def test_the_order_of_the_parts_does_not_matter(client: Client) -> None:
    answer = post(client, multipart(file(b"a"), *FORM, file(b"b")))
    (item,) = client.studio.items()
    assert (item.id, [each.name for each in item.files]) == (answer["id"], ["a", "b"])


def test_the_last_of_two_files_with_one_name_is_kept_and_both_are_logged(client: Client) -> None:
    item_id = client.add_id(files=[("a", b"first"), ("a", b"second!")])
    (item,) = client.studio.items()
    assert [(each.name, each.size) for each in item.files] == [("a", 7)]
    assert item.total_size == 7
    assert client.studio.read_file(item_id, "a") == b"second!"
    assert [each.size for each in client.studio.requests()[-1].files] == [5, 7]


BAD_METADATA = [
    "{",
    "[]",
    "null",
    '"x"',
    '{"a": 1}',
    '{"a": null}',
    '{"a": {"b": "c"}}',
    '{"a": "\\ud800"}',
    "[" * 100_000,
]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (multipart(*FORM[1:], file(b"a")), "Missing name"),
        (multipart(FORM[0], FORM[2], file(b"a")), "Missing dataset"),
        (multipart(*FORM[:2], file(b"a")), "Missing metadata"),
        (multipart(*FORM), "Missing files[]"),
        (multipart(text("name", ""), *FORM[1:], file(b"a")), "Missing name"),
        (multipart(*FORM, file(b"")), "A file has no name"),
        (multipart(*FORM, text("files[]", "x")), "files[] must be a file"),
        (multipart(*FORM, file(b"a").replace(b"files[]", b"file")), "Unexpected file"),
        (multipart(*FORM, b"Content-Type: text/csv\r\n\r\nx"), "has no name"),
        (multipart(*FORM, file(b"a"), end=b""), "Unexpected end"),
        (multipart(*FORM, file(b"a"))[:-30], "Unexpected end"),
        (b"", "Unexpected end"),
        (b"{}", "Malformed"),
        (multipart(*FORM, file(b"a", more=b"broken\r\n")), "Malformed"),
        (multipart(*FORM, text("more", "x" * 5_000_000), file(b"a")), "text fields"),
        (multipart(*FORM, *[text(f"t{number}", "") for number in range(200)], file(b"a")), "text fields"),
        *[
            (multipart(*FORM[:2], text("metadata", metadata), file(b"a", b"x" * 300_000)), "metadata")
            for metadata in BAD_METADATA
        ],
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_an_invalid_form_stores_nothing(client: Client, data_dir: Path, body: bytes, error: str) -> None:
    answer = post(client, body)
    assert not answer["success"]
    assert error in answer["error"]
    assert client.studio.items() == []
    assert list((data_dir / "uploads").iterdir()) == []
    assert not client.studio.requests()[-1].changed


def test_a_body_that_is_not_a_form_is_refused(client: Client) -> None:
    for content_type in (
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=" + "x" * 400,
    ):
        answer = client.call("POST", "/data/add", data=b"{}", headers={"content-type": content_type})
        assert not answer["success"]


def test_accepts_ten_thousand_files_and_refuses_one_more(client: Client, data_dir: Path) -> None:
    parts = [file(b"f%05d.csv" % number, b"%d" % number) for number in range(10_001)]
    item_id = post(client, multipart(*FORM, *parts[:10_000]))["id"]
    answer = post(client, multipart(*FORM, *parts))
    assert not answer["success"] and "10000" in answer["error"]
    assert len(list((data_dir / "uploads").iterdir())) == 1
    assert post(client, multipart(*parts[9_000:], *parts[:1_000]), f"/data/{item_id}/add")["success"]
    (item,) = client.get("/data/files")["data"]
    assert item["totalFileCount"] == len(item["files"]) == 10_001
    assert client.studio.read_file(item_id, "f00017.csv") == b"17"
    assert client.studio.read_file(item_id, "f10000.csv") == b"10000"


def test_the_log_contains_fields_and_files(client: Client) -> None:
    metadata = {"machine": "pump 7"}
    client.add("pump", [("a.csv", b"12", "text/csv"), ("b", b"")], metadata)
    (request,) = client.studio.requests()
    assert (request.operation, request.method, request.status) == ("addOrganizationDataItem", "POST", 200)
    assert request.path == "/v1/api/organizations/1/data/add"
    assert request.changed and request.key_ok and request.fault is None
    assert request.fields == {"name": "pump", "dataset": "vibration", "metadata": json.dumps(metadata)}
    first = request.files[0]
    assert (first.name, first.content_type, first.size) == ("a.csv", "text/csv", 2)
    assert request.bytes_received > 300


def test_a_client_that_disconnects_leaves_nothing(client: Client, data_dir: Path, until: Until) -> None:
    uploads = data_dir / "uploads"
    body = multipart(*FORM, file(b"a", b"x" * 2_000_000))
    host, port = client.studio.page_url.removeprefix("http://").strip("/").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /v1/api/organizations/1/data/add HTTP/1.1\r\nhost: localhost\r\n"
            f"x-api-key: {client.studio.api_key}\r\n"
            f"content-type: multipart/form-data; boundary={BOUNDARY}\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
        )
        connection.sendall(body[:1_500_000])
        until(lambda: list(uploads.iterdir()))
    until(lambda: not list(uploads.iterdir()))
    until(lambda: client.studio.requests()[0].bytes_received)
    (request,) = client.studio.requests()
    assert request.status is None and not request.changed
    assert request.fields["name"] == "item"
    assert 0 < request.bytes_received <= 1_500_000
    assert client.names() == []


def test_sixteen_threads_can_upload_at_once(client: Client, data_dir: Path) -> None:
    def upload(number: int) -> tuple[int, bytes]:
        content = os.urandom(number * 10_000 + 1)
        with requests.Session() as session:
            answer = session.post(
                f"{client.organization}/data/add",
                headers={"x-api-key": client.studio.api_key},
                data={"name": f"item {number}", "dataset": f"d{number % 3}", "metadata": "{}"},
                files=[("files[]", ("a", content)), ("files[]", ("b", b"b" * number))],
            ).json()
        return answer["id"], content

    with ThreadPoolExecutor(16) as pool:
        stored = list(pool.map(upload, range(64)))
    assert len({item_id for item_id, _ in stored}) == 64
    for item_id, content in stored:
        assert client.studio.read_file(item_id, "a") == content
    assert len(list((data_dir / "uploads").iterdir())) == 64
    assert sum(dataset["item_count"] for dataset in client.studio.state()["datasets"]) == 64


def test_sixteen_threads_can_add_files_to_one_item(client: Client, data_dir: Path) -> None:
    item_id = client.add_id()
    ready = threading.Barrier(16)

    def add(number: int) -> bool:
        ready.wait()
        files = [("files[]", ("shared", bytes([number]) * 50_000)), ("files[]", (f"own {number}", b"x"))]
        headers = {"x-api-key": client.studio.api_key}
        return requests.post(f"{client.organization}/data/{item_id}/add", headers=headers, files=files).ok

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(add, range(16)))
    (item,) = client.studio.items()
    assert item.file_count == len(item.files) == 18
    assert item.total_size == sum(each.size for each in item.files)
    shared = client.studio.read_file(item_id, "shared")
    assert shared == shared[:1] * 50_000


def test_names_collide_only_within_their_item(contract: Contract, tmp_path: Path) -> None:
    with EmulatorServer(EmulatorSettings(organization_id=42)) as studio:
        client = Client(studio, contract)
        first, second = client.add_id("a", [("x", b"1")]), client.add_id("b", [("x", b"2")])
        assert (studio.read_file(first, "x"), studio.read_file(second, "x")) == (b"1", b"2")
        with pytest.raises(KeyError):
            studio.read_file(first, "y")
