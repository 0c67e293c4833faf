"""Syncs a dataset with a source: list, plan, send in many threads, check what was sent, delete last."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from airflow_provider_ei.exceptions import EdgeImpulseSyncError
from airflow_provider_ei.results import MAX_CHANGED_NAMES, SyncSummary, WorkCounts
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.sync.dataset.context import SyncContext
from airflow_provider_ei.sync.dataset.deletes import ExtraItemRemover
from airflow_provider_ei.sync.dataset.find_changes import compare, look_closer
from airflow_provider_ei.sync.dataset.options import Shard, SyncOptions
from airflow_provider_ei.sync.dataset.plan import DatasetPlan, PlannedItem, check_deletes
from airflow_provider_ei.sync.dataset.send import check_duplicates, send_changes
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.dataset.summary import dry_run_summary, format_summary
from airflow_provider_ei.sync.report_text import format_failures

log = logging.getLogger(__name__)


class DatasetSync:
    """One run of a sync.

    :param api: the API, with at least one connection per worker.
    :param source: the items that the dataset should contain.
    """

    def __init__(self, api: OrganizationDataApi, source: SourceIndex, options: SyncOptions) -> None:
        self._context = SyncContext(api, source, options)
        self._begun = time.monotonic()
        self._before = (api.http.requests, api.http.retries)

    @property
    def source_uris(self) -> Sequence[str]:
        """The paths and URIs that a user gave for the source, for lineage."""
        return self._context.source.tree.uris

    def plan(self) -> DatasetPlan:
        """Compare the source with the dataset. Reads new or changed items, and changes nothing.

        :raises EdgeImpulseDeleteLimitError: when the sync would delete too many items.
        :raises EdgeImpulseError: when the dataset cannot be listed completely.
        """
        plan = look_closer(self._context, compare(self._context))
        check_deletes(plan, self._context.options)
        log.info("Dataset %r has %d data items. Plan: %s.", self._context.options.dataset, plan.listed, plan)
        return plan

    def shards(self, most: int) -> list[Shard]:
        """Divide the items that look new or changed into shards, without reading them.

        :param most: the maximum number of shards.
        :return: the shards that have changes.
        :raises EdgeImpulseError: as :meth:`plan` does.
        """
        plan = compare(self._context)
        check_deletes(plan, self._context.options)
        log.info("Dataset %r has %d data items. At first sight: %s.", self._context.options.dataset, plan.listed, plan)
        return [shard for shard in Shard.all(most) if any(shard.has(item.name) for item in plan.items)]

    def run(self, *, dry_run: bool = False) -> SyncSummary:
        """Make the dataset equal to the source.

        :param dry_run: only return what would be done.
        :raises EdgeImpulseSyncError: when items have failed, after all others are up to date.
        :raises EdgeImpulseError: when the sync cannot continue.
        """
        plan, tally = self.plan(), self._context.tally
        tally.unchanged(plan.unchanged)
        for item in plan.items:
            if item.problem is not None:
                tally.fail(item.name, item.problem)
        if dry_run:
            plan = replace(plan, items=[self._with_proven_copies(item) for item in plan.items])
            plan = replace(plan, deletes=self._remover.would_delete(plan.deletes))
            return dry_run_summary(plan, self._summary(plan))
        send_changes(self._context, plan)
        self._remover.remove(plan.deletes)
        summary = self._summary(plan)
        log.info("%s", format_summary(summary))
        if tally.failed:
            raise EdgeImpulseSyncError(
                format_failures(tally.failed, len(plan.items) + plan.unchanged, "data items", tally.failures),
                summary=summary,
                retryable=tally.retryable,
            )
        return summary

    @property
    def _remover(self) -> ExtraItemRemover:
        return ExtraItemRemover(self._context)

    def _with_proven_copies(self, planned: PlannedItem) -> PlannedItem:
        """Check an item's duplicates for a dry run; an item whose duplicates are not copies fails."""
        error = check_duplicates(self._context, planned) if planned.duplicates else None
        if error is None:
            return planned
        self._context.tally.fail(planned.name, error)
        return replace(planned, action="fail", duplicates=0, problem=error)

    def _summary(self, plan: DatasetPlan) -> SyncSummary:
        tally, api, options = self._context.tally, self._context.api, self._context.options
        work = WorkCounts(
            files_sent=tally.stats.files_sent,
            bytes_sent=tally.stats.bytes_sent,
            bytes_hashed=tally.stats.bytes_hashed,
            requests=api.http.requests - self._before[0],
            retries=api.http.retries - self._before[1],
            ambiguous_reconciled=tally.stats.unanswered,
        )
        summary = {
            "dataset": options.dataset,
            "organization_id": api.organization_id,
            "sync_id": options.sync_id,
            "comparison": options.comparison,
            "dry_run": False,
            "listed": plan.listed,
            **tally.item_counts(),
            **work,
            "seconds": round(time.monotonic() - self._begun, 3),
            "changed": sorted(tally.changed)[:MAX_CHANGED_NAMES],
            "kept_items": tally.kept_items,
            "failures": tally.failures,
            "url": api.page_url,
        }
        return cast("SyncSummary", summary)  # mypy cannot join TypedDicts when a key is not required
