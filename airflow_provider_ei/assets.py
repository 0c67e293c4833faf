"""Edge Impulse datasets as Airflow assets: ``edgeimpulse://{organization_id}/{dataset}``.

Airflow finds the functions here through the provider's metadata, for all assets with that scheme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset
    from airflow.providers.common.compat.sdk import Asset

SCHEME = "edgeimpulse"


def dataset_uri(organization_id: int | str, dataset: str) -> str:
    """Return the URI of a dataset: ``edgeimpulse://7/motion``.

    :param dataset: its name, as it is in Studio; what a URI cannot hold is percent-encoded.
    """
    return f"{SCHEME}://{organization_id}/{quote(dataset, safe='')}"


def create_asset(*, organization_id: int | str, dataset: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return a dataset as an asset."""
    from airflow.providers.common.compat.sdk import Asset

    return Asset(uri=dataset_uri(organization_id, dataset), extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check a URI and return it in its one form.

    :raises ValueError: when it has no organization id, no dataset, or anything else.
    """
    dataset = uri.path.removeprefix("/")
    if not uri.netloc.isdecimal() or not dataset or "/" in dataset or uri.query:
        raise ValueError(
            f"{uri.geturl()!r} is no Edge Impulse dataset: give edgeimpulse://{{organization_id}}/{{dataset}}, such as "
            "edgeimpulse://7/motion, with a slash in the dataset's name as %2F."
        )
    return uri._replace(netloc=str(int(uri.netloc)), path="/" + quote(unquote(dataset), safe=""))


def convert_to_openlineage(asset: Asset, lineage_context: object = None) -> OpenLineageDataset:
    """Return the asset as OpenLineage names it: the organization is the namespace."""
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

    uri = urlsplit(asset.uri)
    return OpenLineageDataset(namespace=f"{SCHEME}://{uri.netloc}", name=unquote(uri.path.removeprefix("/")))
