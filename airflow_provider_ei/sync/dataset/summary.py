"""What a dataset sync did, or would do, in numbers and names. Plain JSON of a bounded size, fit for an XCom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from airflow_provider_ei.sync.dataset.plan import DatasetPlan
from airflow_provider_ei.sync.progress import format_bytes

#: Names of changed items, and of each kind in a plan, that are told.
MAX_NAMES = 1000

#: Failures that are told, and characters of each.
MAX_FAILURES = 20
REASON_LENGTH = 300


class Failure(TypedDict):
    """A data item that is not in step, or was not deleted, and why."""

    name: str
    reason: str


class SyncSummary(TypedDict):
    """What a sync did.

    - ``listed``: data items that were in the dataset;
    - ``created``, ``updated``, ``unchanged``, ``repaired`` (left unfinished earlier, or files changed in Studio),
      ``failed``: data items of the source;
    - ``deduplicated``, ``deleted``: data items that were removed;
    - ``kept``: data items that were to be deleted and were not, since they, or their place in the source, had changed
      by then; ``kept_items``: the first 20 with the reasons;
    - ``files_sent``, ``bytes_sent``: of acknowledged files; ``bytes_hashed``: read only to compare;
    - ``ambiguous_reconciled``: requests whose answer was lost, after which the item was looked at;
    - ``seconds``: how long it took;
    - ``changed``: names of the items that were created, updated, repaired or deleted, at most 1,000;
    - ``failures``: the first 20; ``url``: the page of the organization's data in Studio.
    """

    dataset: str
    organization_id: int
    sync_id: str
    comparison: str
    dry_run: bool
    listed: int
    created: int
    updated: int
    unchanged: int
    repaired: int
    deduplicated: int
    deleted: int
    kept: int
    failed: int
    files_sent: int
    bytes_sent: int
    bytes_hashed: int
    requests: int
    retries: int
    ambiguous_reconciled: int
    seconds: float
    changed: list[str]
    kept_items: list[Failure]
    failures: list[Failure]
    url: str
    plan: NotRequired[PlanNames]


class PlanNames(TypedDict):
    """Names of what a dry run would do, each list at most 1,000 long; the counts are those of the summary."""

    create: list[str]
    update: list[str]
    repair: list[str]
    delete: list[str]


def dry_run_summary(plan: DatasetPlan, summary: SyncSummary) -> SyncSummary:
    """Return the summary of a dry run: in the place of what was done, what would be.

    ``bytes_sent`` and ``files_sent`` are those of the items that would be sent.
    """
    sent = [item.source.context for item in plan.items if item.action in ("create", "update", "repair")]
    updates = sorted(plan.names("update") + plan.names("metadata"))
    names = PlanNames(
        create=plan.names("create")[:MAX_NAMES],
        update=updates[:MAX_NAMES],
        repair=plan.names("repair")[:MAX_NAMES],
        delete=[item.name for item in plan.deletes][:MAX_NAMES],
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


def changes(summary: SyncSummary) -> int:
    """Return how many data items were changed or removed."""
    return sum(summary[what] for what in ("created", "updated", "repaired", "deduplicated", "deleted"))


def format_summary(summary: SyncSummary) -> str:
    """Say what was done."""
    counts = ("created", "updated", "repaired", "unchanged", "deduplicated", "deleted", "kept", "failed")
    done = ", ".join(f"{summary[what]:,} {what}" for what in counts if summary[what])  # type: ignore[literal-required]
    return (
        f"Dataset {summary['dataset']!r}: {done or 'no data items'}; {summary['files_sent']:,} files, "
        f"{format_bytes(summary['bytes_sent'])} sent, {format_bytes(summary['bytes_hashed'])} read to compare, "
        f"{summary['requests']:,} request{'s' * (summary['requests'] != 1)}, {summary['seconds']:.1f} s."
        + (" Files of the same size were taken for the same (comparison='size')." * (summary["comparison"] == "size"))
    )


def format_failures(failed: int, items: int, failures: Sequence[Failure]) -> str:
    """Say which items failed and why."""
    lines = [f"  {failure['name']!r}: {failure['reason']}" for failure in failures]
    if failed > len(failures):
        lines.append(f"  and {failed - len(failures):,} more.")
    return f"{failed:,} of {items:,} data items are not in step:\n" + "\n".join(lines)
