"""What a dataset sync is to do, item by item. A pure function of two listings: of the source and of the dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_provider_ei.exceptions import (
    EdgeImpulseConflictError,
    EdgeImpulseDeleteLimitError,
    EdgeImpulseError,
    EdgeImpulseInputError,
)
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.tree import Tree
from airflow_provider_ei.sync.duplicates import same
from airflow_provider_ei.sync.item_state import ItemState
from airflow_provider_ei.sync.plan import (
    BatchLimits,
    Create,
    DeleteDuplicates,
    Done,
    MarkPending,
    ReadFiles,
    RunState,
    Step,
    WriteDigest,
    plan_item,
)

#: What is to be done with an item. ``metadata``: they alone have changed. ``look``: it looks other than it did, so its
#: metadata and files have to be read before it is planned again. ``renew``: only its looks have changed, and they are
#: written. ``fail``: nothing can be done.
Action = Literal["create", "update", "metadata", "repair", "renew", "unchanged", "look", "fail"]

_NO_LIMITS = BatchLimits(files=10**9, bytes=10**18)


@dataclass(frozen=True)
class PlannedItem:
    """What is to be done with one item of the source.

    :ivar listed: all items of its name in the dataset.
    :ivar duplicates: how many of them are ours and one too many; they are removed if they prove to be copies.
    :ivar problem: why it fails.
    """

    source: SourceItem
    action: Action
    listed: Sequence[DataItem] = ()
    duplicates: int = 0
    problem: EdgeImpulseError | None = None

    @property
    def changes(self) -> bool:
        """Whether a request has to be sent."""
        return self.action in ("create", "update", "metadata", "repair", "renew") or self.duplicates > 0


@dataclass(frozen=True)
class DatasetPlan:
    """The whole plan, in the order of the names.

    :ivar items: of the source.
    :ivar deletes: items of this sync that the source no longer has, if they are to be deleted.
    :ivar foreign: how many items of the dataset are not of this sync, and left alone.
    """

    items: Sequence[PlannedItem]
    deletes: Sequence[DataItem]
    foreign: int

    def names(self, action: Action) -> list[str]:
        """Names of the items with which that is to be done."""
        return [item.source.name for item in self.items if item.action == action]

    def __str__(self) -> str:
        counts = {**self.counts, "delete": len(self.deletes)}
        return ", ".join(f"{count:,} {action}" for action, count in sorted(counts.items()) if count) or "nothing to do"

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of items by action."""
        return Counter(item.action for item in self.items)


def plan_dataset(tree: Tree, listed: Sequence[DataItem], options: SyncOptions) -> DatasetPlan:
    """Compare the source with the dataset.

    :param tree: the source, with items by look; those that were read (``item.wanted``) are planned to the end.
    :param listed: all items of the dataset, with their files.
    """
    by_name = group_by_name(listed, options.dataset)
    mine = [item for item in tree.items if options.takes(item.name)]
    planned = [plan_source_item(item, by_name.get(item.name, ()), options) for item in mine]
    own = [(state.name, item) for item in listed if (state := own_state(item, options))]
    here = {item.name for item in tree.items}.union(tree.empty, () if options.deletes_excluded else tree.excluded)
    extra = []
    for name, item in sorted(own, key=lambda pair: (pair[0], pair[1].id)):
        places = _places(name)
        if not here.isdisjoint(places):
            continue
        replaced = next((place for place in places if place in tree.replaced), None)
        if replaced is None:
            extra.append(item)
        elif options.takes(name):
            planned.append(_not_a_folder(name, item, f"{replaced!r} is {tree.replaced[replaced]} now"))
    planned.sort(key=lambda item: item.source.name)
    return DatasetPlan(planned, extra if options.deletes else (), len(listed) - len(own))


def group_by_name(listed: Iterable[DataItem], dataset: str) -> Mapping[str, list[DataItem]]:
    """Return the items of a dataset by the name that they were given, and that the service has made of it."""
    groups: dict[str, list[DataItem]] = {}
    for item in listed:
        state = ItemState.of(item)
        asked = state.name if state is not None and state.dataset == dataset else item.name
        for name in {asked, item.name}:
            groups.setdefault(name, []).append(item)
    return groups


def own_state(item: DataItem, options: SyncOptions) -> ItemState | None:
    """Return the state of an item that certainly belongs to this sync; None for all others."""
    state = ItemState.certain(item)
    return state if state is not None and (state.dataset, state.sync) == (options.dataset, options.sync_id) else None


