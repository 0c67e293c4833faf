"""An upload under way: what it knows and shares, and how it looks at the items that are there."""

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

#: How often a run creates an item that somebody else takes away meanwhile.
MAX_BEGINNINGS = 3


@dataclass
class SharedLimits:
    """What the items of a sync share.

    :ivar duplicates: how many copies that repeated requests have left may be removed.
    :ivar batches: what fits into one request.
    :ivar alone: nobody else has items in the dataset: what is not listed is created without a look by its name.
    """

    duplicates: Allowance
    batches: BatchLimits
    alone: bool = False

    @classmethod
    def of(cls, api: OrganizationDataApi, duplicates: int = MAX_DUPLICATES, *, alone: bool = False) -> SharedLimits:
        """Return the limits by the settings of the connection."""
        settings = api.http.settings
        return cls(Allowance(duplicates), BatchLimits(settings.batch_files, settings.batch_bytes), alone)


@dataclass
class Attempt:
    """One data item on its way.

    :ivar wanted: the item as it should be.
    :ivar if_exists: what may be done to an item of that name that is there already.
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
        """Wait until what was sent is listed."""
        self.api.http.sleep(self.api.http.settings.settle_seconds)

    def list_items(self) -> list[DataItem]:
        """List the items that may be the wanted one: of its name, and the one that this run has created.

        The service may have made another name of the wanted one, which only a look at the item by its id shows.
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
            log.warning("Data item %d was renamed or moved meanwhile, and is left alone; beginning anew.", item.id)
            self.begin_anew()
            return items
        return [*items, item]

    def look(self, step: LookFirst) -> list[DataItem]:
        """Look once more at items that were listed a while ago; by their name when there was none."""
        if step.by_name:
            return self.list_items()
        items = [self.get(item.id) for item in step.items]
        there = [item for item in items if item is not None]
        if len(there) < len(items):
            return self.list_items()
        self.run.fresh = self.run.absence_known = True
        return there

    def get(self, data_id: int) -> DataItem | None:
        """Look at one item by its id; None when the service does not give it."""
        try:
            return self.api.get_data_item(data_id)
        except EdgeImpulseRefusedError as error:
            log.debug("Data item %d is taken to be gone: %s", data_id, error)
            return None

    def is_listed(self, data_id: int) -> bool:
        """Whether a listing has an item."""
        return any(item.id == data_id for item in self.list_items())

    def begin_anew(self) -> None:
        """Forget the item, since somebody has taken it away.

        :raises EdgeImpulseResponseError: when that has happened too often.
        """
        self.run = self.run.anew()
        if self.run.beginnings > MAX_BEGINNINGS:
            raise EdgeImpulseResponseError(
                f"Find out who else works on data item {self.wanted.name!r}: it was deleted, renamed or moved "
                f"{MAX_BEGINNINGS} times while it was being uploaded."
            )
