"""Edge Impulse datasets as Airflow assets: ``edgeimpulse://{organization_id}/{dataset}``.

Airflow finds these functions through the provider's metadata, for all assets with this scheme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset
    from airflow.providers.common.compat.sdk import Asset

URI_SCHEME = "edgeimpulse"


def dataset_uri(organization_id: int | str, dataset: str) -> str:
    """Return the URI of a dataset: ``edgeimpulse://7/motion``.

    :param dataset: its name as in Studio. Characters that a URI cannot contain are percent-encoded.
    """
    return f"{URI_SCHEME}://{organization_id}/{quote(dataset, safe='')}"


def create_asset(*, organization_id: int | str, dataset: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return a dataset as an asset."""
    from airflow.providers.common.compat.sdk import Asset

    return Asset(uri=dataset_uri(organization_id, dataset), extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check a URI and return it in canonical form.

    :raises ValueError: when it has no organization id, no dataset, or additional parts.
    """
    dataset = uri.path.removeprefix("/")
    if not uri.netloc.isdecimal() or not dataset or "/" in dataset or uri.query:
        raise ValueError(
            f"Write the dataset as edgeimpulse://{{organization_id}}/{{dataset}}, such as edgeimpulse://7/motion, with "
            f"a slash in the dataset's name as %2F: {uri.geturl()!r} is not an Edge Impulse dataset."
        )
    return uri._replace(netloc=str(int(uri.netloc)), path="/" + quote(unquote(dataset), safe=""))


def convert_to_openlineage(asset: Asset, lineage_context: object = None) -> OpenLineageDataset:
    """Return the asset as an OpenLineage dataset, with the organization as its namespace."""
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

    uri = urlsplit(asset.uri)
    return OpenLineageDataset(namespace=f"{URI_SCHEME}://{uri.netloc}", name=unquote(uri.path.removeprefix("/")))
