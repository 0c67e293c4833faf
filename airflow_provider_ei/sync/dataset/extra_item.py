"""Items of a sync that its source no longer has, and what must be unchanged when one is deleted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.item_state import ItemState


def own_state(item: DataItem, options: SyncOptions) -> ItemState | None:
    """Return the state of an item that certainly belongs to this sync; None for all others."""
    state = ItemState.certain(item)
    return state if state is not None and (state.dataset, state.sync) == (options.dataset, options.sync_id) else None


@dataclass(frozen=True, slots=True)
class ExtraItem:
    """An item of this sync that the source no longer has.

    :ivar place: its path in the source.
    :ivar digest: digest of everything that must be unchanged when it is deleted.
    """

    id: int
    name: str
    dataset: str
    place: str
    digest: bytes

    @classmethod
    def of(cls, item: DataItem, state: ItemState) -> ExtraItem:
        """Keep the parts of a listed item that its deletion needs."""
        return cls(item.id, item.name, item.dataset, state.name, content_digest(item))

    def objection(self, now: DataItem, options: SyncOptions) -> str | None:
        """Return why the item must not be deleted; None if it may be deleted.

        :param now: the same item, fetched just now.
        """
        if (now.name, now.dataset) != (self.name, self.dataset):
            return f"it was renamed or moved since, and is {now.name!r} in dataset {now.dataset!r} now."
        if own_state(now, options) is None:
            return "it no longer belongs to this sync."
        if now.id != self.id or content_digest(now) != self.digest:
            return "it was changed since."
        return None


def content_digest(item: DataItem) -> bytes:
    """Return a digest of an item's metadata, and of the names and sizes of its files."""
    files = sorted((file.name, file.size) for file in item.files or ())
    content = repr((sorted(item.metadata.items()), files))
    return hashlib.blake2b(content.encode(errors="surrogatepass"), digest_size=32).digest()
