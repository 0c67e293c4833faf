"""Two ways to read an answer, typed from bytes and by way of plain objects, give the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ei.exceptions import EdgeImpulseResponseError
from airflow_provider_ei.studio.decoding import convert_answer, decode_answer, json_object
from airflow_provider_ei.studio.models import BucketsAnswer, DataItemAnswer, DataPageAnswer, OrganizationsAnswer
from airflow_provider_ei.studio.repair import repair_item, repair_page
from tests.support.studio import data_api

from .conftest import OpenClient
from .test_api import ITEM, page
from .wire import Reply, ScriptedServer

TEXT = st.text(max_size=20)
COUNT = st.integers(0, 2**80)
TIME = st.datetimes().map(lambda time: time.isoformat() + "Z")
FILE = st.fixed_dictionaries({"name": TEXT, "size": COUNT}, optional={"lastModified": st.none() | TIME, "more": TEXT})
PROMISED = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**80),
        "name": TEXT,
        "dataset": TEXT,
        "totalFileCount": COUNT,
        "totalFileSize": COUNT,
        "created": TIME,
    },
    optional={
        "bucketId": st.none() | COUNT,
        "bucketName": st.none() | TEXT,
        "bucketPath": st.none() | TEXT,
        "metadata": st.dictionaries(TEXT, TEXT, max_size=3),
        "files": st.none() | st.lists(FILE, max_size=3),
        "unknown": TEXT,
    },
)


@given(st.lists(PROMISED, max_size=3), st.none() | COUNT, st.booleans(), st.sampled_from([b"", b"\xef\xbb\xbf"]), TEXT)
def test_a_page_as_promised(items: list[Any], total: int | None, escaped: bool, mark: bytes, error: str) -> None:
    answer = {"success": True, "data": items, "totalDataItemCount": total, "filterParseError": error}
    body = mark + json.dumps(answer, ensure_ascii=escaped).encode()
    plain = json_object(body)
    assert plain == answer
    assert decode_answer(DataPageAnswer, body) == repair_page(plain, "list", offset=0)


@given(PROMISED)
def test_an_item_as_promised(item: dict[str, Any]) -> None:
    answer = {"success": True, "data": item}
    body = json.dumps(answer).encode()
    assert decode_answer(DataItemAnswer, body) == repair_item(answer, "get", data_id=1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"success": true}',
        b'{"success": 1, "organizations": []}',
        b'{"success": true, "organizations": [{"id": 1, "name": "\xff"}]}',
        b'{"success": true, "organizations": [{"id": 1, "name": "\\ud800"}]}',
        b'{"success": true, "organizations": [], "x": NaN}',
        b'{"success": true, "organizations": [], "x": ' + b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:60]),
)
def test_anything_else_is_none(body: bytes) -> None:
    assert decode_answer(OrganizationsAnswer, body) is None


def test_the_last_of_several_keys_of_one_name_counts() -> None:
    body = b'{"success": false, "buckets": 5, "success": true, "buckets": [], "buckets": [{"id": 1, "bucket": "b"}]}'
    plain = json_object(body)
    assert plain is not None
    assert decode_answer(BucketsAnswer, body) in (None, convert_answer(BucketsAnswer, plain, "buckets"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"buckets": [{"id": 0, "bucket": "b"}]}, r"buckets\[0\]\.id: "),
        ({"buckets": [{"id": 1}]}, r"buckets\[0\]\.bucket: it is missing"),
        ({"buckets": "none"}, "buckets: "),
        ({}, "buckets: it is missing"),
    ],
)
def test_the_field_that_is_not_as_promised_is_named_after_the_remedy(answer: dict[str, Any], words: str) -> None:
    with pytest.raises(EdgeImpulseResponseError, match=f"^Try again later.*: {words}"):
        convert_answer(BucketsAnswer, {"success": True} | answer, "listOrganizationBuckets")


def test_numbers_may_be_given_as_strings() -> None:
    answer = convert_answer(BucketsAnswer, {"success": "true", "buckets": [{"id": "5", "bucket": "b"}]}, "x")
    assert answer.buckets[0].id == 5


def test_metadata_of_others_with_a_lone_surrogate_do_not_end_the_listing(studio_open: OpenClient) -> None:
    odd = ITEM | {"id": 4, "metadata": {"a\ud800": "b\udfff", "c": 1}}
    with ScriptedServer(page(ITEM, odd, total=2)) as server:
        ours, theirs = data_api(studio_open(server.url)).list_data_items("d")
    assert ours.metadata == ITEM["metadata"]
    assert theirs.metadata == {"a\ud800": "b\udfff", "c": "1"}


@pytest.mark.parametrize("field", ["name", "dataset"])
def test_an_item_whose_name_has_a_lone_surrogate_is_named(studio_open: OpenClient, field: str) -> None:
    reply = page(ITEM | {"id": 1}, ITEM | {field: "x\ud800"}, total=2)
    with (
        ScriptedServer(reply) as server,
        pytest.raises(EdgeImpulseResponseError, match=f"place 1 .*: {field}: it is not valid Unicode"),
    ):
        data_api(studio_open(server.url)).list_data_items("d")


def test_a_file_whose_name_has_a_lone_surrogate_is_left_out_of_a_listing(studio_open: OpenClient) -> None:
    files = [{"name": "x\ud800", "size": 1}, {"name": "y", "size": 2}]
    with ScriptedServer(page(ITEM | {"files": files}, total=1)) as server:
        (item,) = data_api(studio_open(server.url)).list_data_items("d", with_files=True)
    assert [(file.name, file.size) for file in item.files or ()] == [("y", 2)]


def test_a_page_with_a_number_that_json_does_not_have_is_read(studio_open: OpenClient) -> None:
    body = json.dumps({"success": True, "data": [ITEM | {"x": float("nan")}], "totalDataItemCount": 1})
    with ScriptedServer(Reply(200, body)) as server:
        assert len(data_api(studio_open(server.url)).list_data_items("d")) == 1
