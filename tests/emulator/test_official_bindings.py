"""The official Python bindings read from the emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import Client

edgeimpulse_api = pytest.importorskip("edgeimpulse_api")


@pytest.fixture
def official(client: Client) -> Iterator[Callable[[str], Any]]:
    """The bindings' API object for a group of operations."""
    configuration = edgeimpulse_api.Configuration(
        host=client.studio.url, api_key={"ApiKeyAuthentication": client.studio.api_key}
    )
    with edgeimpulse_api.ApiClient(configuration) as connection:
        yield lambda group: getattr(edgeimpulse_api, group)(connection)


def test_the_organization(official: Callable[[str], Any]) -> None:
    (organization,) = official("OrganizationsApi").list_organizations().organizations
    assert (organization.id, organization.users) == (1, [])
    assert official("OrganizationsApi").get_organization_info(1).organization.id == 1


def test_items_and_their_files(client: Client, official: Callable[[str], Any]) -> None:
    item_id = client.add_id("pump é", [("raw/a.csv", b"12345"), ("b", b"")], {"machine": "7"})
    data = official("OrganizationDataApi")
    (item,) = data.list_organization_data(1, filter="metadata->machine = '7'").data
    assert (item.id, item.name, item.total_file_size, item.metadata) == (
        item_id,
        "pump é",
        5,
        {"machine": "7"},
    )
    listing = data.list_organization_files(1, dataset="vibration", limit=10, offset=0)
    assert listing.total_data_item_count == 1
    assert [(file.name, file.size) for file in listing.data[0].files] == [("raw/a.csv", 5), ("b", 0)]
    assert data.get_organization_data_item(1, item_id).data.files[0].last_modified
    assert [bucket.bucket for bucket in data.list_organization_buckets(1).buckets] == ["Internal datasets"]


def test_changes(client: Client, official: Callable[[str], Any]) -> None:
    item_id = client.add_id(files=[("a", b"1"), ("b", b"2")])
    data = official("OrganizationDataApi")
    change = edgeimpulse_api.UpdateOrganizationDataItemRequest(metadata={"x": "y"})
    assert data.update_organization_data_item(1, item_id, change).success
    assert client.studio.items()[0].metadata == {"x": "y"}
    assert data.delete_organization_data_file(1, item_id, "a").success
    assert [file.name for file in client.studio.items()[0].files] == ["b"]
    assert data.delete_organization_data_item(1, item_id).success
    assert client.names() == []


def test_a_dataset(client: Client, official: Callable[[str], Any]) -> None:
    client.add(dataset="test bench/7")
    dataset = official("OrganizationDataApi").get_organization_dataset(1, "test bench/7").dataset
    assert (dataset.dataset, dataset.type, dataset.total_item_count) == ("test bench/7", "clinical", 1)


def test_a_refusal_becomes_their_exception(official: Callable[[str], Any]) -> None:
    with pytest.raises(Exception, match="99 not found"):
        official("OrganizationDataApi").get_organization_data_item(1, 99)


def test_they_see_that_the_key_is_not_a_project_s(official: Callable[[str], Any]) -> None:
    with pytest.raises(Exception, match="Invalid API key"):
        official("ProjectsApi").list_projects()


@pytest.mark.parametrize("content", [b'{"a": 1}', b"1,2\n", b"\xff\x00"])
def test_they_download_bytes(client: Client, official: Callable[[str], Any], content: bytes) -> None:
    item_id = client.add_id(files=[("a.json", content, "application/json")])
    data = official("OrganizationDataApi")
    response = data.download_organization_data_file(1, item_id, "a.json", _preload_content=False)
    assert (response.data, response.headers["content-type"]) == (content, "application/octet-stream")
