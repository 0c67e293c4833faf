"""Checks for a change that failed or is retried: whether it was made, and whether it may still be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from airflow_provider_ei.exceptions import EdgeImpulseRefusedError, EdgeImpulseServiceError, EdgeImpulseTooLargeError
from airflow_provider_ei.studio.files import UploadFile
from airflow_provider_ei.studio.http import BeforeRetry
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.studio.retry import may_be_done
from airflow_provider_ei.sync.item.attempt import Attempt
from airflow_provider_ei.sync.item.duplicates import same
from airflow_provider_ei.sync.item_state import ItemState


class PlanAgain(Exception):
    """The rest of the plan no longer fits: list the item and plan again."""


def if_unchanged(attempt: Attempt, item: DataItem) -> BeforeRetry:
    """Return a check for before a retry: plan again unless the item is unchanged."""
    return _before_retry(attempt, item, lambda now: same(now, item))


def if_ours(attempt: Attempt, item: DataItem) -> BeforeRetry:
    """Return a check for before the retry of a later change: plan again unless the item is still this run's."""

    def is_ours(now: DataItem) -> bool:
        state = ItemState.of(now)
        return state is not None and state.run == attempt.run.run

    return _before_retry(attempt, item, is_ours)


def _before_retry(attempt: Attempt, item: DataItem, may_repeat: Callable[[DataItem], bool]) -> BeforeRetry:
    def look(failure: EdgeImpulseServiceError) -> None:
        attempt.stats.unanswered += may_be_done(failure)
        now = attempt.get(item.id)
        if now is None and not attempt.is_listed(item.id):
            attempt.begin_anew()
        if now is None or not may_repeat(now):
            raise PlanAgain(f"{failure} Data item {item.id} has changed meanwhile; looking again.")

    return look


@contextmanager
def in_smaller_batches(attempt: Attempt, files: Sequence[UploadFile]) -> Iterator[None]:
    """Use smaller requests after one was too large, down to a single file."""
    try:
        yield
    except EdgeImpulseTooLargeError as error:
        if len(files) < 2:
            raise
        limits = attempt.shared.batches
        limits.shrink_below(files)
        raise PlanAgain(f"{error} Sending at most {limits.files} files at once.") from error


@contextmanager
def unless_done(attempt: Attempt, is_done: Callable[[Mapping[int, DataItem]], bool]) -> Iterator[None]:
    """Ignore a refusal if the change was already made, by a try whose response was lost; plan again."""
    try:
        yield
    except EdgeImpulseRefusedError as error:
        if not is_done({item.id: item for item in attempt.list_items()}):
            raise
        raise PlanAgain(f"{error} It is done already.") from error


@contextmanager
def unless_gone(attempt: Attempt, item: DataItem) -> Iterator[None]:
    """Start over if someone else has deleted the item."""
    try:
        yield
    except EdgeImpulseRefusedError as error:
        if attempt.is_listed(item.id):
            raise
        attempt.begin_anew()
        raise PlanAgain(f"{error} Data item {item.id} is gone; starting over.") from error
