"""Single API calls with checked arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.hooks.base import EdgeImpulseBaseHook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_ei.studio.models import Bucket, DataItem, Dataset, Organization


class ApiCalls(EdgeImpulseBaseHook):
    """Hook methods that each send one request, or list all pages."""

    def list_organizations(self) -> Sequence[Organization]:
        """List the organizations that the API key can access (``listOrganizations``)."""
        from airflow_provider_ei.studio.api.organizations import list_organizations

        return list_organizations(self.client)

    def list_buckets(self) -> Sequence[Bucket]:
        """List the organization's storage buckets (``listOrganizationBuckets``)."""
        return self.organization_api.list_buckets()

    def get_dataset(self, dataset: str) -> Dataset:
        """Get a dataset's type and totals (``getOrganizationDataset``)."""
        dataset = _checked_text("dataset", dataset)
        return self.organization_api.get_dataset(dataset)

    def list_data_items(
        self, dataset: str | None = None, *, filter: str | None = None, with_files: bool = False
    ) -> Sequence[DataItem]:
        """List all data items, optionally with their files (``listOrganizationData``, ``listOrganizationFiles``).

        :param dataset: name of the dataset; None for all.
        :param filter: an SQL condition, such as ``metadata->activity = 'running'``.
        :param with_files: also list the files of each item.
        """
        dataset = None if dataset is None else _checked_text("dataset", dataset)
        return self.data_api.list_data_items(dataset, filter=filter, with_files=with_files)

    def find_data_items(self, dataset: str, name: str) -> Sequence[DataItem]:
        """List the data items with exactly this name, with their files (``listOrganizationFiles``)."""
        dataset, name = _checked_text("dataset", dataset), _checked_text("name", name)
        return self.data_api.find_data_items(dataset, name)

    def get_data_item(self, data_id: int) -> DataItem:
        """Get a data item with its files (``getOrganizationDataItem``)."""
        data_id = _data_id(data_id)
        return self.data_api.get_data_item(data_id)

    def update_data_item(
        self,
        data_id: int,
        *,
        metadata: Mapping[str, str] | None = None,
        name: str | None = None,
        dataset: str | None = None,
    ) -> None:
        """Change a data item's metadata (the whole map), name or dataset (``updateOrganizationDataItem``)."""
        data_id = _data_id(data_id)
        name = None if name is None else _checked_text("name", name)
        dataset = None if dataset is None else _checked_text("dataset", dataset)
        self.data_api.update_data_item(data_id, metadata=metadata, name=name, dataset=dataset)

    def delete_data_item(self, data_id: int) -> None:
        """Delete a data item and its objects in the bucket (``deleteOrganizationDataItem``)."""
        data_id = _data_id(data_id)
        self.data_api.delete_data_item(data_id)


def _checked_text(field: str, value: object) -> str:
    from airflow_provider_ei.sources.names import check_text

    return check_text(field, value)


def _data_id(value: object) -> int:
    from airflow_provider_ei.numeric import whole_number

    data_id = whole_number("data_id", value)
    if data_id is None:
        raise EdgeImpulseInputError(f"data_id must be a positive whole number, not {value!r}.")
    return data_id
