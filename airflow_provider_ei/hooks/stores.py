"""Opens object stores through Airflow's connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_ei.exceptions import EdgeImpulseInputError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: Packages that provide the file systems of common schemes.
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "apache-airflow-providers-microsoft-azure"),
}


def open_store(uri: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system for a URI, and the path in it.

    :raises EdgeImpulseInputError: when no installed package supports the URI's scheme.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        path = ObjectStoragePath(uri)
        return path.fs, path.path
    except (ImportError, ValueError) as error:
        scheme = uri.partition("://")[0].lower()
        package = _PACKAGES.get(scheme)
        if package is None:
            raise EdgeImpulseInputError(
                f"correct the scheme {scheme}://, or install what reads it on the workers, for {uri!r}. ({error})"
            ) from error
        raise EdgeImpulseInputError(
            f"install {package!r} on the workers, which reads {scheme}:// URIs such as {uri!r}. ({error})"
        ) from error