def objection(planned: DataItem, now: DataItem, options: SyncOptions) -> str | None:
    """Say why an item must not be deleted although it was to be; None when nothing speaks against it.

    :param planned: the item when the deletion was planned.
    :param now: the same, looked at just now.
    """
    if (now.name, now.dataset) != (planned.name, planned.dataset):
        return f"it was renamed or moved since, and is {now.name!r} in dataset {now.dataset!r} now."
    if own_state(now, options) is None:
        return "it no longer belongs to this sync."
    if not same(now, planned):
        return "it was changed since."
    return None


def _places(name: str) -> list[str]:
    """Return an item's place in the source, and those of the folders above it."""
    steps = name.split("/")
    return ["/".join(steps[:end]) for end in range(1, len(steps) + 1)]


def _not_a_folder(name: str, item: DataItem, what: str) -> PlannedItem:
    problem = EdgeImpulseInputError(
        f"Data item {name!r}: {what}, and was a folder with this item's files. Put the folder back, or delete "
        f"data item {item.id} in Studio."
    )
    return PlannedItem(SourceItem(name, (), problem=problem), "fail", [item], problem=problem)


def check_deletes(plan: DatasetPlan, options: SyncOptions) -> None:
    """Hold the deletes of a plan against the limits, before anything is changed.

    :raises EdgeImpulseDeleteLimitError: when there are more, or when the source is empty.
    """
    deletes, kept = len(plan.deletes), len(plan.items)
    if not deletes:
        return
    what = f"{deletes} of the sync's data items are no longer in the source, such as {plan.deletes[0].name!r}"
    if not kept:
        raise EdgeImpulseDeleteLimitError(
            f"{what}; the source has no data item at all, so it is taken for lost. Nothing was changed. To empty the "
            "dataset, do it in Studio."
        )
    there = deletes + sum(any(_in_sync(item, options) for item in planned.listed) for planned in plan.items)
    limit = options.max_delete
    if limit.items is not None and deletes > limit.items:
        raise EdgeImpulseDeleteLimitError(
            f"{what}; max_delete allows {limit.items}. Nothing was changed. If they are to go, raise max_delete."
        )
    if deletes / there > limit.share:
        raise EdgeImpulseDeleteLimitError(
            f"{what}, that is {deletes / there:.0%} of the {there} that are there; {limit.share:.0%} may be "
            "deleted. Nothing was changed. If they are to go, set max_delete to a percentage such as '100%'."
        )


def _in_sync(item: DataItem, options: SyncOptions) -> bool:
    state = ItemState.of(item)
    return state is not None and state.sync == options.sync_id


def plan_source_item(item: SourceItem, listed: Sequence[DataItem], options: SyncOptions) -> PlannedItem:
    """Compare one item with those of its name in the dataset."""
    if item.problem is not None:
        return PlannedItem(item, "fail", listed, problem=item.problem)
    if item.wanted is None:
        return PlannedItem(item, _by_looks(item, listed, options), listed)
    if not listed:
        return PlannedItem(item, "create")
    duplicates = 0
    try:
        (first, *_) = plan_item(item.wanted, listed, RunState(), "update", _NO_LIMITS)
        if isinstance(first, DeleteDuplicates):
            duplicates = len(first.items)
            (first, *_) = plan_item(item.wanted, [first.kept], RunState(), "update", _NO_LIMITS)
    except EdgeImpulseConflictError as error:
        return PlannedItem(item, "fail", listed, problem=error)
    return PlannedItem(item, _action(item, first), listed, duplicates)


def _by_looks(item: SourceItem, listed: Sequence[DataItem], options: SyncOptions) -> Action:
    if options.sizes_only or len(listed) != 1 or not _in_sync(listed[0], options):
        return "look"
    return "unchanged" if item.is_as_listed(listed[0], item.fingerprint()) else "look"


def _action(item: SourceItem, step: Step) -> Action:
    match step:
        case Done():
            return "unchanged"
        case ReadFiles():
            return "look"
        case Create():
            return "create"
        case WriteDigest(renews=renews):
            return "renew" if renews else "metadata"
        case MarkPending(listed):
            # What is there is not what was completed there: it was left unfinished, or files have gone or come since.
            state = ItemState.of(listed)
            if state is None or item.wanted is None:
                return "update"
            return "repair" if not state.complete or item.wanted.looks_like(state.fingerprint) else "update"
        case _:
            return "update"
