"""A whole listing, from pages that are counted by an offset while others change the dataset.

Items that are added or deleted at the front of the list between two pages shift all that follow, so that a page by
offset misses items or repeats them. So pages overlap by one item: a page counts only if it has an item of
the page before it, unchanged. The items after that one are then all those that follow it in the list, wherever the
list has shifted to. That holds for every order that goes by what does not change (the id, the time of creation, the
name of an item that was not renamed). If a page has no such item, because items before it were deleted, the page is
asked for again from where the one before it began. If that does not help either, the listing begins again.

In an order by name, an item that is renamed from what is still to come to what was listed already would be missed. It
leaves one item less to come, and such a listing begins again, too. Where deletions keep doing the same, the last
attempt accepts it if the ids are in order: then the list goes by them, not by names.

Where the service tells no total, a page with nothing new and fewer items than were asked for is the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.seen_ids import SeenIds

#: How often a listing is begun at most.
ATTEMPTS = 4
#: How long it waits before it begins the second time; each further wait is twice as long.
FIRST_WAIT_SECONDS = 0.5
#: Maximum number of pages of a listing whose total is unknown.
MAX_PAGES_WITHOUT_TOTAL = 1_000
_LEFT = "Data items left the part of the list that was still to come."
#: Pages that a listing may take beyond twice those that its total calls for.
_MORE_PAGES = 10

#: What a list may be ordered by: id, name and dataset.
_Facts = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its items begin at ``offset`` of a list of ``total`` items, if that is known.

    :ivar is_full: whether it has as many items as were asked for.
    """

    offset: int
    items: Sequence[DataItem]
    total: int | None
    is_full: bool

    @property
    def end(self) -> int:
        """The place after its last item."""
        return self.offset + len(self.items)

    def to_come(self, place: int) -> int | None:
        """How many items there are from a place on."""
        return None if self.total is None else self.total - place


@dataclass(frozen=True, slots=True)
class ListedPage:
    """A part of a listing.

    :ivar items: the data items that no earlier page of this listing had.
    :ivar is_first: whether the listing begins with this page. It is true once for a dataset that nobody changes, and
        again whenever the listing has moved and begins again: whoever has kept anything of earlier pages forgets it.
    """

    items: Sequence[DataItem]
    is_first: bool


class ListingMovedError(Exception):
    """The list has changed, or the service counts in a way of its own; the text says what was seen."""


class OffsetIgnoredError(ListingMovedError):
    """The service gives its first page whatever offset is asked for, so that no retry helps."""


class Listing:
    """Takes a whole listing, again when it has moved.

    :param fetches: each gets the page that begins at an offset, of one list; an item may be in several lists.
    :param sleep: waits for so many seconds.
    :ivar total: what the service told last of how many items there are.
    """

    def __init__(self, fetches: Sequence[Callable[[int], Page]], sleep: Callable[[float], None]) -> None:
        self._fetches = fetches
        self._sleep = sleep
        self._seen: list[SeenIds] = []
        self.total: int | None = None

    @property
    def count(self) -> int:
        """How many items the attempt that was made last has seen."""
        return sum(map(len, self._seen))

    def take(self) -> list[DataItem]:
        """Return all data items, each once.

        :raises ListingMovedError: if it has moved in each attempt.
        """
        items: list[DataItem] = []
        for page in self.pages():
            if page.is_first:
                items.clear()
            items += page.items
        return items

    def pages(self) -> Iterator[ListedPage]:
        """Yield the listing page by page, each item once after the last page that is a first one.

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

    def _attempt(self, *, is_last: bool) -> Iterator[ListedPage]:
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


class _Walk:
    """One attempt to go through one list.

    :param seen: the ids of the items that it has listed.
    :param is_last: whether no other attempt follows.
    """

    def __init__(self, listing: Listing, fetch: Callable[[int], Page], seen: SeenIds, *, is_last: bool) -> None:
        self._listing = listing
        self._fetch = fetch
        self._seen = seen
        self._is_last = is_last
        self._pages = 0
        self._most_pages = MAX_PAGES_WITHOUT_TOTAL
        self._first: list[int] = []
        self._steps: set[bool] = set()  # whether the id rises from an item of a page to the next one

    def new_items(self) -> Iterator[Sequence[DataItem]]:
        """Yield what each page has that none before it had.

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
        # A service that takes no notice of the offset looks as if items were leaving.
        if is_disturbed and self._get(2 * page.end).items:
            raise ListingMovedError(_LEFT)

    def _next(self, before: Page) -> tuple[Page, int, int]:
        """Get the page after another one.

        :return: the page, and the place of an item that both have: in the earlier list and in the present one.
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

    def _get(self, offset: int) -> Page:
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

    def _keep(self, page: Page) -> Sequence[DataItem]:
        """Take note of the items of a page; return those that are new."""
        ids = [item.id for item in page.items]
        if len(set(ids)) < len(ids):
            raise ListingMovedError("A page has a data item twice.")
        self._steps.update(one < other for one, other in pairwise(ids))
        new = [item for item in page.items if item.id not in self._seen]
        self._seen.add([item.id for item in new])
        return new


def _is_end(page: Page) -> bool:
    return not page.items if page.total is None else page.end >= page.total


def _shared(before: Page, page: Page) -> tuple[int, int] | None:
    """Find the last item of a page that the next one has, too, and return its place in the list, then and now."""
    if page.items and _facts(before.items[-1]) == _facts(page.items[0]):
        return before.end - 1, page.offset
    places = {_facts(item): place for place, item in enumerate(page.items, page.offset)}
    for old_place, item in reversed(list(enumerate(before.items, before.offset))):
        if _facts(item) in places:
            return old_place, places[_facts(item)]
    return None


def _facts(item: DataItem) -> _Facts:
    # What a list may be ordered by. An item that was renamed may have moved, and says nothing about the others.
    return item.id, item.name, item.dataset
