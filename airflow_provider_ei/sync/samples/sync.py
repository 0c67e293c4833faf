"""Syncs the samples of a project with a source: list, plan, send in many threads, delete last."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import cast

from airflow_provider_ei.exceptions import EdgeImpulseSyncError
from airflow_provider_ei.results import (
    ITEM_COUNTS,
    MAX_CHANGED_NAMES,
    PlanNames,
    SampleSyncSummary,
)
from airflow_provider_ei.studio.api.ingestion import IngestionApi
from airflow_provider_ei.studio.api.samples import SamplesApi
from airflow_provider_ei.sync.dataset.delete_limit import check_delete_limit
from airflow_provider_ei.sync.report_text import format_failures, format_work
from airflow_provider_ei.sync.samples.context import SampleSyncContext
from airflow_provider_ei.sync.samples.deletes import SampleRemover
from airflow_provider_ei.sync.samples.find_changes import compare, look_closer
from airflow_provider_ei.sync.samples.options import SampleSyncOptions
from airflow_provider_ei.sync.samples.plan import SamplePlan
from airflow_provider_ei.sync.samples.sample_index import SampleIndex
from airflow_provider_ei.sync.samples.send import SampleSender

log = logging.getLogger(__name__)


class SampleSync:
    """One run of a sync.

    :param api: the operations on the project's samples, with at least one connection per worker.
    :param ingestion: the service that takes the files, with as many.
    :param source: the files that should be samples.
    :param url: page of the project's data in Studio, for the result.
    """

    def __init__(
        self, api: SamplesApi, ingestion: IngestionApi, source: SampleIndex, options: SampleSyncOptions, *, url: str
    ) -> None:
        self._context = SampleSyncContext(api, ingestion, source, options)
        self._url = url
        self._begun = time.monotonic()
        self._before = self._context.requests()

    def plan(self) -> SamplePlan:
        """Compare the source with the project. Reads new or changed files, and changes nothing.

        :raises EdgeImpulseDeleteLimitError: when the sync would delete too many samples.
        :raises EdgeImpulseError: when the project cannot be listed completely.
        """
        context = self._context
        plan = look_closer(context, compare(context))
        check_delete_limit(
            [extra.path for extra in plan.extras],
            plan.own,
            context.options.max_delete,
            is_empty=not len(context.source),
            noun="sample",
            whole="project",
        )
        log.info("Project %d has %d samples. Plan: %s.", context.api.project_id, plan.listed, plan)
        return plan

    def run(self, *, dry_run: bool = False) -> SampleSyncSummary:
        """Make the samples of the sync equal to the source.

        :param dry_run: only return what would be done.
        :raises EdgeImpulseSyncError: when samples have failed, after all others are up to date.
        :raises EdgeImpulseError: when the sync cannot continue.
        """
        plan, tally = self.plan(), self._context.tally
        tally.unchanged(plan.unchanged)
        for sample in plan.samples:
            if sample.problem is not None:
                tally.fail(sample.path, sample.problem)
        remover = SampleRemover(self._context)
        if dry_run:
            return self._dry_run_summary(plan, [extra.path for extra in remover.would_delete(plan.extras)])
        SampleSender(self._context).send([sample for sample in plan.samples if sample.action != "fail"])
        remover.remove(plan.extras)
        summary = self._summary(plan)
        owner = f"Project {summary['project_id']}"
        log.info("%s", format_work(owner, summary, ITEM_COUNTS, nothing="no samples"))
        if tally.failed:
            raise EdgeImpulseSyncError(
                format_failures(tally.failed, len(plan.samples) + plan.unchanged, "samples", tally.failures),
                summary=summary,
                retryable=tally.retryable,
            )
        return summary

    def _summary(self, plan: SamplePlan) -> SampleSyncSummary:
        context, tally = self._context, self._context.tally
        requests, retries = context.requests()
        summary = dict(
            **tally.item_counts(),
            files_sent=tally.stats.files_sent,
            bytes_sent=tally.stats.bytes_sent,
            bytes_hashed=tally.stats.bytes_hashed,
            requests=requests - self._before[0],
            retries=retries - self._before[1],
            ambiguous_reconciled=tally.stats.unanswered,
            project_id=context.api.project_id,
            categories=sorted(context.source.categories),
            sync_id=context.options.sync_id,
            dry_run=False,
            listed=plan.listed,
            seconds=round(time.monotonic() - self._begun, 3),
            changed=sorted(tally.changed)[:MAX_CHANGED_NAMES],
            kept_items=tally.kept_items,
            failures=tally.failures,
            url=self._url,
        )
        return cast("SampleSyncSummary", summary)  # mypy cannot join TypedDicts when a key is not required

    def _dry_run_summary(self, plan: SamplePlan, deletes: Sequence[str]) -> SampleSyncSummary:
        """Return what would be done, instead of what was done."""
        updates = plan.paths("update", "metadata", "clean")
        names = PlanNames(
            create=plan.paths("create")[:MAX_CHANGED_NAMES],
            update=updates[:MAX_CHANGED_NAMES],
            repair=plan.paths("repair")[:MAX_CHANGED_NAMES],
            delete=list(deletes[:MAX_CHANGED_NAMES]),
        )
        sent = [sample.source for sample in plan.samples if sample.action in ("create", "update")]
        files = [source.file for source in sent if source is not None and source.file is not None]
        return {
            **self._summary(plan),
            "dry_run": True,
            "created": plan.counts["create"],
            "updated": len(updates),
            "unchanged": plan.counts["unchanged"] + plan.counts["renew"],
            "repaired": plan.counts["repair"],
            "deleted": len(deletes),
            "files_sent": len(files),
            "bytes_sent": sum(file.size for file in files),
            "changed": [],
            "plan": names,
        }
