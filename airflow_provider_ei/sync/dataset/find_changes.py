"""Finds changes: lists the dataset, compares it with the source, and reads new or changed items."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseFileError, EdgeImpulseRefusedError
from airflow_provider_ei.sources.local import LocalFile
from airflow_provider_ei.sources.source_file import SourceFile
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset.comparison import Comparison
from airflow_provider_ei.sync.dataset.context import SyncContext
from airflow_provider_ei.sync.dataset.deletes import ENDS_ALL
from airflow_provider_ei.sync.dataset.plan import DatasetPlan, PlannedItem, plan_read_item
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.item.wanted import hash_files
from airflow_provider_ei.sync.transfer import TransferStats

log = logging.getLogger(__name__)


def compare(context: SyncContext) -> DatasetPlan:
    """Compare the source with the dataset without reading files.

    :raises EdgeImpulseError: when the dataset cannot be listed completely.
    """
    comparison = Comparison(context.source, context.options)
    for page in context.api.list_pages(context.options.dataset, with_files=True):
        if page.is_first:  # also when a listing has shifted and starts again
            comparison = Comparison(context.source, context.options)
        comparison.add(page.items)
    return comparison.plan()


def look_closer(context: SyncContext, plan: DatasetPlan) -> DatasetPlan:
    """Read the items that look new or changed, and complete their plan."""
    closer = [item for item in plan.items if item.action == "look"]
    if not closer:
        return plan
    log.info("%d of %d data items look new or changed.", len(closer), len(plan.items) + plan.unchanged)
    found = [replace(item, source=_read_again(context, item.name)) for item in closer]
    sources = [item.source for item in found if item.source is not None]
    files = (file for item in sources for file in (*item.files, item.sidecar))
    wait_for_the_clock(files, context.api.http.sleep)
    planned: dict[str, PlannedItem] = {}

    def look(item: PlannedItem) -> None:
        planned[item.name] = _look(context, item)

    context.in_threads(found, look)
    items = [planned[item.name] if item.action == "look" else item for item in plan.items]
    changed = [item for item in items if item.action != "unchanged" or item.duplicates]
    return replace(plan, items=changed, unchanged=plan.unchanged + len(items) - len(changed))


def _read_again(context: SyncContext, name: str) -> SourceItem:
    item = context.source.item(name)
    if item is None:
        problem = EdgeImpulseFileError(f"Data item {name!r} was in the source when the task began, and is gone now.")
        return SourceItem(name, (), problem=problem)
    return item


def _look(context: SyncContext, planned: PlannedItem) -> PlannedItem:
    item, options = planned.source, context.options
    assert item is not None
    if item.problem is not None:
        return replace(planned, action="fail", problem=item.problem)
    try:
        listed = planned.listed if planned.dropped is None else _with_dropped(context, planned, planned.dropped)
        found = plan_read_item(item, listed, options)
        if found.action == "look":
            read = hash_files(item.resolve(options), context.api.http.check_cancelled)
            context.tally.spent(TransferStats(bytes_hashed=read))
            found = plan_read_item(item, listed, options)
    except ENDS_ALL:
        raise
    except EdgeImpulseError as error:
        return replace(planned, action="fail", problem=error)
    return found


def _with_dropped(context: SyncContext, planned: PlannedItem, dropped: int) -> list[DataItem]:
    """Return the listed items of a name, and the one that was not kept."""
    listed = {item.id: item for item in planned.listed}
    try:
        item = context.api.get_data_item(dropped)
        listed[item.id] = item
    except EdgeImpulseRefusedError as error:
        # It may exist and be refused for another reason. Only a listing shows that it is gone.
        log.debug("Data item %d was refused, so its name is listed: %s", dropped, error)
        listed.update((item.id, item) for item in context.api.find_data_items(context.options.dataset, planned.name))
    return list(listed.values())


def wait_for_the_clock(files: Iterable[SourceFile | None], sleep: Callable[[float], object]) -> None:
    """Wait for the next tick of the file system's clock if a file was written just now.

    Otherwise a file rewritten in the same tick with the same size would have an unchanged fingerprint.
    """
    now = time.time_ns()
    times = (file.mtime_ns for file in files if isinstance(file, LocalFile))
    newest = max((mtime for mtime in times if mtime <= now), default=0)  # ignore times in the future
    tick = 2.0 if newest % 1_000_000_000 == 0 else 0.02  # some file systems store only whole seconds
    age = (now - newest) / 1e9
    if age < tick:
        sleep(tick - age)
