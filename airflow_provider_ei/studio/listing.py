"""Reads a complete listing from pages with offsets, while others change the dataset.

When items are added or removed at the front of the list between two pages, all later items shift, and a page that is
requested by its offset misses items or repeats them. So pages overlap by one item: a page counts only if it contains an
item of the previous page, unchanged. The items after that one are then all those that follow it in the list, wherever
the list has shifted to. That holds for every order by something that does not change (the id, the creation time, the
name of an item that was not renamed). If a page has no such item, because earlier items were deleted, it is requested
again from the offset of the previous page. If that does not help either, the listing starts again.

In an order by name, an item would be missed that is renamed from the part that is still to come to the part that is
already listed. The remaining part then has one item less, and such a listing starts again, too. If deletions keep
having the same effect, the last attempt accepts it if the ids are in order: then the list is not ordered by name.

If the service gives no total, a page that has no new items, and fewer items than requested, is the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

from airflow_provider_ei.studio.seen_ids import SeenIds

#: Maximum number of attempts for a listing.
ATTEMPTS = 4
#: Wait before the second attempt; each further wait is twice as long.
FIRST_WAIT_SECONDS = 0.5
#: Maximum number of pages of a listing without a total.
MAX_PAGES_WITHOUT_TOTAL = 1_000
_LEFT = "Data items left the part of the list that was still to come."
#: Pages that a listing may take in addition to twice the number that its total requires.
_MORE_PAGES = 10

#: What a list may be ordered by: id, name and dataset.
_Facts = tuple[int, str, str]


class Listed(Protocol):
    """A data item or a sample, with what a list may be ordered by."""

    @property
    def id(self) -> int:
        """Its id, which never changes."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def dataset(self) -> str:
        """The dataset or category that it is in."""


ItemT = TypeVar("ItemT", bound=Listed)


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """One response: its items begin at ``offset`` in a list of ``total`` items, or None if the total is unknown.

    :ivar is_full: whether it has as many items as were requested.
    """

    offset: int
    items: Sequence[ItemT]
    total: int | None
    is_full: bool

    @property
    def end(self) -> int:
        """The place after its last item."""
        return self.offset + len(self.items)

    def to_come(self, place: int) -> int | None:
        """Return the number of items from a position to the end."""
        return None if self.total is None else self.total - place


@dataclass(frozen=True, slots=True)
class ListedPage(Generic[ItemT]):
    """A part of a listing.

    :ivar items: the data items that no earlier page of this listing had.
    :ivar is_first: whether the listing begins with this page. It is true once for a dataset that nobody changes, and
        again whenever the listing has moved and starts again: the caller must then discard all earlier pages.
    """

    items: Sequence[ItemT]
    is_first: bool


class ListingMovedError(Exception):
    """The list was changed, or the service counts differently; the message says what was observed."""


class OffsetIgnoredError(ListingMovedError):
    """The service returns its first page for every offset, so retrying does not help."""


