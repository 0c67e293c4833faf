"""OpenLineage: the sources of a task's files, and the dataset that they were uploaded to.

OpenLineage is imported only when it calls this module, so the provider works without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.assets import PROJECT_SCHEME, URI_SCHEME, stored_categories
from airflow_provider_ei.hooks.lineage import collapse_to_folders

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_ei.results import Result, SampleSyncSummary, UploadSamplesResult


def operator_lineage(sources: Iterable[str], result: Result) -> OperatorLineage[Any, Any]:
    """Return the lineage of a task.

    :param sources: paths and URIs of its files.
    :param result: what the task returned.
    """
    counts = result.counts
    name = (f"{URI_SCHEME}://{result.organization_id}", result.dataset)
    return _lineage(sources, [name], counts.sent_items, counts["bytes_sent"], counts["files_sent"])


def project_lineage(
    sources: Iterable[str], result: UploadSamplesResult | SampleSyncSummary
) -> OperatorLineage[Any, Any]:
    """Return the lineage of a task that uploaded samples.

    :param sources: paths and URIs of its files.
    :param result: what the task returned.
    """
    names = [(f"{PROJECT_SCHEME}://{result['project_id']}", one) for one in stored_categories(result["categories"])]
    changed = result["created"] + result["updated"]
    return _lineage(sources, names, changed, result["bytes_sent"], result["files_sent"])


def _lineage(
    sources: Iterable[str], names: Iterable[tuple[str, str]], rows: int, size: int, files: int
) -> OperatorLineage[Any, Any]:
    from airflow.providers.common.compat.openlineage.facet import Dataset, OutputDataset
    from airflow.providers.common.compat.openlineage.facet import OutputStatisticsOutputDatasetFacet as Statistics
    from airflow.providers.openlineage.extractors import OperatorLineage

    inputs: list[Dataset] = [
        Dataset(namespace=namespace, name=name) for namespace, name in collapse_to_folders(sources)
    ]
    statistics = Statistics(rowCount=rows, size=size, fileCount=files)
    outputs = [
        OutputDataset(namespace=namespace, name=name, outputFacets={"outputStatistics": statistics})
        for namespace, name in names
    ]
    return OperatorLineage(inputs=inputs, outputs=outputs)
