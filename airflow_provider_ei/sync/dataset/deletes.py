"""Deletes data items that the source no longer has, each after a last look at both sides."""

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
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.plan import objection, own_state
from airflow_provider_ei.sync.dataset.tally import Tally
from airflow_provider_ei.sync.dataset.tree import Tree
from airflow_provider_ei.sync.duplicates import is_copy
from airflow_provider_ei.sync.item import WantedItem
from airflow_provider_ei.sync.plan import MAX_DUPLICATES

log = logging.getLogger(__name__)

#: Errors that are those of all items.
ENDS_ALL = (EdgeImpulseCancelledError, EdgeImpulseAuthError)


class ExtraItemRemover:
    """Removes items of a sync that its source no longer has.

    A plan is as old as its run. Since then somebody may have renamed, moved, marked or changed the item, another sync
    may have taken it, and its folder may have come back. So right before each delete, and before it is tried again,
    the item is looked at by its id, and at its place in the source. Anything but "ours, unchanged since the plan,
    still absent" leaves it.

    :param tally: counts what is deleted, kept and failed.
    """

    def __init__(
        self,
        api: OrganizationDataApi,
        source: Tree,
        options: SyncOptions,
        tally: Tally,
    ) -> None:
        self._api = api
        self._source = source
        self._options = options
        self._tally = tally

    def remove(self, planned: DataItem) -> None:
        """Delete an item, unless something speaks against it.

        :param planned: the item as it was when the deletion was planned.
        :raises EdgeImpulseError: only what ends the whole sync; other errors are counted.
        """

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
                pass  # by a try whose answer was lost
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

    def certain(self, planned: Sequence[DataItem]) -> list[DataItem]:
        """Return those items whose name no other of them has; of several of one name, only copies of the oldest.

        A person may have copied our state to an item of theirs, and then nobody can tell which one is ours. Those that
        are left are counted.

        :raises EdgeImpulseError: only what ends the whole sync; other errors are counted.
        """
        by_name: dict[str, list[DataItem]] = {}
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

    def _are_copies(self, items: Sequence[DataItem]) -> bool:
        oldest, *others = sorted(items, key=lambda item: (item.created, item.id))
        if len(others) > MAX_DUPLICATES:
            return False
        nothing = WantedItem(oldest.name, oldest.dataset, (), {})
        return all(is_copy(self._api, other, oldest, nothing) for other in others)

    def would_delete(self, planned: DataItem) -> bool:
        """Whether :meth:`remove` would delete an item now; if not, it is counted as there."""
        try:
            return self._may_be_deleted(planned)
        except _Kept as reason:
            self._tally.keep(planned.name, str(reason))
        except ENDS_ALL:
            raise
        except EdgeImpulseError as error:
            self._tally.fail(planned.name, error)
        return False

    def _may_be_deleted(self, planned: DataItem) -> bool:
        """Look at both sides; False when the item is gone.

        :raises _Kept: when something speaks against deleting it.
        """
        now = self._look_at(planned)
        if now is None:
            return False
        state = own_state(planned, self._options)
        reason = objection(planned, now, self._options)
        if reason is None and state is not None:
            reason = self._objection_of_source(state.name)
        if reason is not None:
            raise _Kept(reason)
        return True

    def _look_at(self, planned: DataItem) -> DataItem | None:
        """Look at an item by its id; None when it is gone, by the word of a listing, too."""
        try:
            return self._api.get_data_item(planned.id)
        except EdgeImpulseRefusedError:
            there = self._api.find_data_items(planned.dataset, planned.name)
            if any(other.id == planned.id for other in there):
                raise
            return None

    def _objection_of_source(self, name: str) -> str | None:
        """Say why an item's place in the source speaks against deleting it; None when nothing does."""
        presence = self._source.presence(name)
        if presence.state == "absent" or (presence.state == "excluded" and self._options.deletes_excluded):
            return None
        if presence.state == "unknown":
            return f"whether the source has it cannot be told now: {presence.reason}"
        return "the source has it again."


class _Kept(Exception):
    """Why an item is not deleted."""


class _Deleted(Exception):
    """An item is gone between two tries to delete it."""
