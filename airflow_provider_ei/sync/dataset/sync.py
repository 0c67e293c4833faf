"""Keeps a dataset in step with a source: list, plan, send in many threads, look at what was sent, delete last."""

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
from airflow_provider_ei.sync.dataset.summary import dry_run_summary, format_failures, format_summary

log = logging.getLogger(__name__)


class DatasetSync:
    """One run of a sync.

    :param api: with as many connections as there are workers.
    :param source: what the dataset is to hold.
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
        """Compare the source with the dataset; reads what looks new, and changes nothing.

        :raises EdgeImpulseDeleteLimitError: when it would delete too much.
        :raises EdgeImpulseError: when the dataset cannot be listed whole.
        """
        plan = look_closer(self._context, compare(self._context))
        check_deletes(plan, self._context.options)
        log.info("Dataset %r has %d data items. Plan: %s.", self._context.options.dataset, plan.listed, plan)
        return plan

    def shards(self, most: int) -> list[Shard]:
        """Divide what looks new or changed, without reading it.

        :param most: how many shards.
        :return: those that have anything to do.
        :raises EdgeImpulseError: as :meth:`plan` does.
        """
        plan = compare(self._context)
        check_deletes(plan, self._context.options)
        log.info("Dataset %r has %d data items. At first sight: %s.", self._context.options.dataset, plan.listed, plan)
        return [shard for shard in Shard.all(most) if any(shard.has(item.name) for item in plan.items)]

    def run(self, *, dry_run: bool = False) -> SyncSummary:
        """Make the dataset hold what the source has.

        :param dry_run: only tell what would be done.
        :raises EdgeImpulseSyncError: when items have failed, after all others are in step.
        :raises EdgeImpulseError: when it cannot go on at all.
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
                format_failures(tally.failed, len(plan.items) + plan.unchanged, tally.failures),
                summary=summary,
                retryable=tally.retryable,
            )
        return summary

    @property
    def _remover(self) -> ExtraItemRemover:
        return ExtraItemRemover(self._context)

    def _with_proven_copies(self, planned: PlannedItem) -> PlannedItem:
        """Read, for a dry run, what is there several times; an item whose duplicates are not copies fails."""
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
