"""Opens object stores through Airflow's connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def open_store(uri: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system behind a URI, and what that calls the place."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    path = ObjectStoragePath(uri)
    return path.fs, path.path
