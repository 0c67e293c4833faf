"""What OpenLineage is told: where the files came from, and what the dataset got.

Everything of OpenLineage is imported when it asks, so the provider works without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_ei.assets import SCHEME

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

#: Inputs that are told; beyond them, the folders that they lie in.
MOST_INPUTS = 20


def operator_lineage(places: Iterable[str], result: Mapping[str, Any]) -> OperatorLineage[Any, Any]:
    """Return the lineage of a task.

    :param places: paths and URIs that its files came from.
    :param result: what the task returned.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset, OutputDataset
    from airflow.providers.common.compat.openlineage.facet import OutputStatisticsOutputDatasetFacet as Statistics
    from airflow.providers.openlineage.extractors import OperatorLineage

    if result.get("outcome") in ("unchanged", "skipped"):
        result = {**result, "total_bytes": 0, "file_count": 0}  # nothing has moved
    inputs: list[Dataset] = [Dataset(namespace=namespace, name=name) for namespace, name in aggregated(places)]
    output = OutputDataset(
        namespace=f"{SCHEME}://{result['organization_id']}",
        name=result["dataset"],
        outputFacets={
            "outputStatistics": Statistics(
                rowCount=_items(result),
                size=result.get("bytes_sent", result.get("total_bytes")),
                fileCount=result.get("files_sent", result.get("file_count")),
            )
        },
    )
    return OperatorLineage(inputs=inputs, outputs=[output])


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


def added_up(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the results of several uploads into one dataset as one."""
    sent = [result for result in results if result["outcome"] in ("created", "updated")]
    return {
        **{key: results[0][key] for key in ("organization_id", "dataset")},
        **{what: sum(result["outcome"] == what for result in results) for what in ("created", "updated")},
        "repaired": 0,
        "files_sent": sum(result["file_count"] for result in sent),
        "bytes_sent": sum(result["total_bytes"] for result in sent),
    }


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


def _named(place: str) -> tuple[str, str]:
    uri = urlsplit(place.removeprefix("file://"))
    if uri.scheme and uri.netloc:
        host = uri.netloc.rpartition("@")[2]
        return f"{uri.scheme}://{host}", uri.path.strip("/") or "/"
    return "file", os.path.abspath(place.removeprefix("file://"))


def _items(result: Mapping[str, Any]) -> int:
    if "outcome" in result:
        return int(result["outcome"] in ("created", "updated"))
    return int(sum(result[what] for what in ("created", "updated", "repaired")))
