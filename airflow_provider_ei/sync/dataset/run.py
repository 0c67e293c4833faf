"""Keeps a dataset in step with a source: list, plan, do in many threads, look at all with one listing, delete last."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseSyncError
from airflow_provider_ei.results import MAX_CHANGED_NAMES, SyncSummary, WorkCounts
from airflow_provider_ei.sources.local import LocalFile
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.api.pages import PAGE_ITEMS
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.spelling import canonical_name
from airflow_provider_ei.sync.apply import ItemUpload
from airflow_provider_ei.sync.concurrency import run_in_threads
from airflow_provider_ei.sync.dataset.deletes import ENDS_ALL, ExtraItemRemover
from airflow_provider_ei.sync.dataset.options import Shard, SyncOptions
from airflow_provider_ei.sync.dataset.plan import (
    DatasetPlan,
    PlannedItem,
    check_deletes,
    group_by_name,
    plan_dataset,
    plan_source_item,
)
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.summary import dry_run_summary, format_failures, format_summary
from airflow_provider_ei.sync.dataset.tally import Tally
from airflow_provider_ei.sync.dataset.tree import Tree
from airflow_provider_ei.sync.duplicates import Allowance
from airflow_provider_ei.sync.item import hash_files
from airflow_provider_ei.sync.plan import BatchLimits
from airflow_provider_ei.sync.transfer import TransferStats

log = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Duplicates of its items that one run removes. More of them did not come from answers that were lost.
MAX_DUPLICATES_PER_RUN = 20


@dataclass(frozen=True)
class _Sent:
    """An item that was sent and is still to be seen in a listing."""

    planned: PlannedItem
    upload: ItemUpload


class DatasetSync:
    """One run of a sync.

    :param api: with as many connections as there are workers.
    :param source: what the dataset is to hold.
    """

    def __init__(
        self,
        api: OrganizationDataApi,
        source: Tree,
        options: SyncOptions,
    ) -> None:
        self._api = api
        self._source = source
        self._options = options
        self._tally = Tally(most_in_a_row=max(8, 2 * options.workers))
        self._listed: Sequence[DataItem] = ()
        self._there = 0
        self._duplicates = Allowance(MAX_DUPLICATES_PER_RUN)
        self._limits = BatchLimits(api.http.settings.batch_files, api.http.settings.batch_bytes)
        self._begun = time.monotonic()
        self._before = (api.http.requests, api.http.retries)

    @property
    def source_uris(self) -> Sequence[str]:
        """The paths and URIs that a user gave for the source, for lineage."""
        return self._source.uris

    def plan(self) -> DatasetPlan:
        """Compare the source with the dataset; reads what looks new, and changes nothing.

        :raises EdgeImpulseDeleteLimitError: when it would delete too much.
        :raises EdgeImpulseError: when the dataset cannot be listed whole.
        """
        plan = self._at_first_sight()
        if closer := [item for item in plan.items if item.action == "look"]:
            log.info("%d of %d data items look new or changed.", len(closer), len(plan.items))
            self._wait_for_the_clock(item.source for item in closer)
            self._share(closer, self._look)
            plan = self._compare()
        check_deletes(plan, self._options)
        log.info("Dataset %r has %d data items. Plan: %s.", self._options.dataset, self._there, plan)
        return plan

    def shards(self, most: int) -> list[Shard]:
        """Divide what looks new or changed, without reading it.

        :param most: how many shards.
        :return: those that have anything to do.
        :raises EdgeImpulseError: as :meth:`plan` does.
        """
        plan = self._at_first_sight()
        check_deletes(plan, self._options)
        log.info("Dataset %r has %d data items. At first sight: %s.", self._options.dataset, self._there, plan)
        busy = [item.source.name for item in plan.items if item.action != "unchanged"]
        return [shard for shard in Shard.all(most) if any(shard.has(name) for name in busy)]

    def run(self, *, dry_run: bool = False) -> SyncSummary:
        """Make the dataset hold what the source has.

        :param dry_run: only tell what would be done.
        :raises EdgeImpulseSyncError: when items have failed, after all others are in step.
        :raises EdgeImpulseError: when it cannot go on at all.
        """
        plan = self.plan()
        tally = self._tally
        for item in plan.items:
            if item.problem is not None:
                tally.fail(item.source.name, item.problem)
            elif not item.changes:
                tally.done(item.source.name, "unchanged")
        if dry_run:
            would = replace(plan, items=self._with_proven_copies(plan.items))
            return dry_run_summary(replace(would, deletes=self._would_delete(plan.deletes)), self._summary())
        self._apply([item for item in plan.items if item.changes], alone=plan.foreign == 0)
        self._delete(plan.deletes)
        summary = self._summary()
        log.info("%s", format_summary(summary))
        if tally.failed:
            raise EdgeImpulseSyncError(
                format_failures(tally.failed, len(plan.items), tally.failures),
                summary=summary,
                retryable=tally.retryable,
            )
        return summary

    # --- plan ---------------------------------------------------------------------------------------------

    def _list(self) -> Sequence[DataItem]:
        listed = self._api.list_data_items(self._options.dataset, with_files=True)
        wanted = canonical_name(self._options.dataset)
        return [item for item in listed if canonical_name(item.dataset) == wanted]

    def _at_first_sight(self) -> DatasetPlan:
        self._listed = self._list()
        self._there = len(self._listed)
        return self._compare()

    def _compare(self) -> DatasetPlan:
        return plan_dataset(self._source, self._listed, self._options)

    def _look(self, planned: PlannedItem) -> None:
        item = planned.source
        try:
            wanted = item.resolve(self._options)
            if plan_source_item(item, planned.listed, self._options).action == "look":
                self._tally.spent(TransferStats(bytes_hashed=hash_files(wanted, self._api.http.check_cancelled)))
        except ENDS_ALL:
            raise
        except EdgeImpulseError as error:
            item.problem = error

    def _wait_for_the_clock(self, items: Iterable[SourceItem]) -> None:
        """Let the file system's clock go on, if a file was written just now.

        A file that is written again within the same tick, with the same size, would look as it did when it was read.
        """
        now = time.time_ns()
        files = (file for item in items for file in (*item.files, item.sidecar))
        times = (file.mtime_ns for file in files if isinstance(file, LocalFile))
        newest = max((mtime for mtime in times if mtime <= now), default=0)  # what is dated ahead says nothing
        tick = 2.0 if newest % 1_000_000_000 == 0 else 0.02  # some file systems know whole seconds only
        age = (now - newest) / 1e9
        if age < tick:
            self._api.http.sleep(tick - age)

    # --- apply --------------------------------------------------------------------------------------------

    def _apply(self, changing: Sequence[PlannedItem], *, alone: bool) -> None:
        # One listing of the dataset shows all items; when few have changed, to look at each is less.
        each = len(changing) <= math.ceil(len(self._listed) / PAGE_ITEMS)
        unseen: dict[str, _Sent] = {}

        def send(planned: PlannedItem) -> None:
            name = planned.source.name
            if self._tally.service_down:
                self._tally.not_tried(name)
                return
            wanted = planned.source.resolve(self._options)
            upload = ItemUpload(
                self._api,
                wanted,
                duplicates=self._duplicates,
                limits=self._limits,
                alone=alone,
            )
            sent = _Sent(planned, upload)
            if not self._advance(sent, planned.listed, looks=each):
                unseen[name] = sent
                self._tally.answered()
            self._tally.sent()

        self._tally.expect(len(changing))
        self._share(changing, send)
        if unseen:
            self._listed = self._list()
            by_name, by_id = (
                group_by_name(self._listed, self._options.dataset),
                {item.id: item for item in self._listed},
            )

            def see(sent: _Sent) -> None:
                listed = by_name.get(sent.planned.source.name, [])
                created = by_id.get(sent.upload.data_id or 0)
                extra = [created] if created is not None and created not in listed else []
                self._advance(sent, [*listed, *extra], looks=True)

            self._share([unseen[name] for name in sorted(unseen)], see)

    def _advance(self, sent: _Sent, listed: Sequence[DataItem], *, looks: bool) -> bool:
        """Do what is left to do for an item.

        :param listed: the items that may be it.
        :param looks: look at it in the end, on its own.
        :return: False when it is still to be seen.
        """
        upload, name = sent.upload, sent.planned.source.name
        try:
            outcome: str | None = upload.advance(listed)
            if outcome is None and looks:
                outcome = upload.run()["outcome"]
        except ENDS_ALL:
            raise
        except EdgeImpulseError as error:
            self._tally.fail(name, error)
            return True
        finally:
            self._tally.spent(upload.take_stats())
        if outcome is not None:
            repaired = outcome == "updated" and sent.planned.action == "repair"
            self._tally.done(name, "repaired" if repaired else outcome)
        return outcome is not None

    # --- delete -------------------------------------------------------------------------------------------

    def _delete(self, deletes: Sequence[DataItem]) -> None:
        if not deletes:
            return
        if self._tally.failed:
            log.warning("Nothing is deleted, since data items have failed.")
            return
        remover = self._remover()
        self._share(remover.certain(deletes), remover.remove)

    def _would_delete(self, deletes: Sequence[DataItem]) -> list[DataItem]:
        if self._tally.failed:  # then nothing is deleted
            return []
        remover = self._remover()
        return [item for item in remover.certain(deletes) if remover.would_delete(item)]

    def _remover(self) -> ExtraItemRemover:
        return ExtraItemRemover(self._api, self._source, self._options, self._tally)

    def _with_proven_copies(self, planned: Iterable[PlannedItem]) -> list[PlannedItem]:
        """Read, for a dry run, what is there several times; those that do not prove to be copies fail."""
        return [self._with_proven(item) if item.duplicates else item for item in planned]

    def _with_proven(self, planned: PlannedItem) -> PlannedItem:
        name, wanted = planned.source.name, planned.source.resolve(self._options)
        upload = ItemUpload(self._api, wanted, duplicates=self._duplicates)
        try:
            upload.check_duplicates(planned.listed)
        except ENDS_ALL:
            raise
        except EdgeImpulseError as error:
            self._tally.fail(name, error)
            return replace(planned, action="fail", duplicates=0, problem=error)
        return planned

    # --- all along ----------------------------------------------------------------------------------------

    def _share(self, pieces: Iterable[_T], work: Callable[[_T], object]) -> None:
        http = self._api.http
        run_in_threads(pieces, work, workers=self._options.workers, check=http.check_cancelled, interrupt=http.cancel)

    def _summary(self) -> SyncSummary:
        tally, http, options = self._tally, self._api.http, self._options
        work = WorkCounts(
            files_sent=tally.stats.files_sent,
            bytes_sent=tally.stats.bytes_sent,
            bytes_hashed=tally.stats.bytes_hashed,
            requests=http.requests - self._before[0],
            retries=http.retries - self._before[1],
            ambiguous_reconciled=tally.stats.unanswered,
        )
        summary = {
            "dataset": options.dataset,
            "organization_id": self._api.organization_id,
            "sync_id": options.sync_id,
            "comparison": options.comparison,
            "dry_run": False,
            "listed": self._there,
            **tally.item_counts(),
            **work,
            "seconds": round(time.monotonic() - self._begun, 3),
            "changed": sorted(tally.changed)[:MAX_CHANGED_NAMES],
            "kept_items": tally.kept_items,
            "failures": tally.failures,
            "url": self._api.page_url,
        }
        return cast("SyncSummary", summary)  # mypy cannot join TypedDicts when a key is not required
