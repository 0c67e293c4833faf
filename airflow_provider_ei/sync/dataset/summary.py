"""The summary of a dry run, and summaries as log lines."""

from __future__ import annotations

from airflow_provider_ei.results import ITEM_COUNTS, MAX_CHANGED_NAMES, PlanNames, SyncSummary
from airflow_provider_ei.sync.dataset.plan import DatasetPlan
from airflow_provider_ei.sync.report_text import format_work


def dry_run_summary(plan: DatasetPlan, summary: SyncSummary) -> SyncSummary:
    """Return the summary of a dry run: what would be done, instead of what was done.

    ``bytes_sent`` and ``files_sent`` are the totals of the items that would be sent.
    """
    sent = [item.source.context for item in plan.items if item.source and item.action in ("create", "update", "repair")]
    updates = sorted(plan.names("update") + plan.names("metadata"))
    names = PlanNames(
        create=plan.names("create")[:MAX_CHANGED_NAMES],
        update=updates[:MAX_CHANGED_NAMES],
        repair=plan.names("repair")[:MAX_CHANGED_NAMES],
        delete=[item.name for item in plan.deletes][:MAX_CHANGED_NAMES],
    )
    return {
        **summary,
        "dry_run": True,
        "created": plan.counts["create"],
        "updated": len(updates),
        "unchanged": plan.counts["unchanged"] + plan.counts["renew"],
        "repaired": plan.counts["repair"],
        "deduplicated": sum(item.duplicates for item in plan.items),
        "deleted": len(plan.deletes),
        "files_sent": sum(context.file_count for context in sent),
        "bytes_sent": sum(context.total_bytes for context in sent),
        "changed": [],
        "plan": names,
    }


def format_summary(summary: SyncSummary) -> str:
    """Describe what was done."""
    done = format_work(f"Dataset {summary['dataset']!r}", summary, ITEM_COUNTS, nothing="no data items")
    return done + " Files of the same size counted as the same (comparison='size')." * (summary["comparison"] == "size")
