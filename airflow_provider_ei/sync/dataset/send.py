"""Sends the items of a plan in several threads, until a listing shows each of them as sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.studio.api.pages import PAGE_ITEMS
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset.comparison import is_in_dataset, names_of
from airflow_provider_ei.sync.dataset.context import SyncContext
from airflow_provider_ei.sync.dataset.deletes import ENDS_ALL
from airflow_provider_ei.sync.dataset.plan import DatasetPlan, PlannedItem
from airflow_provider_ei.sync.item.upload import ItemUpload


@dataclass(frozen=True)
class _Sending:
    """An item that is being sent."""

    planned: PlannedItem
    upload: ItemUpload


def send_changes(context: SyncContext, plan: DatasetPlan) -> None:
    """Send the changed items, and count them."""
    changing = [item for item in plan.items if item.changes]
    context.shared.alone = plan.foreign == 0
    context.tally.expect(len(changing))
    # A listing of the dataset shows all items. If few have changed, checking each of them takes fewer requests.
    looks_at_each = len(changing) <= math.ceil(plan.listed / PAGE_ITEMS)
    unseen = _send(context, changing, last_look=looks_at_each)
    if unseen:
        _see(context, unseen)


def check_duplicates(context: SyncContext, planned: PlannedItem) -> EdgeImpulseError | None:
    """Check whether an item's duplicates are copies, and change nothing; return the error, if any."""
    try:
        _sending(context, planned).upload.check_duplicates(planned.listed)
    except ENDS_ALL:
        raise
    except EdgeImpulseError as error:
        return error
    return None


def _sending(context: SyncContext, planned: PlannedItem) -> _Sending:
    assert planned.source is not None
    wanted = planned.source.resolve(context.options)
    return _Sending(planned, ItemUpload(context.api, wanted, shared=context.shared))


def _send(context: SyncContext, changing: Sequence[PlannedItem], *, last_look: bool) -> dict[str, _Sending]:
    """Send items; return those that still need a check, by name."""
    unseen: dict[str, _Sending] = {}
    tally = context.tally

    def send(planned: PlannedItem) -> None:
        if tally.service_down:
            tally.not_tried(planned.name)
            return
        sending = _sending(context, planned)
        if not _advance(context, sending, planned.listed, last_look=last_look):
            unseen[planned.name] = sending
            tally.answered()
        tally.sent()

    context.in_threads(changing, send)
    return unseen


def _see(context: SyncContext, unseen: dict[str, _Sending]) -> None:
    """Check items in one listing of the dataset, and fix those that are not as sent."""
    listed = _listed(context, unseen)
    context.in_threads(
        sorted(unseen), lambda name: _advance(context, unseen[name], listed.get(name, ()), last_look=True)
    )


def _listed(context: SyncContext, unseen: dict[str, _Sending]) -> dict[str, list[DataItem]]:
    """List the dataset, and return the items that may be the sent ones, by name, even if the service renamed them."""
    dataset = context.options.dataset
    created = {sending.upload.data_id: name for name, sending in unseen.items()}
    listed: dict[str, list[DataItem]] = {}
    for page in context.api.list_pages(dataset, with_files=True):
        if page.is_first:  # also when a listing has shifted and starts again
            listed = {}
        for item in page.items:
            if is_in_dataset(item, dataset):
                for name in (names_of(item, dataset) | {created.get(item.id, item.name)}) & unseen.keys():
                    listed.setdefault(name, []).append(item)
    return listed


def _advance(context: SyncContext, sending: _Sending, listed: Sequence[DataItem], *, last_look: bool) -> bool:
    """Finish the upload of an item; return False if it still needs a check."""
    tally, planned = context.tally, sending.planned
    try:
        outcome = sending.upload.advance(listed, last_look=last_look)
    except ENDS_ALL:
        raise
    except EdgeImpulseError as error:
        tally.fail(planned.name, error)
        return True
    finally:
        tally.spent(sending.upload.take_stats())
    if outcome is not None:
        tally.done(planned.name, "repaired" if outcome == "updated" and planned.action == "repair" else outcome)
    return outcome is not None
