"""All operations that the emulator implements, and which of them a request is for."""

from __future__ import annotations

from urllib.parse import unquote

from airflow_provider_ei.emulator.api import (
    buckets,
    data,
    deployments,
    ingestion,
    jobs,
    model_tests,
    organizations,
    pipelines,
    projects,
    samples,
    transformations,
)
from airflow_provider_ei.emulator.api.operation import Operation

OPERATIONS = (
    *organizations.OPERATIONS,
    *buckets.OPERATIONS,
    *data.OPERATIONS,
    *transformations.OPERATIONS,
    *pipelines.OPERATIONS,
    *projects.OPERATIONS,
    *jobs.OPERATIONS,
    *model_tests.OPERATIONS,
    *deployments.OPERATIONS,
    *samples.OPERATIONS,
)
"""The operations of Studio's API, in the order in which paths are matched."""
INGESTION_OPERATIONS = ingestion.OPERATIONS
"""The operations of the ingestion service."""
OPERATION_IDS = frozenset(operation.id for operation in (*OPERATIONS, *INGESTION_OPERATIONS))


def find_operation(method: str, raw_path: str) -> tuple[Operation, dict[str, str]] | None:
    """Return the operation for a request, and the decoded variable parts of its path.

    :param raw_path: the path as sent: an encoded ``/`` is part of a name, not a separator.
    """
    for operation in (*OPERATIONS, *INGESTION_OPERATIONS):
        match = operation.pattern.fullmatch(raw_path)
        if match is not None and operation.method == method:
            return operation, {name: unquote(value) for name, value in match.groupdict().items()}
    return None
