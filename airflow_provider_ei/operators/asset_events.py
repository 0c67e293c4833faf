"""Reports what a task did in the events and the state of its assets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_ei.assets import create_asset, create_project_asset, stored_categories
from airflow_provider_ei.hooks.best_effort import best_effort

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_ei.results import (
        AddDataResult,
        BuildResult,
        SampleSyncSummary,
        SyncSummary,
        UploadSamplesResult,
    )

#: Key of the last sync in an asset's state (Airflow 3.3 and later).
STATE_KEY = "edge_impulse_sync"


def emit_asset_events(outlets: Sequence[Any], context: Context, summary: AddDataResult | SyncSummary) -> None:
    """Add the task's result, without its lists, to the events of its outlets.

    An alias gets an event for the asset of the dataset. Never raises an error, since the upload is complete.
    """

    def assets() -> list[Asset]:
        return [create_asset(organization_id=summary["organization_id"], dataset=summary["dataset"])]

    _emit(outlets, context, summary, assets)


def emit_project_events(
    outlets: Sequence[Any], context: Context, result: UploadSamplesResult | SampleSyncSummary
) -> None:
    """Add the task's result, without its lists, to the events of its outlets.

    An alias gets an event for the asset of each category. Never raises an error, since the upload is complete.
    """

    def assets() -> list[Asset]:
        categories = stored_categories(result["categories"])
        return [create_project_asset(project_id=result["project_id"], category=category) for category in categories]

    _emit(outlets, context, result, assets)


def _emit(
    outlets: Sequence[Any], context: Context, result: Mapping[str, Any], assets: Callable[[], list[Asset]]
) -> None:
    extra: dict[str, Any] = {key: value for key, value in result.items() if isinstance(value, str | int | float)}
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            with best_effort(f"The event of {outlet!r}"):
                for asset in assets():
                    context["outlet_events"][outlet].add(asset, extra=extra)
        elif isinstance(outlet, Asset) or _is_reference(outlet):
            with best_effort(f"The event of {outlet!r}"):
                context["outlet_events"][outlet].extra.update(extra)
            with best_effort(f"The state of {outlet!r}"):
                store = context.get("asset_state_store")  # from Airflow 3.3 on
                if store is not None and "sync_id" in extra:
                    store[outlet].set(STATE_KEY, dict(extra))


def emit_file_events(outlets: Sequence[Any], context: Context, result: BuildResult) -> None:
    """Add the result of a build to the events of the task's outlets.

    An alias gets an event for the file. Never raises an error, since the file is complete.
    """
    extra: dict[str, Any] = dict(result)
    for outlet in outlets:
        with best_effort(f"The event of {outlet!r}"):
            if isinstance(outlet, AssetAlias):
                context["outlet_events"][outlet].add(Asset(file_uri(result["path"])), extra=extra)
            elif isinstance(outlet, Asset) or _is_reference(outlet):
                context["outlet_events"][outlet].extra.update(extra)


def file_uri(path: str) -> str:
    """Return the URI of a path; that of a URI without the id of an Airflow connection."""
    if "://" not in path:
        return f"file://{quote(path)}"
    uri = urlsplit(path)
    return uri._replace(netloc=uri.netloc.rpartition("@")[2]).geturl()


def _is_reference(outlet: object) -> bool:
    """Return whether an outlet is an ``Asset.ref(…)`` of Airflow 3."""
    return any(each.__name__ == "AssetRef" for each in type(outlet).__mro__)
