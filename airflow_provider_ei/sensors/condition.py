"""What a sensor waits for. Asked by the sensor itself, or by the trigger in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
    from airflow_provider_ei.studio.answers import DataItem


@dataclass(frozen=True)
class Condition:
    """What is to be seen in a dataset.

    :ivar dataset: its name.
    :ivar name: of a data item; None for all of them.
    :ivar filter: SQL-WHERE text of the API, which the data items have to fulfil.
    :ivar at_least: how many complete data items there have to be.
    :ivar quiet_seconds: for how long none has come.
    """

    dataset: str
    name: str | None = None
    filter: str | None = None
    at_least: int = 1
    quiet_seconds: float = 0.0

    def ask(self, hook: EdgeImpulseHook) -> bool:
        """Look at the dataset with one listing (``listOrganizationData``; ``listOrganizationFiles`` for a name).

        :raises EdgeImpulseError: when it cannot be listed.
        """
        if self.name is not None:
            items = hook.find_data_items(self.dataset, self.name)
        else:
            items = hook.list_data_items(self.dataset, filter=self.filter)
        return self.is_met(items, datetime.now(UTC))

    def is_met(self, items: Sequence[DataItem], now: datetime) -> bool:
        """Whether these data items are what is waited for. One that is being uploaded does not count."""
        from airflow_provider_ei.sync.item_state import ItemState

        complete = [item for item in items if (state := ItemState.of(item)) is None or state.complete]
        if len(complete) < self.at_least or len(complete) < len(items):
            return False
        return all((now - item.created).total_seconds() >= self.quiet_seconds for item in items)
