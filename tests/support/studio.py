"""The emulated Studio that tests share: its key, its operations, and what it has received."""

from __future__ import annotations

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, RequestRecord
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.http import HttpClient

KEY = "ei_sync_tests_0123456789abcdef"
ORGANIZATION = 7

CREATE, ADD, UPDATE = "addOrganizationDataItem", "addOrganizationDataFile", "updateOrganizationDataItem"
DELETE, DELETE_FILE = "deleteOrganizationDataItem", "deleteOrganizationDataFile"
LIST, GET = "listOrganizationFiles", "getOrganizationDataItem"
UPLOAD_SAMPLES, EDIT_LABEL, MOVE, SET_METADATA = "uploadSamples", "editLabel", "moveSample", "setSampleMetadata"
DELETE_SAMPLE = "deleteSample"
UPLOADS = (CREATE, ADD, UPLOAD_SAMPLES)
CHANGING_SAMPLES = (UPLOAD_SAMPLES, EDIT_LABEL, MOVE, SET_METADATA, DELETE_SAMPLE)
CHANGING = (CREATE, ADD, UPDATE, DELETE, DELETE_FILE, *CHANGING_SAMPLES)


def reset(server: EmulatorServer, **switches: object) -> None:
    """Remove all data, faults and requests; set the given switches, and the others to their defaults."""
    server.reset()
    server.settings.change(EmulatorSettings().switches() | switches)


def data_api(client: HttpClient) -> OrganizationDataApi:
    """The operations on the data items of the emulator's organization."""
    return OrganizationDataApi(client, ORGANIZATION)


def contents(server: EmulatorServer, data_id: int) -> dict[str, bytes]:
    """All files of an item, as the server stores them."""
    (item,) = [item for item in server.items() if item.id == data_id]
    return {file.name: server.read_file(data_id, file.name) for file in item.files}


def changes(server: EmulatorServer) -> list[RequestRecord]:
    """The requests that were to change something, whether they did or not."""
    return [request for request in server.requests() if request.method != "GET"]


def operations(server: EmulatorServer) -> list[str | None]:
    return [request.operation for request in changes(server)]
