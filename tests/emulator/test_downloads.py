"""Downloads: bytes stay bytes, and archives can be unpacked."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ei.emulator.downloads import MemberNames

from .conftest import Client


def unzip(client: Client, item_id: int, **query: str) -> dict[str, bytes]:
    response = client.send("GET", f"/data/{item_id}/download", params=query)
    assert response.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def untar(client: Client, item_id: int) -> dict[str, bytes]:
    response = client.send("GET", f"/data/{item_id}/download")
    assert response.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(response.content)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive.getmembers()}


@pytest.mark.parametrize("content_type", ["application/json", "text/csv", "text/html", "x" * 200, "é"])
def test_a_file_is_downloaded_as_bytes(client: Client, content_type: str) -> None:
    item_id = client.add_id(files=[("x/a.json", b'{"a": 1}', content_type)])
    response = client.send("GET", f"/data/{item_id}/files/download", params={"fileName": "x/a.json"})
    assert (response.content, response.headers["content-type"]) == (b'{"a": 1}', "application/octet-stream")


def test_an_unknown_file_is_an_error_of_the_application(client: Client) -> None:
    item_id = client.add_id()
    assert not client.get(f"/data/{item_id}/files/download", fileName="b")["success"]
    assert not client.get(f"/data/{item_id}/files/download")["success"]


def test_an_item_is_downloaded_as_a_zip(client: Client) -> None:
    item_id = client.add_id(
        "réglage", files=[("x/a.csv", b"1,2\n", "text/csv"), ("../../é\r\n.bin", b"\x00\xff"), ("empty", b"")]
    )
    assert unzip(client, item_id) == {"x/a.csv": b"1,2\n", "é\r\n.bin": b"\x00\xff", "empty": b""}


def test_every_member_of_an_archive_has_a_different_name(client: Client, tmp_path: Path) -> None:
    names = ["a", "a/b.c", "a//b.c", "./a/b.c", "../a\\b.c", "a/b.c/d", "x.tar.gz", "/x.tar.gz", "..", "_"]
    item_id = client.add_id(files=[(name, name.encode()) for name in names])
    members = unzip(client, item_id)
    assert sorted(members.values()) == sorted(name.encode() for name in names)
    assert {"a", "a (2)/b.c", "a (2)/b (2).c", "x.tar.gz", "x.tar (2).gz", "_", "_ (2)"} <= set(members)
    response = client.send("GET", f"/data/{item_id}/download")
    zipfile.ZipFile(io.BytesIO(response.content)).extractall(tmp_path / "out")
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == len(names)


@given(st.lists(st.text(st.sampled_from("ab./\\ (2)\0é"), max_size=6), max_size=12))
def test_any_names_can_be_unpacked(names: list[str]) -> None:
    member_names = MemberNames()
    chosen = [member_names.add(name) for name in names]
    assert len(set(chosen)) == len(chosen)
    folders = {str(parent) for name in chosen for parent in PurePosixPath(name).parents}
    assert not folders & set(chosen), "a file cannot be where a folder is"
    for name in chosen:
        assert name and "\0" not in name and "\\" not in name
        assert not {"", ".", ".."} & set(name.split("/"))


def test_ten_thousand_equal_names_get_different_members() -> None:
    member_names = MemberNames()
    assert len({member_names.add("/" * (number % 3) + "a") for number in range(10_000)}) == 10_000


def test_an_item_can_be_a_tar_with_its_bucket_path(client: Client) -> None:
    client.studio.settings.archive = "tar"
    item_id = client.add_id("item", [("x/a.csv", b"1,2\n"), ("empty", b""), ("../é", b"3")], dataset="d")
    other = client.add_id(files=[("a", b"1")], bucketPath="plant/7/")
    assert untar(client, item_id) == {"d/item/x/a.csv": b"1,2\n", "d/item/empty": b"", "d/item/é": b"3"}
    assert untar(client, other) == {"plant/7/a": b"1"}


def test_a_filter_selects_what_is_downloaded(client: Client) -> None:
    item_id = client.add_id(files=[("a.png", b"1"), ("b.csv", b"2"), ("C.PNG", b"3")])
    assert unzip(client, item_id, filter="file_name LIKE '%.png'") == {"a.png": b"1", "C.PNG": b"3"}
    assert "99" not in client.get(f"/data/{item_id}/download", filter="name = 'other'")["error"]
    assert "color" in client.get(f"/data/{item_id}/download", filter="color = 'red'")["error"]
