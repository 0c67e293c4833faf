"""The data and projects in the forms of the API's schemas."""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_ei.emulator.emulator_clock import iso_time
from airflow_provider_ei.emulator.projects import Project, ProjectVersion
from airflow_provider_ei.emulator.stored_data import StoredDataset, StoredItem

_COMPUTE = {"requestsCpu": 1, "requestsMemory": 1e9, "limitsCpu": 1, "limitsMemory": 1e9}
_CREATED = "2024-01-01T00:00:00.000Z"


def item_summary(item: StoredItem) -> dict[str, Any]:
    """Return an entry of ``ListOrganizationDataResponse``."""
    info = {"id": item.id, "name": item.name, "dataset": item.dataset, "bucketPath": item.bucket_path}
    return {
        **_item(item),
        "fullBucketPath": f"s3://{item.bucket_name}/{item.bucket_path}",
        "metadataStringForCLI": msgspec.json.encode({**item.metadata, "dataItemInfo": info}).decode(),
    }


def item_with_files(item: StoredItem, file_entries: str) -> dict[str, Any]:
    """Return an ``OrganizationDataItem``.

    :param file_entries: the JSON of its files.
    """
    return {**_item(item), "files": msgspec.Raw(file_entries.encode())}


def _item(item: StoredItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "bucketId": item.bucket_id,
        "bucketName": item.bucket_name,
        "bucketPath": item.bucket_path,
        "dataset": item.dataset,
        "totalFileCount": item.file_count,
        "totalFileSize": item.total_size,
        "created": item.created,
        "metadata": item.metadata,
    }


def dataset_info(dataset: StoredDataset) -> dict[str, Any]:
    """Return an ``OrganizationDataset``."""
    info: dict[str, Any] = {
        "dataset": dataset.name,
        "lastFileCreated": dataset.last_file_created,
        "totalFileSize": dataset.total_size,
        "totalFileCount": dataset.file_count,
        "totalItemCount": dataset.item_count,
        "totalItemCountChecklistOK": 0,
        "totalItemCountChecklistFailed": 0,
        "tags": dataset.tags,
        "type": dataset.type,
    }
    if dataset.category is not None:
        info["category"] = dataset.category
    if dataset.bucket is not None:
        info["bucketPath"] = dataset.bucket.path
        info["bucket"] = {
            "id": dataset.bucket.id,
            "bucket": dataset.bucket.name,
            "path": dataset.bucket.path,
            "fullBucketPathDescription": f"s3://{dataset.bucket.name}/{dataset.bucket.path}",
            "dataItemNamingLevelsDeep": dataset.bucket.naming_levels,
        }
    return info


def bucket_info(bucket_id: int, name: str) -> dict[str, Any]:
    """Return an ``OrganizationBucket``."""
    return {
        "id": bucket_id,
        "accessKey": "emulator",
        "endpoint": "https://s3.amazonaws.com",
        "bucket": name,
        "region": "us-east-1",
        "connected": True,
        "storageProvider": "s3",
    }


def organization(organization_id: int) -> dict[str, Any]:
    """Return an ``Organization``."""
    return {
        "id": organization_id,
        "name": "Emulated organization",
        "users": [],
        "isDeveloperProfile": False,
        "whitelabelId": None,
        "trialId": None,
        "trialExpiredDate": None,
        "trialUpgradedDate": None,
        "created": _CREATED,
        "showHeaderImgMask": False,
    }


def project(organization_id: int, project: Project) -> dict[str, Any]:
    """Return a ``Project``."""
    return {
        "id": project.id,
        "name": project.name,
        "description": "",
        "created": iso_time(project.created),
        "lastModified": iso_time(project.last_modified),
        "owner": "Emulated organization",
        "ownerOrganizationId": organization_id,
        "collaborators": [],
        "labelingMethod": "single_label",
        "metadata": {},
        "isEnterpriseProject": True,
        "whitelabelId": None,
        "tier": "enterprise",
        "hasPublicVersion": any(version.public for version in project.versions),
        "isPublic": False,
        "allowsLivePublicAccess": False,
        "ownerIsDeveloperProfile": False,
        "indPauseProcessingSamples": False,
        "publicProjectListed": False,
    }


def version(version: ProjectVersion) -> dict[str, Any]:
    """Return an entry of ``ListVersionsResponse``."""
    info: dict[str, Any] = {
        "id": version.id,
        "version": version.id,
        "description": version.description,
        "bucket": {"path": f"versions/{version.id}"},
        "created": iso_time(version.created),
    }
    if version.accuracy is not None:
        info["testAccuracy"] = version.accuracy
    if version.public:
        info["publicProjectId"] = 100_000 + version.id
    return info


def organization_info(organization_id: int, datasets: list[StoredDataset]) -> dict[str, Any]:
    """Return the members of ``OrganizationInfoResponse``."""
    return {
        "organization": organization(organization_id),
        "datasets": [dataset_info(dataset) for dataset in datasets],
        "defaultComputeLimits": _COMPUTE,
        "experiments": [],
        "cliLists": {"objectDetectionLastLayerOptions": [], "imageInputScalingOptions": []},
        "performance": {"jobLimitM": 60},
    }
