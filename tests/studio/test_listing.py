"""Listings of a dataset that others change between any two pages: in memory, so that many cases can be tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ei.studio import listing as listing_module
from airflow_provider_ei.studio.listing import ATTEMPTS, Listing, ListingMovedError, Page
from airflow_provider_ei.studio.models import DataItem

Order = Literal["oldest", "newest", "name"]
ORDERS: tuple[Order, ...] = ("oldest", "newest", "name")
NAMES = "abcdefgh"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

#: What somebody does: ("add", which of the unused ids, name), ("delete", which item), ("rename", which item, name).
Change = tuple[str, int, str]


@dataclass
class Service:
    """A dataset that changes by itself before each page.

    :ivar names: name of each item by id.
    :ivar changes: what happens before each request, one entry a request.
    :ivar cap: how many items it gives at most, whatever is asked for.
    :ivar ignores_offset: whether it always gives the first items.
    """

    names: dict[int, str]
    order: Order = "oldest"
    has_totals: bool = True
    changes: Sequence[Sequence[Change]] = ()
    cap: int = 1000
    ignores_offset: bool = False
    requests: int = 0
    waits: list[float] = field(default_factory=list)
    always_there: set[int] = field(default_factory=set)
    ever_there: set[int] = field(default_factory=set)
    renamed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.always_there = set(self.names)
        self.ever_there = set(self.names)

    def list(self, limit: int) -> Listing:
        return Listing([lambda offset: self.get(offset, limit)], self.waits.append)

    def listed(self) -> list[int]:
        """All ids, in order."""
        by_name = sorted(self.names, key=lambda number: (self.names[number], number))
        return {"oldest": sorted(self.names), "newest": sorted(self.names, reverse=True), "name": by_name}[self.order]

    def change(self, kind: str, which: int, name: str) -> None:
        if kind == "add":
            number = [free for free in range(1, 100) if free not in self.names][which]
            self.names[number] = name
            self.ever_there.add(number)
        elif self.names:
            number = sorted(self.names)[which % len(self.names)]
            if kind == "delete":
                del self.names[number]
                self.always_there.discard(number)
            elif name != self.names[number]:
                self.names[number] = name
                self.renamed.add(number)

    def get(self, offset: int, limit: int) -> Page:
        if self.requests < len(self.changes):
            for change in self.changes[self.requests]:
                self.change(*change)
        self.requests += 1
        ids = self.listed()
        begin = 0 if self.ignores_offset else offset
        items = tuple(item(number, self.names[number]) for number in ids[begin : begin + min(limit, self.cap)])
        return Page(offset, items, len(ids) if self.has_totals else None, is_full=len(items) >= limit)


def item(number: int, name: str) -> DataItem:
    return DataItem(
        id=number,
        name=name,
        dataset="d",
        total_file_count=0,
        total_file_size=0,
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )


def numbered(count: int) -> dict[int, str]:
    """Items whose names are in the order of their ids; every second id is free."""
    return {2 * number: NAMES[number % len(NAMES)] + str(number) for number in range(1, count + 1)}


def change() -> st.SearchStrategy[Change]:
    kinds = st.sampled_from(["add", "delete", "rename"])
    return st.tuples(kinds, st.integers(0, 30), st.sampled_from(NAMES))


@st.composite
def services(draw: st.DrawFn, most_changes: int = 30, *, ignores_offset: bool = False) -> tuple[Service, int]:
    """A service, and how many items to ask it for at once."""
    ids = draw(st.lists(st.integers(1, 40), unique=True, max_size=14))
    has_totals = draw(st.booleans())
    service = Service(
        names={number: draw(st.sampled_from(NAMES)) for number in ids},
        order=draw(st.sampled_from(ORDERS)),
        has_totals=has_totals,
        changes=draw(st.lists(st.lists(change(), max_size=4), max_size=most_changes)),
        cap=draw(st.integers(2, 20)) if has_totals else 1000,
        ignores_offset=ignores_offset,
    )
    return service, draw(st.integers(2, 6))


def check(service: Service, listed: Sequence[DataItem]) -> None:
    ids = [each.id for each in listed]
    assert len(ids) == len(set(ids)), "listed twice"
    assert set(ids) <= service.ever_there
    kept = service.always_there - (service.renamed if service.order == "name" else set())
    assert kept <= set(ids), f"missing: {kept - set(ids)}"


class TestWhileTheDatasetChanges:
    @given(services())
    def test_what_is_there_all_the_time_is_listed_once_or_the_listing_fails(self, case: tuple[Service, int]) -> None:
        service, limit = case
        try:
            listed = service.list(limit).take()
        except ListingMovedError:
            return
        check(service, listed)

    @given(services(ignores_offset=True))
    def test_nothing_is_missed_where_the_offset_is_ignored(self, case: tuple[Service, int]) -> None:
        service, limit = case
        try:
            listed = service.list(limit).take()
        except ListingMovedError:
            return
        check(service, listed)

    @given(services(most_changes=3))
    def test_a_dataset_that_comes_to_rest_is_listed(self, case: tuple[Service, int]) -> None:
        service, limit = case
        check(service, service.list(limit).take())

    @given(services(most_changes=0))
    def test_a_dataset_at_rest_is_listed_in_as_few_pages_as_overlap(self, case: tuple[Service, int]) -> None:
        service, limit = case
        listed = service.list(limit).take()
        assert sorted(each.id for each in listed) == sorted(service.names)
        size = min(limit, service.cap)
        pages = 1 + max(0, -(-(len(service.names) - size) // (size - 1)))
        if not service.has_totals and service.names:
            pages += 1  # the one without anything new
        assert service.requests == pages

    @pytest.mark.parametrize("order", ORDERS)
    @pytest.mark.parametrize("has_totals", [True, False])
    def test_an_item_that_is_added_before_each_page_does_not_disturb(self, order: Order, has_totals: bool) -> None:
        service = Service(numbered(20), order, has_totals, [[("add", 0, "a")]] * 100)
        check(service, service.list(4).take())
        assert service.waits == []

    def test_an_item_that_is_deleted_before_each_page_costs_no_second_attempt(self) -> None:
        """Others clear away the oldest while the oldest are listed first."""
        service = Service(numbered(20), "oldest", changes=[[], *[[("delete", 0, "")]] * 10])
        check(service, service.list(5).take())
        assert service.waits == []

    @pytest.mark.parametrize("order", ["oldest", "newest"])
    def test_a_dataset_that_shrinks_all_the_time_is_listed_in_the_end(self, order: Order) -> None:
        last = ("delete", -1 if order == "oldest" else 0, "")
        service = Service(numbered(60), order, changes=[[last]] * 1000)
        check(service, service.list(6).take())

    @pytest.mark.parametrize("has_totals", [True, False])
    def test_one_deleted_and_one_added_between_two_pages(self, has_totals: bool) -> None:
        for order in ORDERS:
            for deleted in range(10):
                for before_page in range(1, 5):
                    changes: list[list[Change]] = [[] for _ in range(before_page)]
                    changes.append([("delete", deleted, ""), ("add", 30, "zz")])
                    service = Service(numbered(10), order, has_totals, changes)
                    check(service, service.list(3).take())

    def test_an_item_that_is_renamed_once_is_not_missed_in_an_order_by_name(self) -> None:
        for renamed in range(10):
            for name in ("a", "c5", "zz"):
                for before_page in range(1, 5):
                    changes: list[list[Change]] = [[] for _ in range(before_page)]
                    changes.append([("rename", renamed, name)])
                    service = Service(numbered(10), "name", changes=changes)
                    assert {each.id for each in service.list(3).take()} == set(service.names)

    @pytest.mark.parametrize("has_totals", [True, False])
    def test_an_item_that_was_renamed_does_not_say_where_the_next_page_begins(self, has_totals: bool) -> None:
        """The last item of the first page moves as far back as the list is pulled forward."""
        names = {number: f"{number}" for number in range(1, 10)}
        changes: list[Change] = [("delete", 0, "")] * 3 + [("rename", 0, "75")] + [("add", 30, "z")] * 3
        service = Service(names, "name", has_totals, [[], changes])
        check(service, service.list(4).take())
        assert {5, 6, 7} <= service.always_there

    def test_the_waits_between_attempts_grow(self) -> None:
        waits: list[float] = []
        with pytest.raises(ListingMovedError):
            Listing([lambda offset: Page(offset, (), 1, is_full=False)], waits.append).take()
        assert waits == [0.5, 1.0, 2.0]
        assert len(waits) == ATTEMPTS - 1


PageOf = Callable[[int], Page]


def always(*ids: int, total: int | None = None, limit: int = 1000) -> PageOf:
    """The same items, whatever is asked for."""
    return lambda offset: Page(offset, tuple(item(each, "x") for each in ids), total, is_full=len(ids) >= limit)


class TestServicesThatDoNotListAsPromised:
    @pytest.mark.parametrize(
        "fetch",
        [
            pytest.param(always(1, 2, 3, total=7), id="ignores the offset"),
            pytest.param(always(1, 2, 3, limit=3), id="ignores the offset, has no totals"),
            pytest.param(always(1, total=2), id="one item of two"),
            pytest.param(always(1, 2, total=1), id="two items of one"),
            pytest.param(always(1, 1, total=2), id="an item twice"),
            pytest.param(always(total=1), id="none of one"),
            pytest.param(lambda offset: Page(offset, (item(offset + 1, "x"),), offset + 9, is_full=False), id="no end"),
        ],
    )
    def test_end_in_an_error_and_not_in_fewer_items(self, fetch: PageOf) -> None:
        requests: list[int] = []

        def counted(offset: int) -> Page:
            requests.append(offset)
            return fetch(offset)

        with pytest.raises(ListingMovedError):
            Listing([counted], lambda seconds: None).take()
        assert len(requests) <= 150

    def test_ever_new_items_without_totals_are_not_asked_for_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing_module, "MAX_PAGES_WITHOUT_TOTAL", 50)
        requests: list[int] = []

        def fetch(offset: int) -> Page:
            requests.append(offset)
            return Page(offset, tuple(item(offset + number, "x") for number in range(1, 4)), None, is_full=True)

        with pytest.raises(ListingMovedError, match="does not end"):
            Listing([fetch], lambda seconds: None).take()
        assert len(requests) == 50 * ATTEMPTS

    def test_pages_without_anything_in_common_are_no_listing(self) -> None:
        ids = iter(range(1, 10_000))

        def fetch(offset: int) -> Page:
            return Page(offset, tuple(item(next(ids), "x") for _ in range(3)), None, is_full=True)

        with pytest.raises(ListingMovedError, match="no data item of the page before"):
            Listing([fetch], lambda seconds: None).take()

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_short_page_without_new_items_is_the_end_where_no_total_is_told(self, count: int) -> None:
        listed = Listing([always(*range(1, count + 1))], lambda seconds: None).take()
        assert len(listed) == count
