"""Tells Airflow's assets what a task did: as the extra of their events, and in the state that Airflow keeps of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_ei.assets import create_asset

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.sync.apply import AddDataResult
    from airflow_provider_ei.sync.dataset.summary import SyncSummary

log = logging.getLogger(__name__)

#: Under which the last sync stands in an asset's state (Airflow 3.3 and newer).
STATE_KEY = "edge_impulse_sync"


def tell_outlets(outlets: Sequence[Any], context: Context, summary: AddDataResult | SyncSummary) -> None:
    """Give the events of a task's outlets what the task returns, without its lists.

    An alias gets an event for the asset of the dataset.
    """
    extra: dict[str, Any] = {key: value for key, value in summary.items() if isinstance(value, str | int | float)}
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            asset = create_asset(organization_id=summary["organization_id"], dataset=summary["dataset"])
            context["outlet_events"][outlet].add(asset, extra=extra)
        elif isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update(extra)
            if "sync_id" in extra:
                _keep(context.get("asset_state_store"), outlet, extra)


def _keep(store: Any, outlet: Asset, extra: Mapping[str, Any]) -> None:
    if store is None:
        return  # before Airflow 3.3
    try:
        store[outlet].set(STATE_KEY, dict(extra))
    except Exception as error:  # the dataset is in step, and the event says so, whatever becomes of this note
        log.warning("The sync could not be noted in the state of asset %s: %s", outlet.uri, error)
