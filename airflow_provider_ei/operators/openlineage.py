"""OpenLineage: the sources of a task's files, and the dataset that they were uploaded to.

OpenLineage is imported only when it calls this module, so the provider works without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_provider_ei.assets import URI_SCHEME
from airflow_provider_ei.hooks.lineage import collapse_to_folders

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_ei.results import Result


def operator_lineage(sources: Iterable[str], result: Result) -> OperatorLineage[Any, Any]:
    """Return the lineage of a task.

    :param sources: paths and URIs of its files.
    :param result: what the task returned.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset, OutputDataset
    from airflow.providers.common.compat.openlineage.facet import OutputStatisticsOutputDatasetFacet as Statistics
    from airflow.providers.openlineage.extractors import OperatorLineage

    counts = result.counts
    inputs: list[Dataset] = [
        Dataset(namespace=namespace, name=name) for namespace, name in collapse_to_folders(sources)
    ]
    output = OutputDataset(
        namespace=f"{URI_SCHEME}://{result.organization_id}",
        name=result.dataset,
        outputFacets={
            "outputStatistics": Statistics(
                rowCount=counts.sent_items, size=counts["bytes_sent"], fileCount=counts["files_sent"]
            )
        },
    )
    return OperatorLineage(inputs=inputs, outputs=[output])
