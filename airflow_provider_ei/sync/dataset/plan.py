"""The plan of a dataset sync: what to do with each item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_provider_ei.exceptions import EdgeImpulseConflictError, EdgeImpulseError
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset.delete_limit import check_delete_limit
from airflow_provider_ei.sync.dataset.extra_item import ExtraItem
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.item.plan import check_stored, find_stored, plan_stored
from airflow_provider_ei.sync.item.steps import (
    BatchLimits,
    Create,
    Done,
    LetSettle,
    MarkPending,
    ReadFiles,
    RunState,
    Step,
    WriteDigest,
)
from airflow_provider_ei.sync.item_state import ItemState

#: What to do with an item. ``metadata``: only the metadata changed. ``look``: its fingerprint changed, so its metadata
#: and files must be read before it is planned. ``renew``: only its fingerprint changed and is written. ``fail``: the
#: item cannot be uploaded.
Action = Literal["create", "update", "metadata", "repair", "renew", "unchanged", "look", "fail"]

_NO_LIMITS = BatchLimits(files=10**9, bytes=10**18)
_CHANGES = frozenset({"create", "update", "metadata", "repair", "renew"})


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """What to do with one item of the source.

    :ivar source: the item, after it was read again.
    :ivar listed: the items with its name in the dataset.
    :ivar dropped: the id of another item of its name, which was up to date and therefore not kept.
    :ivar duplicates: how many of the listed items are our duplicates; they are removed if they are copies.
    :ivar problem: why the item cannot be uploaded.
    """

    name: str
    action: Action
    source: SourceItem | None = None
    listed: Sequence[DataItem] = ()
    dropped: int | None = None
    duplicates: int = 0
    problem: EdgeImpulseError | None = None

    @property
    def changes(self) -> bool:
        """Whether a request must be sent."""
        return self.action in _CHANGES or self.duplicates > 0


@dataclass(frozen=True)
class DatasetPlan:
    """The whole plan, sorted by name.

    :ivar items: the items of the source, without unchanged items.
    :ivar unchanged: number of unchanged items.
    :ivar deletes: items of this sync that the source no longer has; empty if the sync does not delete.
    :ivar listed: number of items in the dataset.
    :ivar own: number of the source's items that exist in the dataset and belong to this sync.
    :ivar foreign: number of items in the dataset that do not belong to this sync; they are not changed.
    """

    items: Sequence[PlannedItem]
    unchanged: int
    deletes: Sequence[ExtraItem]
    listed: int
    own: int
    foreign: int

    def names(self, action: Action) -> list[str]:
        """Return the names of the items with that action."""
        return [item.name for item in self.items if item.action == action]

    def __str__(self) -> str:
        counts = {**self.counts, "delete": len(self.deletes)}
        return ", ".join(f"{count:,} {action}" for action, count in sorted(counts.items()) if count) or "nothing to do"

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of items by action."""
        counts: Counter[str] = Counter(item.action for item in self.items)
        counts["unchanged"] += self.unchanged
        return counts


def check_deletes(plan: DatasetPlan, options: SyncOptions) -> None:
    """Check the deletes of a plan against the limits, before anything is changed.

    :raises EdgeImpulseDeleteLimitError: when a limit is exceeded, or when the source is empty.
    """
    check_delete_limit(
        [item.name for item in plan.deletes],
        plan.own,
        options.max_delete,
        is_empty=not plan.unchanged and not plan.items,
        noun="data item",
        whole="dataset",
    )


def plan_read_item(item: SourceItem, listed: Sequence[DataItem], options: SyncOptions) -> PlannedItem:
    """Plan an item whose metadata were read; its action is ``look`` if its files must also be read.

    :param listed: the items with its name in the dataset.
    """
    wanted = item.resolve(options)
    if not listed:
        return PlannedItem(item.name, "create", item)
    try:
        stored = find_stored(wanted, listed, RunState())
        check_stored(wanted, stored, RunState(), "update")
        first = plan_stored(wanted, stored, RunState(), "update", _NO_LIMITS)[0]
    except EdgeImpulseConflictError as error:
        return PlannedItem(item.name, "fail", item, listed, problem=error)
    return PlannedItem(item.name, _action(item, first), item, listed, duplicates=len(stored.duplicates))


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
        case MarkPending(listed) | LetSettle(listed):
            # The listed item was left unfinished, or files were added or removed after it was completed.
            state = ItemState.of(listed)
            if state is None or item.wanted is None:
                return "update"
            return "repair" if not state.complete or item.wanted.looks_like(state.fingerprint) else "update"
        case _:
            return "update"
