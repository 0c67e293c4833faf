"""What OpenLineage is told: where the files came from, and what the dataset got.

Everything of OpenLineage is imported when it asks, so the provider works without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.assets import SCHEME
from airflow_provider_ei.hooks.lineage import aggregated

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage


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


def _items(result: Mapping[str, Any]) -> int:
    if "outcome" in result:
        return int(result["outcome"] in ("created", "updated"))
    return int(sum(result[what] for what in ("created", "updated", "repaired")))
