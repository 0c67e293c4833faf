"""Operations of an organization's data: items, their files, datasets."""

from __future__ import annotations

from typing import Any

from airflow_provider_ei.emulator.api import schemas
from airflow_provider_ei.emulator.api.arguments import parse_metadata
from airflow_provider_ei.emulator.api.operation import ORGANIZATION, Answer, Call, Operation
from airflow_provider_ei.emulator.downloads import download_file, download_item
from airflow_provider_ei.emulator.filter_sql import EVERYTHING, FilterError, SqlCondition
from airflow_provider_ei.emulator.filters import parse_filter
from airflow_provider_ei.emulator.item_catalog import created_before, item_not_found
from airflow_provider_ei.emulator.name_rules import stored_name
from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.uploads import Upload


def list_data(call: Call) -> Answer:
    """``listOrganizationData``: without ``data`` if the filter cannot be parsed, as the contract allows."""
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
    if call.settings.file_listing == "missing":
        raise StoreError("Not Found", 404)
    if call.settings.file_listing == "slow":
        raise StoreError("Gateway Timeout", 504)
    try:
        condition = _selection(call)
    except FilterError as error:
        empty = {"totalFileSize": 0, "totalFileCount": 0, "totalDataItemCount": 0, "data": []}
        return {"filterParseError": str(error), **empty}
    totals = call.store.totals(condition)
    items = call.store.items_with_file_entries(condition, **_page(call))
    return {
        "data": [schemas.item_with_files(*item) for item in items],
        **_totals(call, totalFileSize=totals.size, totalFileCount=totals.files, totalDataItemCount=totals.items),
    }


def add_item(call: Call) -> Answer:
    """``addOrganizationDataItem``."""
    item_id = call.store.add_item(
        _name(call, "name"),
        _name(call, "dataset"),
        parse_metadata(call.fields.required_text("metadata")),
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
    condition = _filter_of_one(call)
    for item in call.store.items_with_file_entries(condition.within("items.id = ?", _data_id(call))):
        return {"data": schemas.item_with_files(*item)}
    raise item_not_found(_data_id(call), condition)


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


def get_dataset(call: Call) -> Answer:
    """``getOrganizationDataset``."""
    return {"dataset": schemas.dataset_info(call.store.dataset(call.path["dataset"]))}


def _data_id(call: Call) -> int:
    # SQLite rejects integers above 64 bits, and no id is that large.
    return min(int(call.path["dataId"][:19]), 2**63 - 1)


def _name(call: Call, field: str) -> str:
    """Return the name in the form in which it is stored."""
    name = stored_name(call.fields.required_text(field), call.settings.name_form)
    if not name:
        raise StoreError(f"Missing {field}")
    return name


def _files(call: Call) -> Upload:
    if call.upload is None or not (call.upload.files or call.upload.dropped):
        raise StoreError("Missing files[]")
    return call.upload


def _selection(call: Call) -> SqlCondition:
    condition = EVERYTHING
    if call.settings.filters == "rejected" and call.query.text("filter"):
        raise FilterError("Filters are not supported")
    if call.settings.filters == "supported":
        condition = _filter(call)
    if delay := call.settings.listing_delay_seconds:
        condition = condition.within("items.created <= ?", created_before(delay))
    if dataset := call.query.text("dataset"):
        return condition.within("items.dataset = ?", dataset)
    return condition


def _filter(call: Call) -> SqlCondition:
    return parse_filter(text) if (text := call.query.text("filter")) else EVERYTHING


def _filter_of_one(call: Call) -> SqlCondition:
    # Only listings have a filterParseError in the contract.
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


_ITEM = ORGANIZATION + "/data/{dataId}"
_DATASET = ORGANIZATION + "/dataset/{dataset}"

OPERATIONS = (
    Operation("listOrganizationData", "GET", f"{ORGANIZATION}/data", list_data),
    Operation("listOrganizationFiles", "GET", f"{ORGANIZATION}/data/files", list_files),
    Operation("addOrganizationDataItem", "POST", f"{ORGANIZATION}/data/add", add_item, "multipart", True),
    Operation("addOrganizationDataFile", "POST", f"{_ITEM}/add", add_files, "multipart", True),
    Operation("getOrganizationDataItem", "GET", _ITEM, get_item),
    Operation("updateOrganizationDataItem", "POST", _ITEM, update_item, "json", True),
    Operation("deleteOrganizationDataItem", "DELETE", _ITEM, delete_item, "none", True),
    Operation("deleteOrganizationDataFile", "DELETE", f"{_ITEM}/download", delete_file, "none", True),
    Operation("downloadOrganizationSingleDataItem", "GET", f"{_ITEM}/download", get_item_archive),
    Operation("downloadOrganizationDataFile", "GET", f"{_ITEM}/files/download", get_file),
    Operation("getOrganizationDataset", "GET", _DATASET, get_dataset),
)
