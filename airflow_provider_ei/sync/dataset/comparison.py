"""Compares a source with a listing of the dataset, page by page; keeps only new and changed items in memory.

This is a hash join: the source is indexed by name, so the listing may be in any order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.dataset.extra_item import ExtraItem, own_state
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.plan import DatasetPlan, PlannedItem
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.item_state import ItemState

#: Flags of each item of the source: a listed item is up to date; a listed item belongs to this sync; one is listed.
_IN_STEP, _OWN, _LISTED = 1, 2, 4

_MAX_ID = 2**63 - 1


class Comparison:
    """Compares a source with a listing of the dataset. Create a new one for each listing."""

    def __init__(self, source: SourceIndex, options: SyncOptions) -> None:
        self._source = source
        self._options = options
        self._flags = bytearray(len(source))
        self._ids = array("q", bytes(8 * len(source)))  # of the items that were not kept, because they are up to date
        self._listed: dict[str, list[DataItem]] = {}
        self._dropped: dict[str, int] = {}
        self._extra: list[ExtraItem] = []
        self._not_folders: list[PlannedItem] = []
        self._count = self._foreign = 0
        tree = source.tree
        self._without_files = frozenset(tree.empty).union(() if options.deletes_excluded else tree.excluded)

    def add(self, page: Iterable[DataItem]) -> None:
        """Compare one page of the dataset's items, with their files."""
        for item in page:
            if is_in_dataset(item, self._options.dataset):
                self._add(item)

    def plan(self) -> DatasetPlan:
        """Return the plan, after all pages were added."""
        items, own, unchanged = [*self._not_folders], len(self._not_folders), 0
        for position, name in enumerate(self._source):
            if not self._options.takes(name):
                continue
            flags = self._flags[position]
            own += bool(flags & _OWN)
            if flags & _IN_STEP:
                unchanged += 1
            elif (failed := self._source.problem(name)) is not None:
                items.append(PlannedItem(name, "fail", failed, problem=failed.problem))
            else:
                items.append(
                    PlannedItem(name, "look", listed=self._listed.get(name, ()), dropped=self._dropped.get(name))
                )
        items.sort(key=lambda item: item.name)
        deletes = sorted(self._extra, key=lambda item: (item.place, item.id)) if self._options.deletes else ()
        return DatasetPlan(items, unchanged, deletes, self._count, own, self._foreign)

    def _add(self, item: DataItem) -> None:
        self._count += 1
        state = ItemState.of(item)
        asked = state.name if state is not None and state.dataset == self._options.dataset else item.name
        for name in (asked,) if asked == item.name else (asked, item.name):
            position = self._source.position(name)
            if position is not None:
                self._match(name, position, item, state)
        own = own_state(item, self._options)
        if own is None:
            self._foreign += 1
        elif own.name not in self._source:
            self._add_extra(item, own)

    def _match(self, name: str, position: int, item: DataItem, state: ItemState | None) -> None:
        """Record a listed item that may correspond to an item of the source."""
        flags = self._flags[position]
        is_own = state is not None and state.sync == self._options.sync_id
        self._flags[position] |= _LISTED | (_OWN if is_own else 0)
        if self._source.problem(name) is not None:
            return
        if flags & _IN_STEP:  # several items have this name, so they must be checked
            self._flags[position] &= ~_IN_STEP
            self._dropped[name] = self._ids[position]
        elif not flags & _LISTED and is_own and self._is_in_step(name, position, item, state):
            self._flags[position] |= _IN_STEP
            self._ids[position] = item.id
            return
        self._listed.setdefault(name, []).append(item)

    def _is_in_step(self, name: str, position: int, item: DataItem, state: ItemState | None) -> bool:
        if state is None or self._options.sizes_only or item.id > _MAX_ID:
            return False
        return self._source.is_as_listed(name, position, item, state)

    def _add_extra(self, item: DataItem, state: ItemState) -> None:
        steps = state.name.split("/")
        places = ["/".join(steps[:end]) for end in range(1, len(steps) + 1)]
        if any(place in self._source or place in self._without_files for place in places):
            return
        replaced = next((place for place in places if place in self._source.tree.replaced), None)
        if replaced is None:
            if self._options.deletes:
                self._extra.append(ExtraItem.of(item, state))
        elif self._options.takes(state.name):
            what = f"{replaced!r} is {self._source.tree.replaced[replaced]} now"
            self._not_folders.append(_not_a_folder(state.name, item, what))


def is_in_dataset(item: DataItem, dataset: str) -> bool:
    """Return whether a listed item is in a dataset, even if the service spells the dataset's name differently."""
    return item.dataset == dataset or canonical_name(item.dataset) == canonical_name(dataset)


def names_of(item: DataItem, dataset: str) -> set[str]:
    """Return the names of a listed item: the original one, and the one that the service stored."""
    state = ItemState.of(item)
    return {item.name, state.name if state is not None and state.dataset == dataset else item.name}


def _not_a_folder(name: str, item: DataItem, what: str) -> PlannedItem:
    problem = EdgeImpulseInputError(
        f"Data item {name!r}: {what}, and was a folder with this item's files. Put the folder back, or delete "
        f"data item {item.id} in Studio."
    )
    return PlannedItem(name, "fail", listed=[item], problem=problem)
