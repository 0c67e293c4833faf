"""Deletes data items that the source no longer has, after a final check of both the item and the source."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseCancelledError,
    EdgeImpulseError,
    EdgeImpulseRefusedError,
    EdgeImpulseServiceError,
)
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset.context import SyncContext
from airflow_provider_ei.sync.dataset.extra_item import ExtraItem, content_digest
from airflow_provider_ei.sync.item.duplicates import is_copy
from airflow_provider_ei.sync.item.plan import MAX_DUPLICATES
from airflow_provider_ei.sync.item.wanted import WantedItem

log = logging.getLogger(__name__)

#: Errors that affect all items and end the sync.
ENDS_ALL = (EdgeImpulseCancelledError, EdgeImpulseAuthError)


class ExtraItemRemover:
    """Removes items of a sync that its source no longer has, unless an item has failed.

    The plan may be out of date: somebody may have renamed, moved, marked or changed the item, another sync may have
    taken it over, or its folder may be back. So right before each delete, and before each retry, the item is fetched
    by its id and its path in the source is checked. The item is deleted only if it is ours, unchanged since the plan,
    and still absent from the source.
    """

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._api = context.api
        self._tally = context.tally

    def remove(self, planned: Sequence[ExtraItem]) -> None:
        """Delete items, and count them.

        :raises EdgeImpulseError: only an error that ends the whole sync; other errors are counted.
        """
        if not planned:
            return
        if self._tally.failed:
            log.warning("Nothing is deleted, since data items have failed.")
            return
        self._context.in_threads(self._certain(planned), self._remove)

    def would_delete(self, planned: Sequence[ExtraItem]) -> list[ExtraItem]:
        """Return the items that :meth:`remove` would delete now; the others are counted in the same way."""
        if self._tally.failed:
            return []
        return [item for item in self._certain(planned) if self._would_delete(item)]

    def _remove(self, planned: ExtraItem) -> None:
        def before_retry(failure: EdgeImpulseServiceError) -> None:
            if not self._may_be_deleted(planned):
                raise _Deleted

        name = planned.name
        try:
            if not self._may_be_deleted(planned):
                log.info("Data item %r (id %d) is gone already.", name, planned.id)
                return
            log.info("Deleting data item %r (id %d), which the source no longer has.", name, planned.id)
            try:
                self._api.delete_data_item(planned.id, before_retry=before_retry)
            except _Deleted:
                pass  # by a try whose response was lost
            except EdgeImpulseRefusedError:
                if self._look_at(planned) is not None:
                    raise
        except _Kept as reason:
            self._tally.keep(name, str(reason))
        except ENDS_ALL:
            raise
        except EdgeImpulseError as error:
            self._tally.fail(name, error)
        else:
            self._tally.done(name, "deleted")

    def _certain(self, planned: Sequence[ExtraItem]) -> list[ExtraItem]:
        """Return the items with a unique name, and the items of one name that are all copies of the oldest one.

        A user may have copied our state to an item of their own, so that we cannot tell which one is ours. Items that
        are not returned are counted as kept.

        :raises EdgeImpulseError: only an error that ends the whole sync; other errors are counted.
        """
        by_name: dict[str, list[ExtraItem]] = {}
        for item in planned:
            by_name.setdefault(item.name, []).append(item)
        certain = []
        for name, items in by_name.items():
            try:
                if len(items) == 1 or self._are_copies(items):
                    certain += items
                    continue
            except ENDS_ALL:
                raise
            except EdgeImpulseError as error:
                self._tally.fail(name, error)
                continue
            ids = ", ".join(str(item.id) for item in items)
            for _ in items:
                self._tally.keep(name, f"delete those that are not needed in Studio: data items {ids} have this name.")
        return certain

    def _are_copies(self, planned: Sequence[ExtraItem]) -> bool:
        if len(planned) > MAX_DUPLICATES + 1:
            return False
        items = [item for one in planned if (item := self._look_at(one)) is not None]
        if [content_digest(item) for item in items] != [one.digest for one in planned]:
            return False
        oldest, *others = sorted(items, key=lambda item: (item.created, item.id))
        nothing = WantedItem(oldest.name, oldest.dataset, (), {})
        return all(is_copy(self._api, other, oldest, nothing) for other in others)

    def _would_delete(self, planned: ExtraItem) -> bool:
        try:
            return self._may_be_deleted(planned)
        except _Kept as reason:
            self._tally.keep(planned.name, str(reason))
        except ENDS_ALL:
            raise
        except EdgeImpulseError as error:
            self._tally.fail(planned.name, error)
        return False

    def _may_be_deleted(self, planned: ExtraItem) -> bool:
        """Check the item and the source; return False if the item is gone.

        :raises _Kept: when the item must not be deleted.
        """
        now = self._look_at(planned)
        if now is None:
            return False
        objection = planned.objection(now, self._context.options) or self._objection_of_source(planned.place)
        if objection is not None:
            raise _Kept(objection)
        return True

    def _look_at(self, planned: ExtraItem) -> DataItem | None:
        """Fetch an item by its id; None if it is gone and not listed either."""
        try:
            return self._api.get_data_item(planned.id)
        except EdgeImpulseRefusedError:
            there = self._api.find_data_items(planned.dataset, planned.name)
            if any(other.id == planned.id for other in there):
                raise
            return None

    def _objection_of_source(self, place: str) -> str | None:
        """Return why the source does not allow deleting an item; None if it does."""
        presence = self._context.source.tree.presence(place)
        if presence.state == "absent" or (presence.state == "excluded" and self._context.options.deletes_excluded):
            return None
        if presence.state == "unknown":
            return f"whether the source has it cannot be told now: {presence.reason}"
        return "the source has it again."


class _Kept(Exception):
    """An item must not be deleted, for the reason in the message."""


class _Deleted(Exception):
    """An item was deleted by an earlier try or by somebody else."""
