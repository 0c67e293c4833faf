"""A service without filters, or without a listing of files: slower, and as right."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings, Fault
from airflow_provider_ei.exceptions import EdgeImpulseFilterError, EdgeImpulseNotFoundError, EdgeImpulseResponseError
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.known_service import KnownService
from airflow_provider_ei.studio.settings import StudioSettings
from tests.support.studio import GET, KEY, LIST, ORGANIZATION

LIST_WITHOUT_FILES = "listOrganizationData"


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=ORGANIZATION)) as server:
        for name in ("a", "b", "c"):
            server.put_item(name, "d", {"m": name}, {f"{name}.csv": name.encode()})
        server.put_item("a", "other", {}, {"x.csv": b"1"})
        yield server


def open_api(server: EmulatorServer, **more: Any) -> OrganizationDataApi:
    given = {"api_key": KEY, "base_url": server.url, "retry_wait": 0.0}
    client = HttpClient(StudioSettings(**given | more), sleep=lambda seconds: None)
    return OrganizationDataApi(client, ORGANIZATION)


def operations(server: EmulatorServer) -> list[str | None]:
    return [request.operation for request in server.requests()]


class TestFilters:
    def test_a_filter_that_cannot_be_parsed_falls_back_to_the_whole_listing(
        self, server: EmulatorServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.settings.filters = "rejected"
        api = open_api(server)
        for name in ("a", "b"):
            (item,) = api.find_data_items("d", name)
            assert [file.name for file in item.files or ()] == [f"{name}.csv"]
        assert api.find_data_items("d", "x") == []
        assert operations(server).count(LIST) == 1, "it is tried once"
        (line,) = [record for record in caplog.records if "Filters do not work" in record.message]
        assert line.levelno == logging.WARNING

    def test_a_service_that_ignores_filters_finds_the_right_item(self, server: EmulatorServer) -> None:
        server.settings.filters = "ignored"
        (item,) = open_api(server).find_data_items("d", "b")
        assert item.name == "b"

    @pytest.mark.parametrize("known", ["rejected", "ignored"])
    def test_what_a_check_has_found_is_not_tried(self, server: EmulatorServer, known: str) -> None:
        api = open_api(server, service=KnownService(filters=known))
        (item,) = api.find_data_items("d", "b")
        assert item.name == "b"
        assert not any("filter=" in request.query for request in server.requests())

    def test_a_filter_of_the_users_own_stays_an_error(self, server: EmulatorServer) -> None:
        with pytest.raises(EdgeImpulseFilterError, match="Correct the filter"):
            open_api(server).list_data_items("d", filter="metadata->m ==")

    def test_a_check_that_has_found_filters_does_not_prevent_the_fallback(self, server: EmulatorServer) -> None:
        server.settings.filters = "rejected"
        (item,) = open_api(server, service=KnownService(filters="supported")).find_data_items("d", "b")
        assert item.name == "b"


@pytest.mark.parametrize("way", ["missing", "slow"])
class TestFileListing:
    def test_it_falls_back_to_the_listing_without_files_and_single_requests(
        self, server: EmulatorServer, caplog: pytest.LogCaptureFixture, way: Any
    ) -> None:
        expected = open_api(server).list_data_items("d", with_files=True)
        server.clear_requests()
        server.settings.file_listing = way
        api = open_api(server, retry_attempts=2)
        assert api.list_data_items("d", with_files=True) == expected
        tries = 1 if way == "missing" else 2
        assert operations(server) == [LIST] * tries + [LIST_WITHOUT_FILES, GET, GET, GET]
        assert api.list_data_items("d", with_files=True) == expected
        assert operations(server).count(LIST) == tries
        assert len([record for record in caplog.records if "each item is requested alone" in record.message]) == 1

    def test_a_search_by_name_requests_that_item_alone(self, server: EmulatorServer, way: Any) -> None:
        server.settings.file_listing = way
        (item,) = open_api(server, retry_attempts=1).find_data_items("d", "b")
        assert [file.name for file in item.files or ()] == ["b.csv"]
        assert operations(server).count(GET) == 1

    def test_what_a_check_has_found_is_not_tried(self, server: EmulatorServer, way: Any) -> None:
        api = open_api(server, service=KnownService(file_listing=way))
        assert len(api.list_data_items("d", with_files=True)) == 3
        assert LIST not in operations(server)

    def test_an_item_that_is_deleted_between_listing_and_request_is_not_listed(
        self, server: EmulatorServer, way: Any
    ) -> None:
        server.settings.file_listing = way
        gone: list[int] = []

        def remove(record: Any) -> None:
            if record.operation == GET and not gone:
                gone.append(server.items("d")[-1].id)
                server.remove_item(gone[0])

        server.before_request(remove)
        listed = open_api(server, retry_attempts=1).list_data_items("d", with_files=True)
        assert [item.name for item in listed] == ["a", "b"]

    def test_an_item_that_is_always_refused_makes_the_listing_incomplete(
        self, server: EmulatorServer, way: Any
    ) -> None:
        server.settings.file_listing = way
        server.inject(Fault(operation=GET, kind="success_false", count=100))
        with pytest.raises(EdgeImpulseResponseError, match="incomplete"):
            open_api(server, retry_attempts=1).list_data_items("d", with_files=True)


def test_a_read_timeout_counts_as_slow(server: EmulatorServer) -> None:
    server.inject(Fault(operation=LIST, kind="slow", delay_seconds=30, count=10))
    listed = open_api(server, read_timeout=0.3, retry_attempts=1).list_data_items("d", with_files=True)
    assert [item.name for item in listed] == ["a", "b", "c"]


def test_a_wrong_organization_stays_an_error(server: EmulatorServer) -> None:
    server.inject(Fault(operation=LIST, kind="status", status=404, count=10))
    server.inject(Fault(operation=LIST_WITHOUT_FILES, kind="status", status=404, count=10))
    with pytest.raises(EdgeImpulseNotFoundError):
        open_api(server).list_data_items("d", with_files=True)


def test_an_outage_is_no_missing_ability(server: EmulatorServer) -> None:
    server.inject(Fault(operation=LIST, kind="status", status=503, count=3))
    api = open_api(server)
    api.list_data_items("d", with_files=True)
    assert LIST_WITHOUT_FILES not in operations(server)
    assert api.http.abilities.has("file_listing")
