"""Strings that no request can carry are refused before anything is sent, whichever call they are given to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseInputError
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.api.organizations import OrganizationApi
from airflow_provider_ei.studio.http import HttpClient
from tests.support.files import MadeUpFile
from tests.support.studio import data_api

ODD = "x\udc80"
FILES = [MadeUpFile("1.csv")]

CALLS: list[tuple[str, Callable[[OrganizationDataApi], object]]] = [
    ("dataset", lambda api: OrganizationApi(api.http, 7).get_dataset(ODD)),
    ("dataset", lambda api: api.list_data_items(ODD)),
    ("dataset", lambda api: list(api.list_pages(ODD))),
    ("filter", lambda api: api.list_data_items("d", filter=ODD)),
    ("dataset", lambda api: api.find_data_items(ODD, "n")),
    ("name", lambda api: api.find_data_items("d", ODD)),
    ("file_name", lambda api: api.file_sha256(1, ODD)),
    ("name", lambda api: api.add_data_item(name=ODD, dataset="d", metadata={}, files=FILES)),
    ("dataset", lambda api: api.add_data_item(name="n", dataset=ODD, metadata={}, files=FILES)),
    ("metadata", lambda api: api.add_data_item(name="n", dataset="d", metadata={ODD: "v"}, files=FILES)),
    ("metadata", lambda api: api.add_data_item(name="n", dataset="d", metadata={"k": ODD}, files=FILES)),
    ("files", lambda api: api.add_data_item(name="n", dataset="d", metadata={}, files=[MadeUpFile(ODD)])),
    ("bucket_name", lambda api: api.add_data_item(name="n", dataset="d", metadata={}, files=FILES, bucket_name=ODD)),
    ("bucket_path", lambda api: api.add_data_item(name="n", dataset="d", metadata={}, files=FILES, bucket_path=ODD)),
    ("files", lambda api: api.add_files(1, [MadeUpFile(ODD)])),
    ("name", lambda api: api.update_data_item(1, name=ODD)),
    ("dataset", lambda api: api.update_data_item(1, dataset=ODD)),
    ("metadata", lambda api: api.update_data_item(1, metadata={ODD: "v"})),
    ("file_name", lambda api: api.delete_file(1, ODD)),
]


@pytest.mark.parametrize(("argument", "call"), CALLS, ids=[f"{n} {name}" for n, (name, _) in enumerate(CALLS)])
def test_a_lone_surrogate_is_refused(
    studio_emulator: EmulatorServer,
    studio_client: HttpClient,
    argument: str,
    call: Callable[[OrganizationDataApi], object],
) -> None:
    with pytest.raises(EdgeImpulseInputError, match=f"^Decode {argument} with the right encoding") as caught:
        call(data_api(studio_client))
    assert str(caught.value).isprintable()
    assert studio_emulator.requests() == []
