"""The operations of the API that the emulator plays: how each is addressed and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote

from airflow_provider_ei.emulator import schemas
from airflow_provider_ei.emulator.arguments import Arguments, metadata_text
from airflow_provider_ei.emulator.downloads import Download, download_file, download_item
from airflow_provider_ei.emulator.filter_sql import EVERYTHING, Condition, FilterError
from airflow_provider_ei.emulator.filters import parse_filter
from airflow_provider_ei.emulator.names import stored_name
from airflow_provider_ei.emulator.records import StoreError
from airflow_provider_ei.emulator.store import Store
from airflow_provider_ei.emulator.switches import EmulatorSettings
from airflow_provider_ei.emulator.uploads import Upload

BodyKind = Literal["none", "json", "multipart"]
Answer = dict[str, Any] | Download


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been read.

    :param path: the parts of the path that the operation leaves open, decoded.
    :param query: the query's parameters.
    :param fields: the text fields of a multipart body, or the members of a JSON one.
    :param upload: the files of a multipart body.
    """

    store: Store
    settings: EmulatorSettings
    path: Mapping[str, str]
    query: Arguments
    fields: Arguments
    upload: Upload | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API.

    ``act`` blocks, and answers with the members of a JSON body (``success: true`` is added) or a download. It
    raises ``StoreError`` to answer with ``success: false``.
    """

    id: str
    method: str
    path: str
    act: Callable[[Call], Answer]
    body: BodyKind = "none"
    changes: bool = False
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+Id)\}", r"(?P<\1>[0-9]+)", self.path)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        object.__setattr__(self, "pattern", re.compile(f"/v1/api{pattern}"))


def find_operation(method: str, raw_path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation for a request, and the decoded parts of its path.

    :param raw_path: the path as sent: an encoded ``/`` belongs to a name and separates nothing.
    """
    for operation in OPERATIONS:
        match = operation.pattern.fullmatch(raw_path)
        if match is not None and operation.method == method:
            return operation, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def list_organizations(call: Call) -> Answer:
    """``listOrganizations``: the one the key belongs to."""
    return {"organizations": [schemas.organization(call.settings.organization_id)]}


def list_projects(call: Call) -> Answer:
    """``listProjects``: refused, as the key is an organization's. The official clients tell keys apart by that."""
    raise StoreError("Invalid API key: this is the key of an organization, not of a project")


def get_organization_info(call: Call) -> Answer:
    """``getOrganizationInfo``."""
    return schemas.organization_info(call.settings.organization_id, call.store.datasets())


def list_buckets(call: Call) -> Answer:
    """``listOrganizationBuckets``."""
    return {"buckets": [schemas.bucket_info(*bucket) for bucket in call.store.buckets()]}


def list_data(call: Call) -> Answer:
    """``listOrganizationData``: without ``data`` when the filter cannot be read, as the contract allows."""
    try:
        condition = _selection(call)
    except FilterError as error:
        return {"filterParseError": str(error)}
    totals = call.store.totals(condition)
    items = call.store.items(condition, **_page(call), files_limit=0)
    return {
        "data": [schemas.item_summary(item) for item in items],
        **_totals(call, totalFileCount=totals.files, totalDataItemCount=totals.items),
    }


def list_files(call: Call) -> Answer:
    """``listOrganizationFiles``."""
    try:
        condition = _selection(call)
    except FilterError as error:
        empty = {"totalFileSize": 0, "totalFileCount": 0, "totalDataItemCount": 0, "data": []}
        return {"filterParseError": str(error), **empty}
    totals = call.store.totals(condition)
    items = call.store.items(condition, **_page(call))
    return {
        "data": [schemas.item_with_files(item) for item in items],
        **_totals(call, totalFileSize=totals.size, totalFileCount=totals.files, totalDataItemCount=totals.items),
    }


def add_item(call: Call) -> Answer:
    """``addOrganizationDataItem``."""
    item_id = call.store.add_item(
        _name(call, "name"),
        _name(call, "dataset"),
        metadata_text(call.fields.required_text("metadata")),
        _files(call),
        duplicate_names=call.settings.duplicate_names,
        bucket_name=call.fields.text("bucketName"),
        bucket_id=call.fields.integer("bucketId"),
        bucket_path=call.fields.text("bucketPath"),
    )
    return {"id": item_id}


def add_files(call: Call) -> Answer:
    """``addOrganizationDataFile``."""
    call.store.add_files(_data_id(call), _files(call))
    return {}


def get_item(call: Call) -> Answer:
    """``getOrganizationDataItem``."""
    return {"data": schemas.item_with_files(call.store.item(_data_id(call), _filter_of_one(call)))}


def update_item(call: Call) -> Answer:
    """``updateOrganizationDataItem``."""
    call.store.update_item(
        _data_id(call),
        name=_name(call, "name") if call.fields.text("name") else None,
        dataset=_name(call, "dataset") if call.fields.text("dataset") else None,
        metadata=call.fields.metadata("metadata"),
        metadata_update=call.settings.metadata_update,
    )
    return {}