class Listing(Generic[ItemT]):
    """Reads a complete listing, and starts again when it has moved.

    :param fetches: one function per list, which gets the page at an offset; an item may be in several lists.
    :param sleep: waits for that many seconds.
    :ivar total: the total that the service reported last.
    """

    def __init__(self, fetches: Sequence[Callable[[int], Page[ItemT]]], sleep: Callable[[float], None]) -> None:
        self._fetches = fetches
        self._sleep = sleep
        self._seen: list[SeenIds] = []
        self.total: int | None = None

    @property
    def count(self) -> int:
        """The number of items that the last attempt has seen."""
        return sum(map(len, self._seen))

    def take(self) -> list[ItemT]:
        """Return all data items, each once.

        :raises ListingMovedError: if it has moved in each attempt.
        """
        items: list[ItemT] = []
        for page in self.pages():
            if page.is_first:
                items.clear()
            items += page.items
        return items

    def pages(self) -> Iterator[ListedPage[ItemT]]:
        """Yield the listing page by page; after the last page with ``is_first``, each item occurs once.

        :raises ListingMovedError: if it has moved in each attempt.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                yield from self._attempt(is_last=attempt == ATTEMPTS)
            except ListingMovedError:
                if attempt == ATTEMPTS:
                    raise
            else:
                return
            self._sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1))

    def _attempt(self, *, is_last: bool) -> Iterator[ListedPage[ItemT]]:
        self._seen = []
        is_first = True
        for fetch in self._fetches:
            earlier = tuple(self._seen)
            seen = SeenIds()
            self._seen.append(seen)
            for items in _Walk(self, fetch, seen, is_last=is_last).new_items():
                if earlier:
                    items = [item for item in items if not any(item.id in ids for ids in earlier)]
                yield ListedPage(items, is_first)
                is_first = False


class _Walk(Generic[ItemT]):
    """One attempt to read one list.

    :param seen: the ids of the items that it has listed.
    :param is_last: whether no other attempt follows.
    """

    def __init__(
        self, listing: Listing[ItemT], fetch: Callable[[int], Page[ItemT]], seen: SeenIds, *, is_last: bool
    ) -> None:
        self._listing = listing
        self._fetch = fetch
        self._seen = seen
        self._is_last = is_last
        self._pages = 0
        self._most_pages = MAX_PAGES_WITHOUT_TOTAL
        self._first: list[int] = []
        self._steps: set[bool] = set()  # whether the id rises from an item of a page to the next one

    def new_items(self) -> Iterator[Sequence[ItemT]]:
        """Yield the items of each page that no earlier page had.

        :raises ListingMovedError: when an item may have been missed.
        """
        page = self._get(0)
        self._first = [item.id for item in page.items]
        yield self._keep(page)
        if page.total is not None:
            step = max(1, len(page.items) - 1)
            self._most_pages = 2 * -(-page.total // step) + _MORE_PAGES
        is_disturbed = False
        while not _is_end(page):
            before, page, old_place, place = page, *self._next(page)
            to_come, were_to_come = page.to_come(place), before.to_come(old_place)
            if to_come is not None and were_to_come is not None and to_come < were_to_come:
                is_disturbed = True
            is_repeated = any(item.id in self._seen for item in page.items[place + 1 - page.offset :])
            new = self._keep(page)
            if not new and page.total is None and not page.is_full:
                return
            if is_repeated:
                raise ListingMovedError("A data item is listed in two places.")
            if not new and not _is_end(page):
                raise ListingMovedError("A page has no data item that was not listed before.")
            if is_disturbed and not (self._is_last and len(self._steps) < 2):
                raise ListingMovedError(_LEFT)
            yield new
        # A service that ignores the offset looks like one whose items are removed.
        if is_disturbed and self._get(2 * page.end).items:
            raise ListingMovedError(_LEFT)

    def _next(self, before: Page[ItemT]) -> tuple[Page[ItemT], int, int]:
        """Get the page after another one.

        :return: the page, and the position of an item that both pages have, in the old and in the current list.
        """
        if len(before.items) < 2:  # two such pages cannot overlap and make progress
            page = self._get(before.end)
            return page, before.end - 1, page.offset - 1
        for offset in (before.end - 1, before.offset):
            page = self._get(offset)
            shared = _shared(before, page)
            if shared is not None:
                return page, *shared
        raise ListingMovedError("A page has no data item of the page before it.")

    def _get(self, offset: int) -> Page[ItemT]:
        if self._pages >= self._most_pages:
            raise ListingMovedError(f"It does not end: it has more than {self._most_pages} pages.")
        self._pages += 1
        page = self._fetch(offset)
        self._listing.total = page.total
        if offset and page.is_full and len(self._first) > 1 and [item.id for item in page.items] == self._first:
            raise OffsetIgnoredError(f"The page at {offset} is the first page again.")
        if page.total is not None and page.items and page.end > page.total:
            raise ListingMovedError("A page has more data items than the total says.")
        return page

    def _keep(self, page: Page[ItemT]) -> Sequence[ItemT]:
        """Record the items of a page; return those that are new."""
        ids = [item.id for item in page.items]
        if len(set(ids)) < len(ids):
            raise ListingMovedError("A page has a data item twice.")
        self._steps.update(one < other for one, other in pairwise(ids))
        new = [item for item in page.items if item.id not in self._seen]
        self._seen.add([item.id for item in new])
        return new


def _is_end(page: Page[ItemT]) -> bool:
    return not page.items if page.total is None else page.end >= page.total


def _shared(before: Page[ItemT], page: Page[ItemT]) -> tuple[int, int] | None:
    """Find the last item of a page that the next one also has; return its position in the old and the new list."""
    if page.items and _facts(before.items[-1]) == _facts(page.items[0]):
        return before.end - 1, page.offset
    places = {_facts(item): place for place, item in enumerate(page.items, page.offset)}
    for old_place, item in reversed(list(enumerate(before.items, before.offset))):
        if _facts(item) in places:
            return old_place, places[_facts(item)]
    return None


def _facts(item: Listed) -> _Facts:
    # The fields that a list may be ordered by. An item that was renamed may have moved: it proves nothing about others.
    return item.id, item.name, item.dataset
