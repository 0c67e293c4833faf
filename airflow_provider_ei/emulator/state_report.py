"""All data as one JSON object, for tests and for the page."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from airflow_provider_ei.emulator.filter_sql import EVERYTHING, SqlCondition
from airflow_provider_ei.emulator.item_catalog import ItemCatalog
from airflow_provider_ei.emulator.stored_data import StoredItem


def describe_state(
    catalog: ItemCatalog,
    *,
    items_limit: int | None = None,
    files_limit: int | None = None,
    characters_limit: int | None = None,
    search: str = "",
) -> dict[str, Any]:
    """Return totals, and the datasets with their items, those changed last first.

    :param items_limit: how many items to include, over all datasets; None means all.
    :param files_limit: how many files of each item to include.
    :param characters_limit: how many characters of each metadata value to include; a value that is cut ends with its
        full length.
    :param search: include only items whose name contains this, ignoring case.
    """
    version = catalog.version
    condition = SqlCondition("instr(lower(items.name), lower(?)) > 0", (search,)) if search else EVERYTHING
    items = catalog.items(condition, limit=items_limit, files_limit=files_limit, order="changed")
    shown: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        shown.setdefault(item.dataset, []).append(_item(item, characters_limit))
    datasets = [
        {
            "dataset": dataset.name,
            "type": dataset.type,
            "item_count": dataset.item_count,
            "file_count": dataset.file_count,
            "total_size": dataset.total_size,
            "items": shown.get(dataset.name, []),
        }
        for dataset in catalog.datasets()
    ]
    return {
        "version": version,
        "totals": asdict(catalog.totals()),
        "matching_items": catalog.totals(condition).items,
        "shown_items": len(items),
        "datasets": datasets,
    }


def _item(item: StoredItem, characters_limit: int | None) -> dict[str, Any]:
    metadata = {key: _cut(value, characters_limit) for key, value in item.metadata.items()}
    return {**asdict(item), "metadata": metadata, "files": [asdict(file) for file in item.files]}


def _cut(value: str, limit: int | None) -> str:
    return value if limit is None or len(value) <= limit else f"{value[:limit]}… ({len(value):,} characters)"