def delete_item(call: Call) -> Answer:
    """``deleteOrganizationDataItem``."""
    call.store.delete_item(_data_id(call))
    return {}


def delete_file(call: Call) -> Answer:
    """``deleteOrganizationDataFile``."""
    call.store.delete_file(_data_id(call), call.query.required_text("fileName"))
    return {}


def get_item_archive(call: Call) -> Answer:
    """``downloadOrganizationSingleDataItem``."""
    return download_item(call.store, _data_id(call), _filter_of_one(call), call.settings.archive)


def get_file(call: Call) -> Answer:
    """``downloadOrganizationDataFile``."""
    return download_file(call.store, _data_id(call), call.query.required_text("fileName"))


def add_dataset(call: Call) -> Answer:
    """``addOrganizationDataset``."""
    return {"id": call.store.add_dataset(_dataset(call, complete=True))}


def get_dataset(call: Call) -> Answer:
    """``getOrganizationDataset``."""
    return {"dataset": schemas.dataset_info(call.store.dataset(call.path["dataset"]))}


def update_dataset(call: Call) -> Answer:
    """``updateOrganizationDataset``."""
    call.store.update_dataset(call.path["dataset"], _dataset(call, complete=False))
    return {}


def _data_id(call: Call) -> int:
    # SQLite takes no number of more than 64 bits; none that long is an id.
    return min(int(call.path["dataId"][:19]), 2**63 - 1)


def _name(call: Call, field: str) -> str:
    """The name as it is stored."""
    name = stored_name(call.fields.required_text(field), call.settings.name_form)
    if not name:
        raise StoreError(f"Missing {field}")
    return name


def _dataset(call: Call, *, complete: bool) -> dict[str, Any]:
    dataset = call.fields.dataset(complete=complete)
    return {**dataset, "dataset": _name(call, "dataset")} if "dataset" in dataset else dataset


def _files(call: Call) -> Upload:
    if call.upload is None or not (call.upload.files or call.upload.dropped):
        raise StoreError("Missing files[]")
    return call.upload


def _selection(call: Call) -> Condition:
    condition = _filter(call)
    if dataset := call.query.text("dataset"):
        return condition.within("items.dataset = ?", dataset)
    return condition


def _filter(call: Call) -> Condition:
    return parse_filter(text) if (text := call.query.text("filter")) else EVERYTHING


def _filter_of_one(call: Call) -> Condition:
    # The contract has a filterParseError for listings only.
    try:
        return _filter(call)
    except FilterError as error:
        raise StoreError(str(error)) from None


def _page(call: Call) -> dict[str, Any]:
    offset = call.query.count("offset") or 0
    return {
        "limit": call.query.count("limit"),
        "offset": 0 if call.settings.listing_offset == "ignored" else offset,
        "order": call.settings.listing_order,
    }


def _totals(call: Call, **totals: int) -> dict[str, int]:
    return totals if call.settings.listing_totals else {}


_ORGANIZATION = "/organizations/{organizationId}"
_ITEM = _ORGANIZATION + "/data/{dataId}"
_DATASET = _ORGANIZATION + "/dataset/{dataset}"

OPERATIONS = (
    Operation("listOrganizations", "GET", "/organizations", list_organizations),
    Operation("listProjects", "GET", "/projects", list_projects),
    Operation("getOrganizationInfo", "GET", _ORGANIZATION, get_organization_info),
    Operation("listOrganizationBuckets", "GET", f"{_ORGANIZATION}/buckets", list_buckets),
    Operation("listOrganizationData", "GET", f"{_ORGANIZATION}/data", list_data),
    Operation("listOrganizationFiles", "GET", f"{_ORGANIZATION}/data/files", list_files),
    Operation("addOrganizationDataItem", "POST", f"{_ORGANIZATION}/data/add", add_item, "multipart", True),
    Operation("addOrganizationDataFile", "POST", f"{_ITEM}/add", add_files, "multipart", True),
    Operation("getOrganizationDataItem", "GET", _ITEM, get_item),
    Operation("updateOrganizationDataItem", "POST", _ITEM, update_item, "json", True),
    Operation("deleteOrganizationDataItem", "DELETE", _ITEM, delete_item, "none", True),
    Operation("deleteOrganizationDataFile", "DELETE", f"{_ITEM}/download", delete_file, "none", True),
    Operation("downloadOrganizationSingleDataItem", "GET", f"{_ITEM}/download", get_item_archive),
    Operation("downloadOrganizationDataFile", "GET", f"{_ITEM}/files/download", get_file),
    Operation("addOrganizationDataset", "POST", f"{_ORGANIZATION}/dataset", add_dataset, "json", True),
    Operation("getOrganizationDataset", "GET", _DATASET, get_dataset),
    Operation("updateOrganizationDataset", "POST", _DATASET, update_dataset, "json", True),
)
"""What the emulator plays, in the order in which paths are matched."""
OPERATION_IDS = frozenset(operation.id for operation in OPERATIONS)
