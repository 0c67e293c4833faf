"""The limits for the deletions of one run, checked before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_ei.exceptions import EdgeImpulseDeleteLimitError, EdgeImpulseInputError


@dataclass(frozen=True)
class DeleteLimit:
    """The limits for the deletions of one run.

    :ivar items: the maximum number of items; None for no such limit.
    :ivar share: the maximum fraction of the sync's items.
    """

    items: int | None = None
    share: float = 0.5


DEFAULT_LIMIT = DeleteLimit()


def check_max_delete(name: str, value: object) -> DeleteLimit:
    """Read a number, which adds to the default limit of half of the items; or a percentage, which replaces it."""
    if isinstance(value, DeleteLimit):
        return value
    given = "" if value is None else str(value).strip()
    if not given:
        return DeleteLimit()
    number = given.removesuffix("%").strip()
    if not number.isdecimal() or isinstance(value, bool | float) or (given.endswith("%") and int(number) > 100):
        raise EdgeImpulseInputError(
            f"{name} must be a number of data items, such as 20, or a percentage such as '80%', not {value!r}."
        )
    return DeleteLimit(share=int(number) / 100) if given.endswith("%") else DeleteLimit(int(number))


def check_delete_limit(
    deletes: Sequence[str], own: int, limit: DeleteLimit, *, is_empty: bool, noun: str, whole: str
) -> None:
    """Check what a sync would delete against the limits.

    :param deletes: names of what it would delete.
    :param own: how much of the source exists in the service and belongs to the sync.
    :param is_empty: whether the source is empty.
    :param noun: what is deleted: ``data item`` or ``sample``.
    :param whole: what they are in: ``dataset`` or ``project``.
    :raises EdgeImpulseDeleteLimitError: when a limit is exceeded, or when the source is empty.
    """
    count = len(deletes)
    if not count:
        return
    what = f"{count} of the sync's {noun}s are no longer in the source, such as {deletes[0]!r}"
    if is_empty:
        raise EdgeImpulseDeleteLimitError(
            f"{what}; the source has no {noun} at all, so it is taken for lost. Nothing was changed. To empty the "
            f"{whole}, do it in Studio."
        )
    there = count + own
    if limit.items is not None and count > limit.items:
        raise EdgeImpulseDeleteLimitError(
            f"{what}; max_delete allows {limit.items}. Nothing was changed. If they are to go, raise max_delete."
        )
    if count / there > limit.share:
        raise EdgeImpulseDeleteLimitError(
            f"{what}, that is {count / there:.0%} of the {there} that are there; {limit.share:.0%} may be "
            "deleted. Nothing was changed. If they are to go, set max_delete to a percentage such as '100%'."
        )
