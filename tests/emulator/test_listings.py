"""Pages of listings: each shows what a listing at once shows, in every order, also while the data change."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer

from .conftest import Client

PATHS = ("/data", "/data/files")
ORDERS = ("oldest", "newest", "name")


def pages(client: Client, path: str, size: int, **query: Any) -> list[int]:
    """The ids of all pages, one after the other."""
    found: list[int] = []
    while True:
        answer = client.get(path, limit=size, offset=len(found), **query)
        found += [item["id"] for item in answer["data"]]
        if len(answer["data"]) < size:
            assert answer["totalDataItemCount"] == len(found)
            return found


@pytest.fixture
def filled(client: Client) -> Client:
    """A client of an emulator whose items share names, and lie in two datasets."""
    for number in range(23):
        files = {f"{name}.csv": b"x" * number for name in ("b", "a")[: number % 3]}
        client.studio.put_item(f"item {number * 7 % 5}", f"d{number % 2}", {"n": str(number)}, files)
    return client


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("query", [{}, {"dataset": "d1"}, {"filter": "file_name LIKE 'a%'"}, {"filter": "id > 3"}])
def test_pages_are_a_whole_listing_in_parts(filled: Client, path: str, order: Any, query: dict[str, str]) -> None:
    filled.studio.settings.listing_order = order
    whole = [item["id"] for item in filled.get(path, **query)["data"]]
    assert whole
    for size in (1, 4, len(whole), 100):
        assert pages(filled, path, size, **query) == whole


@pytest.mark.parametrize("order", ORDERS)
def test_a_page_after_a_change_is_that_of_the_data_now(filled: Client, order: Any) -> None:
    filled.studio.settings.listing_order = order
    filled.get("/data", limit=5)
    first = filled.get("/data")["data"][0]["id"]
    filled.studio.remove_item(first)
    whole = [item["id"] for item in filled.get("/data")["data"]]
    answer = filled.get("/data", limit=5, offset=5)
    assert [item["id"] for item in answer["data"]] == whole[5:10]
    assert answer["totalDataItemCount"] == 22
    filled.studio.edit_item(whole[0], name="zzz", dataset="d9")
    assert pages(filled, "/data", 5) == [item["id"] for item in filled.get("/data")["data"]]


def test_two_listings_at_a_time_do_not_disturb_each_other(filled: Client) -> None:
    def page(offset: int, **query: Any) -> list[int]:
        return [item["id"] for item in filled.get("/data", limit=3, offset=offset, **query)["data"]]

    wholes = [[item["id"] for item in filled.get("/data", **query)["data"]] for query in ({}, {"dataset": "d1"})]
    for offset in (0, 3, 6, 9):
        for whole, query in zip(wholes, ({}, {"dataset": "d1"}), strict=True):
            assert page(offset, **query) == whole[offset : offset + 3]


def test_files_are_listed_in_the_order_of_their_arrival_with_any_names(studio: EmulatorServer, client: Client) -> None:
    names = ["z", 'a"\\\x00\x1f', "é \u2028 𝄞", "b/c", "a"]
    item_id = studio.put_item('n"\x00', "d", {"k\x00": '"'}, {name: b"1" for name in names})
    client.call("POST", f"/data/{item_id}/add", files=[("files[]", ("z", b"22")), ("files[]", ("new", b""))])
    (item,) = client.get("/data/files")["data"]
    assert [file["name"] for file in item["files"]] == [*names, "new"]
    assert [file["size"] for file in item["files"]] == [2, 1, 1, 1, 1, 0]
    assert [file["bucketPath"] for file in item["files"]] == [f'd/n"\x00/{name}' for name in [*names, "new"]]
    assert client.get(f"/data/{item_id}")["data"] == item
    assert item["metadata"] == {"k\x00": '"'}
