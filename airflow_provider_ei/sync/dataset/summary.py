"""The summary of a dry run, and summaries as log lines."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_ei.results import ITEM_COUNTS, MAX_CHANGED_NAMES, Failure, PlanNames, SyncSummary
from airflow_provider_ei.sync.dataset.plan import DatasetPlan
from airflow_provider_ei.sync.progress import format_bytes


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
    counts = ((key, summary[key]) for key in ITEM_COUNTS)  # type: ignore[literal-required]
    done = ", ".join(f"{count:,} {key}" for key, count in counts if count)
    return (
        f"Dataset {summary['dataset']!r}: {done or 'no data items'}; {summary['files_sent']:,} files, "
        f"{format_bytes(summary['bytes_sent'])} sent, {format_bytes(summary['bytes_hashed'])} read to compare, "
        f"{summary['requests']:,} request{'s' * (summary['requests'] != 1)}, {summary['seconds']:.1f} s."
        + (" Files of the same size counted as the same (comparison='size')." * (summary["comparison"] == "size"))
    )


def format_failures(failed: int, items: int, failures: Sequence[Failure]) -> str:
    """Describe which items failed and why."""
    lines = [f"  {failure['name']!r}: {failure['reason']}" for failure in failures]
    if failed > len(failures):
        lines.append(f"  and {failed - len(failures):,} more.")
    return f"{failed:,} of {items:,} data items failed:\n" + "\n".join(lines)
