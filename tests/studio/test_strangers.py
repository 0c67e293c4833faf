"""Items that other programs made, odd in every way: they must not end the listing of the others, or be named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ei.exceptions import EdgeImpulseResponseError
from airflow_provider_ei.studio.models import UNKNOWN_SIZE, DataItem
from airflow_provider_ei.studio.repair import read_listed_item
from tests.support.studio import data_api

from .conftest import OpenClient
from .test_api import ITEM, ITEM_WITH_FILES, page, without
from .wire import Reply, ScriptedServer

LIST = "listOrganizationFiles"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FILES = st.lists(ANYTHING | st.fixed_dictionaries({}, optional={"name": ANYTHING, "size": ANYTHING}), max_size=4)


def read(change: dict[str, Any]) -> DataItem:
    return read_listed_item(ITEM_WITH_FILES | change, LIST, 0)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("metadata", "totalFileCount", "totalFileSize", "created", "bucketId", "bucketName", "bucketPath"), ANYTHING
        )
        | {"files": ANYTHING | FILES},
    )
)
def test_whatever_an_item_has_besides_its_id_name_and_dataset_it_is_listed(change: dict[str, Any]) -> None:
    item = read(change)
    assert (item.id, item.name, item.dataset) == (3, "run 1", "d")
    assert item.created.tzinfo is not None
    assert all(isinstance(value, str) for value in item.metadata.values())
    assert all(file.name is not None and file.size >= UNKNOWN_SIZE for file in item.files or ())


@given(st.sampled_from(["id", "name", "dataset"]), ANYTHING)
def test_an_item_whose_id_name_or_dataset_cannot_be_used_is_named(field: str, value: Any) -> None:
    try:
        item = read_listed_item(ITEM | {field: value}, LIST, 1234)
    except EdgeImpulseResponseError as error:
        assert "place 1234" in str(error) and f": {field}: " in str(error)
        assert all(repr(ITEM[other]) in str(error) for other in {"name", "dataset"} - {field})
    else:
        assert item.id > 0 and isinstance(item.name, str) and isinstance(item.dataset, str)
        assert type(value) is int or isinstance(value, str) or (field != "id" and isinstance(value, float))


@pytest.mark.parametrize("value", [None, True, "x", "", [], 5, {}, [{"id": 1}]], ids=repr)
def test_what_is_not_an_item_at_all_is_an_error(value: object) -> None:
    with pytest.raises(EdgeImpulseResponseError, match="place 7"):
        read_listed_item(value, LIST, 7)


@pytest.mark.parametrize("field", ["id", "name", "dataset"])
def test_missing_field_of_a_listed_item_is_named(studio_open: OpenClient, field: str) -> None:
    reply = page(ITEM | {"id": 1}, without(ITEM, field), total=2)
    with ScriptedServer(reply) as server, pytest.raises(EdgeImpulseResponseError, match=f"place 1 .*: {field}: "):
        data_api(studio_open(server.url)).list_data_items("d")


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "x", None, [3]], ids=repr)
def test_an_id_is_a_positive_integer(number: Any) -> None:
    with pytest.raises(EdgeImpulseResponseError, match="'run 1'"):
        read({"id": number})


@pytest.mark.parametrize("metadata", [None, True, 5, "text", [], ["a"]], ids=repr)
def test_metadata_that_are_not_a_map_count_as_none(metadata: Any) -> None:
    assert read({"metadata": metadata}).metadata == {}
    assert read_listed_item(without(ITEM, "metadata"), LIST, 0).metadata == {}


def test_values_that_are_not_strings_are_kept_as_their_json_text() -> None:
    metadata = {"s": "1", "i": 5, "f": 1.5, "b": True, "n": None, "l": [1, "ä"], "o": {"a": {"b": "c"}}}
    assert read({"metadata": metadata}).metadata == {
        "s": "1",
        "i": "5",
        "f": "1.5",
        "b": "true",
        "n": "null",
        "l": '[1, "ä"]',
        "o": '{"a": {"b": "c"}}',
    }


def test_odd_files_have_an_unknown_size_or_are_left_out() -> None:
    files = [
        {"name": "good", "size": 5},
        {"name": "no size"},
        {"name": "negative", "size": -7},
        {"name": "text", "size": "many"},
        {"name": "both", "size": None, "lastModified": "yesterday"},
        {"name": None, "size": 1},
        {"size": 1},
        {"name": ["x"], "size": None},
        None,
        "x",
    ]
    assert [(file.name, file.size) for file in read({"files": files}).files or ()] == [
        ("good", 5),
        ("no size", UNKNOWN_SIZE),
        ("negative", UNKNOWN_SIZE),
        ("text", UNKNOWN_SIZE),
        ("both", UNKNOWN_SIZE),
    ]


@pytest.mark.parametrize("created", [None, "yesterday", {}, "2026-13-01"], ids=repr)
def test_a_time_that_cannot_be_read_counts_as_now(created: Any) -> None:
    before = datetime.now(UTC)
    assert before <= read({"created": created}).created <= datetime.now(UTC)


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert read({"created": "2026-01-01T00:00:00"}).created == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_others_are_listed_beside_a_stranger(studio_open: OpenClient) -> None:
    stranger = {"id": 9, "name": "x", "dataset": "d", "metadata": None, "files": [None], "created": 0}
    with ScriptedServer(page(ITEM_WITH_FILES, stranger, total=2)) as server:
        ours, theirs = data_api(studio_open(server.url)).list_data_items("d", with_files=True)
    assert ours.files is not None and [(file.name, file.size) for file in ours.files] == [("1.csv", 5)]
    assert (theirs.name, theirs.metadata, theirs.files) == ("x", {}, ())


def test_a_single_item_with_odd_metadata_is_read(studio_open: OpenClient) -> None:
    with ScriptedServer(Reply(200, {"success": True, "data": ITEM | {"metadata": None}})) as server:
        assert data_api(studio_open(server.url)).get_data_item(3).metadata == {}
