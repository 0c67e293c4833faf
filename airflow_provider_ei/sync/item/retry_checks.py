"""What is checked when a change to an item fails or is repeated: whether it was made, and whether it still may be."""

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
    """The rest of the plan no longer fits: list the item again, and plan."""


def if_unchanged(attempt: Attempt, item: DataItem) -> BeforeRetry:
    """Return what looks, before a change is tried again, whether the item is still as it was: else plan again."""
    return _before_retry(attempt, item, lambda now: same(now, item))


def if_ours(attempt: Attempt, item: DataItem) -> BeforeRetry:
    """Return the same for a change that comes after others: the item must still be this run's."""

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
    """Send less at once when a request was too large, down to a single file."""
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
    """Take a refusal as an error, unless the change is there: a try whose answer was lost has made it."""
    try:
        yield
    except EdgeImpulseRefusedError as error:
        if not is_done({item.id: item for item in attempt.list_items()}):
            raise
        raise PlanAgain(f"{error} It is done already.") from error


@contextmanager
def unless_gone(attempt: Attempt, item: DataItem) -> Iterator[None]:
    """Begin anew, with whatever is there now, when someone else has deleted the item."""
    try:
        yield
    except EdgeImpulseRefusedError as error:
        if attempt.is_listed(item.id):
            raise
        attempt.begin_anew()
        raise PlanAgain(f"{error} Data item {item.id} is gone; beginning anew.") from error
