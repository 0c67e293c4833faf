"""A cache of positions and totals, so that a page of a listing does not scan the items of all pages before it."""

from __future__ import annotations

from airflow_provider_ei.emulator.filter_sql import SqlCondition
from airflow_provider_ei.emulator.stored_data import DataTotals

_MAX_ENTRIES = 1_000

SortKey = tuple[str | int, ...]


class ListingCache:
    """Positions and totals of listings. They are valid for one revision of the data: a change removes all of them."""

    def __init__(self) -> None:
        self._revision = -1
        self._positions: dict[tuple[SqlCondition, str, int], SortKey] = {}
        self._totals: dict[SqlCondition, DataTotals] = {}

    def position(self, revision: int, condition: SqlCondition, order: str, offset: int) -> SortKey | None:
        """Return the sort key of the item before this offset, if a page has ended there."""
        self._renew(revision)
        return self._positions.get((condition, order, offset))

    def keep_position(self, condition: SqlCondition, order: str, offset: int, key: SortKey) -> None:
        """Keep the sort key of the item before an offset."""
        if len(self._positions) >= _MAX_ENTRIES:
            self._positions.clear()
        self._positions[condition, order, offset] = key

    def totals(self, revision: int, condition: SqlCondition) -> DataTotals | None:
        """Return the totals of a condition, if they are known."""
        self._renew(revision)
        return self._totals.get(condition)

    def keep_totals(self, condition: SqlCondition, totals: DataTotals) -> None:
        """Keep the totals of a condition."""
        if len(self._totals) >= _MAX_ENTRIES:
            self._totals.clear()
        self._totals[condition] = totals

    def _renew(self, revision: int) -> None:
        if revision != self._revision:
            self._positions.clear()
            self._totals.clear()
            self._revision = revision
