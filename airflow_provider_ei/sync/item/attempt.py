"""An upload in progress: its state, the limits that it shares, and how it fetches existing items."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from airflow_provider_ei.exceptions import EdgeImpulseRefusedError, EdgeImpulseResponseError
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.kept_files import KeptFiles
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.item.conflicts import IfExists
from airflow_provider_ei.sync.item.duplicates import Allowance
from airflow_provider_ei.sync.item.plan import MAX_DUPLICATES
from airflow_provider_ei.sync.item.steps import BatchLimits, LookFirst, RunState
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.item_state import ItemState
from airflow_provider_ei.sync.progress import ProgressLog
from airflow_provider_ei.sync.transfer import TransferStats

log = logging.getLogger(__name__)

#: How often a run starts over when somebody else deletes, renames or moves its item.
MAX_BEGINNINGS = 3


@dataclass
class SharedLimits:
    """Limits that the items of a sync share.

    :ivar duplicates: how many copies created by repeated requests may be removed.
    :ivar batches: what fits into one request.
    :ivar alone: nobody else has items in the dataset, so an unlisted item is created without searching for its name.
    """

    duplicates: Allowance
    batches: BatchLimits
    alone: bool = False

    @classmethod
    def of(cls, api: OrganizationDataApi, duplicates: int = MAX_DUPLICATES, *, alone: bool = False) -> SharedLimits:
        """Return the limits from the settings of the connection."""
        settings = api.http.settings
        return cls(Allowance(duplicates), BatchLimits(settings.batch_files, settings.batch_bytes), alone)


@dataclass
class Attempt:
    """The upload of one data item.

    :ivar wanted: the item as it should be.
    :ivar if_exists: what to do with an existing item of that name.
    """

    api: OrganizationDataApi
    wanted: WantedItem
    if_exists: IfExists
    shared: SharedLimits
    run: RunState = field(default_factory=RunState)
    stats: TransferStats = field(default_factory=TransferStats)

    def __post_init__(self) -> None:
        self.log_progress = ProgressLog(self.wanted)
        self.kept = KeptFiles()

    def settle(self) -> None:
        """Wait until the listing shows what was sent."""
        self.api.http.sleep(self.api.http.settings.settle_seconds)

    def list_items(self) -> list[DataItem]:
        """List the items that may be the wanted item: those with its name, and the one that this run created.

        The service may have changed the item's name; then the item can only be found by its id.
        """
        items = self._list_items()
        self.run.fresh = self.run.absence_known = True
        return items

    def _list_items(self) -> list[DataItem]:
        run, wanted = self.run, self.wanted
        items = self.api.find_data_items(wanted.dataset, wanted.name)
        if run.data_id is None:
            return items
        if any(item.id == run.data_id for item in items):
            run.seen = True
            return items
        item = self.get(run.data_id)
        if item is None:
            return items
        if run.seen and ItemState.of(item) is None:
            log.warning("Data item %d was renamed or moved meanwhile, and is left alone; starting over.", item.id)
            self.begin_anew()
            return items
        return [*items, item]

    def look(self, step: LookFirst) -> list[DataItem]:
        """Fetch items again that were listed earlier; search by name if there were none."""
        if step.by_name:
            return self.list_items()
        items = [self.get(item.id) for item in step.items]
        there = [item for item in items if item is not None]
        if len(there) < len(items):
            return self.list_items()
        self.run.fresh = self.run.absence_known = True
        return there

    def get(self, data_id: int) -> DataItem | None:
        """Fetch one item by its id; None if the service refuses to return it."""
        try:
            return self.api.get_data_item(data_id)
        except EdgeImpulseRefusedError as error:
            log.debug("Data item %d is taken to be gone: %s", data_id, error)
            return None

    def is_listed(self, data_id: int) -> bool:
        """List the items again and return whether the item is among them."""
        return any(item.id == data_id for item in self.list_items())

    def begin_anew(self) -> None:
        """Forget the item and start over, because somebody has deleted, renamed or moved it.

        :raises EdgeImpulseResponseError: when that has happened too often.
        """
        self.run = self.run.restarted()
        if self.run.beginnings > MAX_BEGINNINGS:
            raise EdgeImpulseResponseError(
                f"Find out who else works on data item {self.wanted.name!r}: it was deleted, renamed or moved "
                f"{MAX_BEGINNINGS} times while it was being uploaded."
            )
