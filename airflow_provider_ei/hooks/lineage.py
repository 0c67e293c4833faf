"""What goes where, for Airflow's collector of hook lineage: a ``@task`` that calls the hook has lineage, too."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_provider_ei.assets import dataset_uri

log = logging.getLogger(__name__)

#: Inputs that are told; beyond them, the folders that they lie in.
MOST_INPUTS = 20


def collect(hook: Any, places: Iterable[str], organization_id: int, dataset: str) -> None:
    """Tell the collector that files from these places have gone into a dataset.

    :param hook: who did it.
    :param places: paths and URIs.
    """
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    try:
        collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        for namespace, name in aggregated(places):
            where = "file://" + name if namespace == "file" else f"{namespace}/{name}"
            collector.add_input_asset(context=hook, uri=quote(where, safe=":/@%+"))
        collector.add_output_asset(context=hook, uri=dataset_uri(organization_id, dataset))
    except Exception as error:  # the upload is done, whatever becomes of what is told about it
        log.warning("The lineage of this upload could not be collected: %s", error)


def places_of(files: Any) -> list[str]:
    """Return the paths and URIs in ``files``, as users give them."""
    from airflow_provider_ei.sync.file_specs import parse_literal

    if isinstance(files, str):
        parsed = parse_literal(files)
        return [files] if parsed == files else places_of(parsed)
    if isinstance(files, Mapping):
        return places_of(files.get("path"))
    if isinstance(files, list | tuple):
        return [place for one in files for place in places_of(one)]
    return [] if files is None else [str(files)]


def places_of_sync(source: Any, items: Any) -> list[str]:
    """Return the paths and URIs that a sync reads."""
    listed = items if isinstance(items, list | tuple) else []
    return places_of(source) + places_of([item.get("files") for item in listed if isinstance(item, Mapping)])


def aggregated(places: Iterable[str]) -> list[tuple[str, str]]:
    """Return the places as OpenLineage names them, namespace and name, without doubles.

    More than :data:`MOST_INPUTS` are told as the folders that they lie in, and so on upwards.
    """
    named = sorted({_named(place) for place in places})
    while len(named) > MOST_INPUTS:
        above = sorted({(namespace, os.path.dirname(name) or "/") for namespace, name in named})
        if above == named:
            return named[:MOST_INPUTS]
        named = above
    return named


def _named(place: str) -> tuple[str, str]:
    uri = urlsplit(place.removeprefix("file://"))
    if uri.scheme and uri.netloc:
        host = uri.netloc.rpartition("@")[2]
        return f"{uri.scheme}://{host}", uri.path.strip("/") or "/"
    return "file", os.path.abspath(place.removeprefix("file://"))
