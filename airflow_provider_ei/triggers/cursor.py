"""Keeps what an event trigger has reported last, so that a restart of the triggerer misses nothing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors


class CursorStore:
    """The cursor of an event trigger, in Airflow's asset state store (3.3 and newer).

    :param store: None where Airflow has no such store.
    :param identity: what is watched; another trigger of the same asset has another one.
    """

    def __init__(self, store: AssetStateStoreAccessors | None, identity: str) -> None:
        self._key = f"edge_impulse_cursor_{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
        self._stores = [] if store is None else _stores(store)

    @property
    def is_durable(self) -> bool:
        """Whether a stored cursor survives a restart of the triggerer."""
        return bool(self._stores)

    async def load(self) -> Any:
        """Return the stored cursor; None when there is none.

        :raises Exception: whatever Airflow raises when the store cannot be read.
        """
        for store in self._stores:
            if (value := await store.aget(self._key)) is not None:
                return value
        return None

    async def save(self, cursor: dict[str, Any]) -> None:
        """Store the cursor.

        :raises Exception: whatever Airflow raises when the store cannot be written.
        """
        for store in self._stores:
            await store.aset(self._key, cursor)


def _stores(store: AssetStateStoreAccessors) -> list[Any]:
    """Return the store of each asset that the trigger is watched through.

    A trigger that several assets use alike runs only once. Airflow names the assets nowhere else.
    """
    known = vars(store)
    return [*known.get("_by_name", {}).values(), *known.get("_by_uri", {}).values()] or [store]
