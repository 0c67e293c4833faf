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
)
from airflow_provider_ei.studio.answers import DataItem
from airflow_provider_ei.sync.dataset.rules import SyncRules
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.metadata import Marks
from airflow_provider_ei.sync.plan import (
    DeleteDouble,
    Done,
    Limits,
    MarkPending,
    Progress,
    ReadFiles,
    Step,
    WriteDigest,
    plan_item,
)

#: What is to be done with an item. ``metadata``: they alone have changed. ``look``: it looks other than it did, so its
#: metadata and files have to be read before it is planned again. ``renew``: only its looks have changed, and they are
#: written. ``fail``: nothing can be done.
Action = Literal["create", "update", "metadata", "repair", "renew", "unchanged", "look", "fail"]

_NO_LIMITS = Limits(files=10**9, bytes=10**18)


@dataclass(frozen=True)
class PlannedItem:
    """What is to be done with one item of the source.

    :ivar listed: all items of its name in the dataset.
    :ivar doubles: how many of them are ours and one too many.
    :ivar problem: why it fails.
    """

    source: SourceItem
    action: Action
    listed: Sequence[DataItem] = ()
    doubles: int = 0
    problem: EdgeImpulseError | None = None

    @property
    def changes(self) -> bool:
        """Whether a request has to be sent."""
        return self.action in ("create", "update", "metadata", "repair", "renew") or self.doubles > 0


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


def plan_dataset(
    source: Sequence[SourceItem], empty: Iterable[str], listed: Sequence[DataItem], dataset: str, rules: SyncRules
) -> DatasetPlan:
    """Compare the source with the dataset.

    :param source: items by look; those that were read (``item.wanted``) are planned to the end.
    :param empty: names of items that have no files now; they are not deleted.
    :param listed: all items of the dataset, with their files.
    """
    by_name: dict[str, list[DataItem]] = {}
    for item in listed:
        if item.dataset == dataset:
            by_name.setdefault(item.name, []).append(item)
    shard = rules.shard
    names = {item.name for item in source}.union(empty)
    mine = [item for item in source if shard is None or shard.has(item.name)]
    planned = [plan_source_item(item, by_name.get(item.name, ()), rules) for item in mine]
    own = [item for item in listed if item.dataset == dataset and Marks.of(item.metadata).sync == rules.sync_id]
    extra = sorted((item for item in own if item.name not in names), key=lambda item: (item.name, item.id))
    return DatasetPlan(planned, extra if rules.delete else (), len(listed) - len(own))


def check_deletes(plan: DatasetPlan, rules: SyncRules) -> None:
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
    there = deletes + sum(any(_in_sync(item, rules) for item in planned.listed) for planned in plan.items)
    if rules.most_deletes is not None and deletes > rules.most_deletes:
        raise EdgeImpulseDeleteLimitError(
            f"{what}; max_delete allows {rules.most_deletes}. Nothing was changed. If they are to go, raise max_delete."
        )
    if deletes / there > rules.largest_part:
        raise EdgeImpulseDeleteLimitError(
            f"{what}, that is {deletes / there:.0%} of the {there} that are there; {rules.largest_part:.0%} may be "
            "deleted. Nothing was changed. If they are to go, set max_delete to a percentage such as '100%'."
        )


def _in_sync(item: DataItem, rules: SyncRules) -> bool:
    return Marks.of(item.metadata).sync == rules.sync_id


def plan_source_item(item: SourceItem, listed: Sequence[DataItem], rules: SyncRules) -> PlannedItem:
    """Compare one item with those of its name in the dataset."""
    if item.problem is not None:
        return PlannedItem(item, "fail", listed, problem=item.problem)
    if item.wanted is None:
        return PlannedItem(item, _by_looks(item, listed, rules), listed)
    if not listed:
        return PlannedItem(item, "create")
    ours = [other for other in listed if Marks.of(other.metadata).ours]
    try:
        steps = plan_item(item.wanted, listed, Progress(), "update", _NO_LIMITS)
        doubles = 0
        if len(ours) > 1:
            doubles = len(steps)
            deleted = {step.item.id for step in steps if isinstance(step, DeleteDouble)}
            steps = plan_item(
                item.wanted, [other for other in ours if other.id not in deleted], Progress(), "update", _NO_LIMITS
            )
    except EdgeImpulseConflictError as error:
        return PlannedItem(item, "fail", listed, problem=error)
    return PlannedItem(item, _action(item, steps[0]), listed, doubles)


def _by_looks(item: SourceItem, listed: Sequence[DataItem], rules: SyncRules) -> Action:
    if rules.sizes_only or len(listed) != 1 or not _in_sync(listed[0], rules):
        return "look"
    return "unchanged" if item.is_as_listed(listed[0], item.fingerprint()) else "look"


def _action(item: SourceItem, step: Step) -> Action:
    match step:
        case Done():
            return "unchanged"
        case ReadFiles():
            return "look"
        case WriteDigest(renews=renews):
            return "renew" if renews else "metadata"
        case MarkPending(listed):
            # What is there is not what was completed there: it was left unfinished, or files have gone or come since.
            marks = Marks.of(listed.metadata)
            same = item.wanted is not None and item.wanted.looks_like(marks.fingerprint)
            return "repair" if not marks.complete or same else "update"
        case _:
            return "update"
