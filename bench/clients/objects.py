"""This package with objects of a store, which it opens through Airflow."""

from __future__ import annotations

from typing import Any

import airflow.providers.amazon.aws.fs.s3  # noqa: F401  # before the clock starts

from airflow_provider_ei.hooks.stores import open_store
from bench.clients import job, product


def add_objects(given: job.Job) -> dict[str, Any]:
    """Upload each item on its own, as ``hook.add_data`` does."""
    return product.add_data(given, open_store)


if __name__ == "__main__":
    job.run(add_objects)
