"""Organizations, their datasets and their buckets."""

from __future__ import annotations

from urllib.parse import quote

from airflow_provider_ei.studio.api.arguments import check_unicode
from airflow_provider_ei.studio.api.jobs import StartedAnswer
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.models import (
    Answer,
    ApiModel,
    Bucket,
    BucketsAnswer,
    Dataset,
    DatasetAnswer,
    Organization,
    OrganizationsAnswer,
)
from airflow_provider_ei.studio.reading import LISTING_BYTES


class DatasetTotals(ApiModel, frozen=True, kw_only=True):
    """The totals of a dataset (``getOrganizationInfo``). The time is as the service writes it."""

    dataset: str
    total_item_count: int
    total_file_count: int
    total_file_size: int
    last_file_created: str | None = None


class OrganizationInfoAnswer(Answer, frozen=True, kw_only=True):
    """Response of ``getOrganizationInfo``."""

    datasets: list[DatasetTotals]


def list_organizations(http: HttpClient) -> list[Organization]:
    """List the organizations of the client's key, which is only its own one (``listOrganizations``).

    :raises EdgeImpulseServiceError: as the methods of :class:`OrganizationApi` do.
    """
    return http.request_json("listOrganizations", "GET", "/api/organizations", OrganizationsAnswer).organizations


class OrganizationApi:
    """The operations on an organization's datasets and buckets.

    Every method raises :class:`~airflow_provider_ei.exceptions.EdgeImpulseServiceError` or a specific subclass when
    the service refuses, fails or cannot be reached, after the tries that the settings allow.
    """

    def __init__(self, http: HttpClient, organization_id: int) -> None:
        self._http = http
        self._path = f"/api/organizations/{organization_id}"

    def get_dataset(self, dataset: str) -> Dataset:
        """Get a dataset's type and totals (``getOrganizationDataset``)."""
        check_unicode(dataset=dataset)
        path = f"{self._path}/dataset/{quote(dataset, safe='')}"
        return self._http.request_json("getOrganizationDataset", "GET", path, DatasetAnswer).dataset

    def list_datasets(self) -> list[DatasetTotals]:
        """List all datasets of the organization with their totals (``getOrganizationInfo``)."""
        answer = self._http.request_json(
            "getOrganizationInfo", "GET", self._path, OrganizationInfoAnswer, max_bytes=LISTING_BYTES
        )
        return answer.datasets

    def list_buckets(self) -> list[Bucket]:
        """List the organization's storage buckets (``listOrganizationBuckets``)."""
        path = f"{self._path}/buckets"
        return self._http.request_json("listOrganizationBuckets", "GET", path, BucketsAnswer).buckets

    def start_import(
        self,
        dataset: str,
        bucket_id: int,
        bucket_path: str,
        *,
        dataset_type: str | None = None,
        metadata_dataset: str | None = None,
    ) -> int:
        """Start to import a folder of a bucket into a dataset (``addOrganizationDataFolder``); return the job's id.

        Not idempotent.

        :param dataset_type: ``clinical`` or ``files``; None lets the service decide.
        :param metadata_dataset: the dataset that has the metadata of the items.
        """
        body = {
            "dataset": dataset,
            "bucketId": bucket_id,
            "bucketPath": bucket_path,
            "type": dataset_type,
            "metadataDataset": metadata_dataset,
        }
        return self._http.request_json(
            "addOrganizationDataFolder",
            "POST",
            f"{self._path}/data/add-folder",
            StartedAnswer,
            body={name: value for name, value in body.items() if value is not None},
            idempotent=False,
        ).id

    def start_refresh(self, dataset: str) -> int:
        """Start to make a dataset equal to its bucket (``refreshOrganizationData``); return the job's id.

        Not idempotent.
        """
        query = {"dataset": dataset}
        path = f"{self._path}/data/refresh"
        operation = "refreshOrganizationData"
        return self._http.request_json(operation, "POST", path, StartedAnswer, query=query, idempotent=False).id
