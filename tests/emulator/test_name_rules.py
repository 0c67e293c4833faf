"""How names are stored under each switch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Client

BOUNDARY = "boundary-of-the-test"
NFC, NFD = "é", "e\u0301"


def add_raw(client: Client, *names: bytes, item: str = "item") -> dict[str, Any]:
    """Add an item whose files have names that no client would write; the content of each is its number."""
    parts = [f'name="name"\r\n\r\n{item}'.encode(), b'name="dataset"\r\n\r\nd', b'name="metadata"\r\n\r\n{}']
    parts += [b'name="files[]"; filename="%b"\r\n\r\n%d' % (name, number) for number, name in enumerate(names)]
    body = b"".join(b"--%b\r\nContent-Disposition: form-data; %b\r\n" % (BOUNDARY.encode(), part) for part in parts)
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return client.call("POST", "/data/add", data=body + f"--{BOUNDARY}--\r\n".encode(), headers=headers)


def stored(client: Client) -> dict[str, bytes]:
    (item,) = client.studio.items()
    return {file.name: client.studio.read_file(item.id, file.name) for file in item.files}


@pytest.mark.parametrize(
    ("switches", "sent", "kept"),
    [
        ({}, rb"p/x.csv", "p/x.csv"),
        ({}, rb"back\s", r"back\s"),
        ({}, b"x\\", "x\\"),
        ({"file_folders": "drop"}, b"p/x.csv", "x.csv"),
        ({"file_folders": "drop"}, b"p/q/x.csv", "x.csv"),
        ({"file_folders": "drop"}, rb"back\s", "s"),
        ({"file_folders": "drop"}, rb"a/b\c/d\e", "e"),
        ({"file_folders": "drop"}, b"p/", None),
        ({"file_folders": "drop"}, b"x\\", None),
        ({"file_folders": "drop"}, b"..", None),
        ({"file_quotes": "keep"}, b"a%22b%0D%0Ac", "a%22b%0D%0Ac"),
        ({"file_quotes": "decode"}, b"a%22b", 'a"b'),
        ({"trailing_backslash": "drop_file"}, b"x\\", None),
        ({"trailing_backslash": "drop_file"}, b"x\\y", "x\\y"),
        ({"name_form": "nfc"}, f" {NFD} ".encode(), f" {NFC} "),
        ({"name_form": "trim"}, f" a  {NFD} ".encode(), f"a  {NFD}"),
        ({"name_form": "collapse"}, " a \u00a0 b ".encode(), "a b"),
        ({"name_form": "trim"}, b"  ", None),
        ({"file_folders": "drop", "file_quotes": "keep", "file_names": "latin1"}, "p/ü%22".encode(), "Ã¼%22"),
    ],
)
def test_a_file_is_stored_under_the_name_that_the_switches_give(
    client: Client, switches: dict[str, Any], sent: bytes, kept: str | None
) -> None:
    client.studio.settings.change(switches)
    assert add_raw(client, sent, b"other")["success"]
    assert stored(client) == {"other": b"1"} | ({} if kept is None else {kept: b"0"})


def test_an_item_whose_files_are_all_dropped_is_stored_without_files(client: Client) -> None:
    client.studio.settings.trailing_backslash = "drop_file"
    assert add_raw(client, b"x\\")["success"]
    assert stored(client) == {}


def test_the_later_of_two_files_with_one_stored_name_is_kept(client: Client) -> None:
    client.studio.settings.file_folders = "drop"
    answer = add_raw(client, b"p/x", b"q/x", b"y")
    assert stored(client) == {"x": b"1", "y": b"2"}
    client.call("POST", f"/data/{answer['id']}/add", files=[("files[]", ("r/x", b"new"))])
    assert stored(client) == {"x": b"new", "y": b"2"}


@pytest.mark.parametrize(
    ("form", "sent", "kept"),
    [
        ("raw", f" a  {NFD} ", f" a  {NFD} "),
        ("nfc", f" a  {NFD} ", f" a  {NFC} "),
        ("trim", f" a  {NFD} ", f"a  {NFD}"),
        ("collapse", f" a  {NFD} ", f"a {NFD}"),
    ],
)
def test_items_and_datasets_are_stored_in_the_form_of_the_switch(
    client: Client, form: Any, sent: str, kept: str
) -> None:
    client.studio.settings.name_form = form
    first = client.add_id(sent, dataset=sent)
    second = client.add_id("b", dataset="b")
    client.call("POST", f"/data/{second}", json={"name": sent, "dataset": sent})
    items = client.studio.items()
    assert [(item.id, item.name, item.dataset) for item in items] == [(first, kept, kept), (second, kept, kept)]
    assert len(client.get("/data", dataset=kept)["data"]) == 2
    # A query compares with what is stored; it is not brought into that form itself.
    assert len(client.get("/data", dataset=sent)["data"]) == (2 if sent == kept else 0)


def test_stores_the_name_of_an_empty_dataset_in_the_form_of_the_switch(client: Client) -> None:
    client.studio.settings.name_form = "collapse"
    bucket = {"id": 1, "path": "p", "dataItemNamingLevelsDeep": 1}
    body = {"dataset": " a  b ", "tags": [], "category": "c", "type": "clinical", "bucket": bucket}
    client.studio.settings.job_queued_seconds = client.studio.settings.job_running_seconds = 0
    client.call("POST", "/dataset", json=body)
    assert not client.get("/jobs")["jobs"]
    assert client.get("/dataset/a%20b")["dataset"]["dataset"] == "a b"


@pytest.mark.parametrize("field", ["name", "dataset"])
def test_a_name_that_becomes_empty_is_missing(client: Client, field: str) -> None:
    client.studio.settings.name_form = "trim"
    form = {"name": "n", "dataset": "d", "metadata": "{}"} | {field: "  "}
    answer = client.call("POST", "/data/add", data=form, files=[("files[]", ("a", b"x"))])
    assert (answer["success"], answer["error"]) == (False, f"Missing {field}")


@pytest.mark.parametrize("duplicates", ["new_id", "reject", "merge"])
def test_a_duplicate_is_one_of_the_stored_name(client: Client, duplicates: Any) -> None:
    client.studio.settings.change({"name_form": "nfc", "duplicate_names": duplicates})
    first = client.add_id(NFC)
    answer = client.add(NFD, metadata={"x": "1"})
    assert answer["success"] == (duplicates != "reject")
    assert (answer.get("id") == first) == (duplicates == "merge")
    assert client.names() == [NFC] * (2 if duplicates == "new_id" else 1)


def test_the_switches_for_names_do_not_change_metadata(client: Client) -> None:
    client.studio.settings.name_form = "collapse"
    client.add_id(metadata={f" {NFD} ": " a  b "})
    (item,) = client.studio.items()
    assert json.dumps(item.metadata) == json.dumps({f" {NFD} ": " a  b "})
