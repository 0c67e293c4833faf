"""Finds changes: lists the project, compares it with the source, and reads new or changed files."""

from __future__ import annotations

import logging
from dataclasses import replace

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.studio.api.samples import Sample
from airflow_provider_ei.sync.dataset.find_changes import wait_for_the_clock
from airflow_provider_ei.sync.digest import sha256_of
from airflow_provider_ei.sync.samples.context import ENDS_ALL, SampleSyncContext
from airflow_provider_ei.sync.samples.options import CATEGORIES
from airflow_provider_ei.sync.samples.plan import (
    Listed,
    PlannedSample,
    SampleComparison,
    SamplePlan,
    needs_reading,
    plan_sample,
)
from airflow_provider_ei.sync.samples.sample_state import SampleState
from airflow_provider_ei.sync.transfer import TransferStats

log = logging.getLogger(__name__)


def compare(context: SampleSyncContext) -> SamplePlan:
    """Compare the source with the project without reading files.

    A sample that is moved from one category to the next while they are listed may be listed twice or not at all. What
    is changed after that is looked up by its id first.

    :raises EdgeImpulseError: when the project cannot be listed completely.
    """
    while True:
        comparison = SampleComparison(context.source, context.options)
        if all(_add_category(context, category, comparison) for category in CATEGORIES):
            return comparison.plan()
        # A listing has shifted after some of its pages were compared: keep its samples in memory this time.
        comparison = SampleComparison(context.source, context.options)
        for category in CATEGORIES:
            comparison.add(_own_samples(context, category))
        return comparison.plan()


def _add_category(context: SampleSyncContext, category: str, comparison: SampleComparison) -> bool:
    """Compare the samples of a category page by page; return False if the listing started again."""
    started = False
    for page in context.api.list_pages(category):
        if page.is_first and started:
            return False
        started = True
        comparison.add(page.items)
    return True


def _own_samples(context: SampleSyncContext, category: str) -> list[Sample]:
    samples: list[Sample] = []
    for page in context.api.list_pages(category):
        if page.is_first:
            samples.clear()
        samples += page.items
    return samples


def look_closer(context: SampleSyncContext, plan: SamplePlan) -> SamplePlan:
    """Read the files that look new or changed, and complete their plan."""
    closer = [sample for sample in plan.samples if sample.action == "look"]
    if not closer:
        return plan
    log.info("%d of %d samples look new or changed.", len(closer), len(plan.samples) + plan.unchanged)
    found = [replace(sample, source=context.source.sample(sample.path)) for sample in closer]
    wait_for_the_clock([one.source.file for one in found if one.source is not None], context.api.http.sleep)
    planned: dict[str, PlannedSample] = {}

    def look(sample: PlannedSample) -> None:
        planned[sample.path] = _look(context, sample)

    context.in_threads(found, look)
    samples = [planned.get(sample.path, sample) for sample in plan.samples]
    changed = [sample for sample in samples if sample.action != "unchanged"]
    return replace(plan, samples=changed, unchanged=plan.unchanged + len(samples) - len(changed))


def _look(context: SampleSyncContext, planned: PlannedSample) -> PlannedSample:
    source = planned.source
    assert source is not None
    if source.problem is not None or source.file is None:
        return replace(planned, action="fail", problem=source.problem)
    try:
        listed = [*planned.listed, *_dropped(context, planned)]
        sha256 = None
        if needs_reading(source, listed):
            sha256 = sha256_of(source.file, context.check_cancelled)
            context.tally.spent(TransferStats(bytes_hashed=source.file.size))
        return plan_sample(source, listed, sha256)
    except ENDS_ALL:
        raise
    except EdgeImpulseError as error:
        return replace(planned, action="fail", problem=error)


def _dropped(context: SampleSyncContext, planned: PlannedSample) -> list[Listed]:
    """Return the sample that was up to date and therefore not kept, if another one has the same file."""
    if planned.dropped is None:
        return []
    sample = context.find(planned.dropped)
    state = None if sample is None else SampleState.of(sample)
    return [] if sample is None or state is None else [Listed(sample, state)]
