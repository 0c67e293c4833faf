"""A listing as a stream of pages: what whoever reads it keeps is right at the end, and it is never held whole."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseResponseError
from airflow_provider_ei.studio.api import pages as pages_module
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.listing import ListedPage, Listing, ListingMovedError, Page
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.seen_ids import SeenIds
from tests.support.studio import data_api

from .test_listing import Service, check, item, services


def read(pages: Iterable[ListedPage]) -> tuple[list[DataItem], int]:
    """Read a stream as its contract says; return what is kept, and how often it began."""
    kept: list[DataItem] = []
    begun = 0
    for page in pages:
        if page.is_first:
            kept, begun = [], begun + 1
        kept += page.items
    return kept, begun


@given(services())
def test_what_a_reader_keeps_has_each_item_once_and_misses_none(case: tuple[Service, int]) -> None:
    service, limit = case
    try:
        kept, begun = read(service.list(limit).pages())
    except ListingMovedError:
        return
    check(service, kept)
    assert begun == 1 + len(service.waits)


@given(services(most_changes=0))
def test_a_dataset_at_rest_begins_once_even_if_it_is_empty(case: tuple[Service, int]) -> None:
    service, limit = case
    kept, begun = read(service.list(limit).pages())
    assert (sorted(each.id for each in kept), begun) == (sorted(service.names), 1)


@given(services(), services())
def test_an_item_in_two_lists_comes_once(one: tuple[Service, int], other: tuple[Service, int]) -> None:
    for service, _ in (one, other):
        service.changes = ()
    fetches = [lambda offset, each=each: each[0].get(offset, each[1]) for each in (one, other)]
    kept, _ = read(Listing(fetches, lambda seconds: None).pages())
    assert sorted(each.id for each in kept) == sorted({*one[0].names, *other[0].names})


@pytest.mark.parametrize("spelled", ["d", "d  e"])
def test_a_listing_that_moves_says_so_and_begins_anew(
    studio_emulator: EmulatorServer, studio_client: HttpClient, monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    monkeypatch.setattr(pages_module, "PAGE_ITEMS", 3)
    ids = [studio_emulator.put_item(f"{number}", spelled, {}, {}) for number in range(9)]

    pages = data_api(studio_client).list_pages(spelled)
    first = next(pages)
    assert first.is_first and [each.id for each in first.items] == ids[:3]
    for number in ids[:3]:
        studio_emulator.remove_item(number)
    kept, begun = read(pages)
    assert ([each.id for each in kept], begun) == (ids[3:], 1)


def test_a_listing_that_fails_ends_in_an_error_and_not_in_fewer_pages(
    studio_emulator: EmulatorServer, studio_client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "PAGE_ITEMS", 3)
    studio_emulator.settings.change({"listing_offset": "ignored"})
    for number in range(7):
        studio_emulator.put_item(f"{number}", "d", {}, {})
    with pytest.raises(EdgeImpulseResponseError, match="incomplete"):
        read(data_api(studio_client).list_pages("d"))


def test_pages_that_were_read_are_not_kept() -> None:
    def fetch(offset: int) -> Page:
        last = min(offset + 100, 100_000)
        return Page(offset, [item(n + 1, "x" * 1000) for n in range(offset, last)], 100_000, is_full=True)

    tracemalloc.start()
    try:
        count = sum(len(page.items) for page in Listing([fetch], lambda seconds: None).pages())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 100_000
    assert peak < 100_000 * 50


@given(st.lists(st.lists(st.integers(1, 60) | st.integers(1, 2**70), unique=True, max_size=20), max_size=5))
def test_seen_ids_are_a_set(batches: list[list[int]]) -> None:
    seen, right = SeenIds(), set[int]()
    for batch in batches:
        new = [number for number in batch if number not in seen]
        assert new == [number for number in batch if number not in right]
        seen.add(new)
        right.update(new)
        assert len(seen) == len(right)
        assert all((number in seen) == (number in right) for number in range(70))


@pytest.mark.parametrize("ids", [range(1, 100_001), range(100_000, 0, -1)], ids=["oldest first", "newest first"])
def test_seen_ids_in_order_take_eight_bytes_each(ids: range) -> None:
    tracemalloc.start()
    try:
        seen = SeenIds()
        seen.add(ids)
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(seen) == 100_000
    assert size < 100_000 * 10
