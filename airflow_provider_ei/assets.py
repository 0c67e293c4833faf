"""Edge Impulse's data as Airflow assets.

A dataset of an organization is ``edgeimpulse://{organization_id}/{dataset}``, the samples of a project in a category
``edgeimpulse-project://{project_id}/{category}``. Airflow finds these functions through the provider's metadata, for
all assets with these schemes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset
    from airflow.providers.common.compat.sdk import Asset

URI_SCHEME = "edgeimpulse"
PROJECT_SCHEME = "edgeimpulse-project"

#: Categories of samples, as Studio lists them.
CATEGORIES = ("training", "testing", "anomaly")


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


def category_uri(project_id: int | str, category: str) -> str:
    """Return the URI of a project's samples in a category: ``edgeimpulse-project://12/training``."""
    return f"{PROJECT_SCHEME}://{project_id}/{category}"


def create_project_asset(*, project_id: int | str, category: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return a project's samples in a category as an asset."""
    from airflow.providers.common.compat.sdk import Asset

    return Asset(uri=category_uri(project_id, category), extra=extra or {})


def sanitize_project_uri(uri: SplitResult) -> SplitResult:
    """Check a URI and return it in canonical form.

    :raises ValueError: when it has no project id, no category, or additional parts.
    """
    category = uri.path.removeprefix("/")
    if not uri.netloc.isdecimal() or category not in CATEGORIES or uri.query:
        raise ValueError(
            f"Write the samples of a project as {PROJECT_SCHEME}://{{project_id}}/{{category}}, such as "
            f"{PROJECT_SCHEME}://12/training, with one of the categories {', '.join(CATEGORIES)}: {uri.geturl()!r} is "
            "something else."
        )
    return uri._replace(netloc=str(int(uri.netloc)))


def convert_project_to_openlineage(asset: Asset, lineage_context: object = None) -> OpenLineageDataset:
    """Return the asset as an OpenLineage dataset, with the project as its namespace."""
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

    uri = urlsplit(asset.uri)
    return OpenLineageDataset(namespace=f"{PROJECT_SCHEME}://{uri.netloc}", name=uri.path.removeprefix("/"))


def stored_categories(categories: Iterable[str]) -> list[str]:
    """Return the categories that samples may be in after an upload: ``split`` is both training and testing."""
    found = {
        one for category in categories for one in (("training", "testing") if category == "split" else (category,))
    }
    return [category for category in CATEGORIES if category in found]
