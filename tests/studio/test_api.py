"""Listings, look-ups and changes, as the emulator and stranger servers answer them."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_ei.emulator import EmulatorServer, RequestRecord
from airflow_provider_ei.exceptions import (
    EdgeImpulseError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
)
from airflow_provider_ei.studio.api import pages as pages_module
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.studio.api.organizations import OrganizationApi, list_organizations
from airflow_provider_ei.studio.http import HttpClient
from tests.support.files import MadeUpFile
from tests.support.studio import data_api

from .conftest import KEY, OpenClient
from .wire import Reply, ScriptedServer

ITEM: dict[str, Any] = {
    "id": 3,
    "name": "run 1",
    "bucketId": 1,
    "bucketName": "b",
    "bucketPath": "d/run 1",
    "fullBucketPath": "s3://b/d/run 1",
    "dataset": "d",
    "totalFileCount": 1,
    "totalFileSize": 5,
    "created": "2024-01-01T00:00:00.000Z",
    "metadata": {"a": "1"},
    "metadataStringForCLI": "{}",
}
ITEM_WITH_FILES = ITEM | {"files": [{"name": "1.csv", "bucketPath": "d/run 1/1.csv", "size": 5}]}


def add(client: HttpClient, name: str, dataset: str = "d", *files: str) -> int:
    sent = [MadeUpFile(file) for file in files or ("1.csv",)]
    return data_api(client).add_data_item(name=name, dataset=dataset, metadata={"n": name}, files=sent)[0]


def page(*items: Any, total: Any = None, **more: Any) -> Reply:
    return Reply(200, {"success": True, "data": list(items), "totalDataItemCount": total} | more)


def without(record: dict[str, Any], field: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != field}


class TestPaging:
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
    @pytest.mark.parametrize("with_files", [False, True])
    def test_all_items_are_listed_once_and_pages_overlap(
        self,
        studio_emulator: EmulatorServer,
        studio_client: HttpClient,
        monkeypatch: pytest.MonkeyPatch,
        count: int,
        with_files: bool,
    ) -> None:
        monkeypatch.setattr(pages_module, "PAGE_ITEMS", 2)
        ids = [add(studio_client, f"run {n}") for n in range(count)]
        add(studio_client, "elsewhere", "other")
        studio_emulator.clear_requests()
        listed = data_api(studio_client).list_data_items("d", with_files=with_files)
        assert sorted(item.id for item in listed) == ids
        assert len(studio_emulator.requests()) == max(1, count - 1)
        assert all((item.files is not None) == with_files for item in listed)

    def test_without_a_dataset_all_are_listed(self, studio_client: HttpClient) -> None:
        add(studio_client, "1", "d")
        add(studio_client, "2", "other")
        assert {item.name for item in data_api(studio_client).list_data_items()} == {"1", "2"}

    def test_filter_is_passed_on(self, studio_client: HttpClient) -> None:
        add(studio_client, "run 1")
        add(studio_client, "run 2")
        (item,) = data_api(studio_client).list_data_items("d", filter="metadata->n = 'run 2'")
        assert item.name == "run 2"

    def test_filter_that_cannot_be_read(self, studio_client: HttpClient, studio_sleeps: list[float]) -> None:
        for with_files in (False, True):
            with pytest.raises(EdgeImpulseResponseError, match="nonsense") as caught:
                data_api(studio_client).list_data_items(filter="nonsense", with_files=with_files)
            assert caught.value.server_text
            assert str(caught.value).startswith("Correct the filter: ")

    @pytest.mark.parametrize(
        "replies",
        [
            pytest.param([page(ITEM, total=2), page(total=2)], id="fewer than the total"),
            pytest.param([page(ITEM, ITEM | {"id": 4}, total=1)], id="more than the total"),
            pytest.param([page(ITEM, total=2), page(ITEM, total=2)], id="the same page twice"),
            pytest.param([page(total=1)], id="none of one"),
        ],
    )
    def test_listing_that_does_not_match_its_total(
        self, studio_open: OpenClient, studio_sleeps: list[float], replies: list[Reply]
    ) -> None:
        with ScriptedServer(*replies) as server, pytest.raises(EdgeImpulseResponseError, match="incomplete") as caught:
            data_api(studio_open(server.url)).list_data_items("d")
        assert caught.value.retryable
        assert str(caught.value).startswith("Run the task again")
        assert studio_sleeps == [0.5, 1.0, 2.0]

    @pytest.mark.parametrize("total", ["2", 2.0, True, -1, [], {}], ids=repr)
    def test_total_that_is_not_an_integer_is_an_error(self, studio_open: OpenClient, total: Any) -> None:
        with ScriptedServer(page(ITEM, total=total)) as server:
            with pytest.raises(EdgeImpulseResponseError, match="totalDataItemCount"):
                data_api(studio_open(server.url)).list_data_items("d")
            assert len(server.received) == 1

    @pytest.mark.parametrize("count", [3, 4, 5, 8])
    @pytest.mark.parametrize("totals", [True, False])
    def test_service_that_ignores_the_offset_is_never_listed_in_part(
        self,
        studio_emulator: EmulatorServer,
        studio_client: HttpClient,
        monkeypatch: pytest.MonkeyPatch,
        count: int,
        totals: bool,
    ) -> None:
        monkeypatch.setattr(pages_module, "PAGE_ITEMS", 3)
        studio_emulator.settings.change({"listing_offset": "ignored", "listing_totals": totals})
        for number in range(count):
            studio_emulator.put_item(f"{number}", "d", {}, {})
        if count == 3 and totals:
            assert len(data_api(studio_client).list_data_items("d")) == 3
            return
        with pytest.raises(EdgeImpulseResponseError, match="incomplete"):
            data_api(studio_client).list_data_items("d")

    @pytest.mark.parametrize("totals", [True, False])
    @pytest.mark.parametrize("offset", ["honored", "ignored"])
    def test_dataset_of_one_page_is_listed_however_the_service_counts(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, totals: bool, offset: str
    ) -> None:
        studio_emulator.settings.change({"listing_offset": offset, "listing_totals": totals})
        for count in range(3):
            assert len(data_api(studio_client).list_data_items("d")) == count
            studio_emulator.put_item(f"{count}", "d", {}, {})

    def test_page_that_is_full_and_reaches_the_total_is_the_only_one(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pages_module, "PAGE_ITEMS", 3)
        for number in range(3):
            studio_emulator.put_item(f"{number}", "d", {}, {})
        assert len(data_api(studio_client).list_data_items("d")) == 3
        assert len(studio_emulator.requests()) == 1

    @pytest.mark.parametrize("totals", [True, False])
    @pytest.mark.parametrize("order", ["oldest", "newest", "name"])
    @pytest.mark.parametrize("edit", ["delete", "add", "delete and add", "rename"])
    def test_edit_between_any_two_pages_hides_no_item(
        self,
        studio_emulator: EmulatorServer,
        studio_client: HttpClient,
        monkeypatch: pytest.MonkeyPatch,
        edit: str,
        order: str,
        totals: bool,
    ) -> None:
        monkeypatch.setattr(pages_module, "PAGE_ITEMS", 3)
        studio_emulator.settings.change({"listing_order": order, "listing_totals": totals})
        ids = [studio_emulator.put_item(f"b{number}", "d", {}, {}) for number in range(7)]
        edited = ids.pop(1)

        def change(request: RequestRecord) -> None:
            if request.seq != begin + 2:
                return
            if "delete" in edit:
                studio_emulator.remove_item(edited)
            if "add" in edit:
                studio_emulator.put_item("a", "d", {}, {})
            if edit == "rename":
                studio_emulator.edit_item(edited, name="z")

        list_organizations(studio_client)
        begin = studio_emulator.requests()[-1].seq
        studio_emulator.before_request(change)
        try:
            listed = [item.id for item in data_api(studio_client).list_data_items("d")]
        finally:
            studio_emulator.before_request(None)
        assert set(ids) <= set(listed) and len(set(listed)) == len(listed)
        if edit == "rename":
            assert edited in listed

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param({"success": True}, id="missing"),
            pytest.param({"success": True, "data": None, "totalDataItemCount": 0}, id="null"),
            pytest.param({"success": True, "data": {}, "totalDataItemCount": 0}, id="an object"),
        ],
    )
    @pytest.mark.parametrize("with_files", [False, True])
    def test_missing_data_is_an_error_not_an_empty_listing(
        self, studio_open: OpenClient, answer: Any, with_files: bool
    ) -> None:
        with (
            ScriptedServer(Reply(200, answer)) as server,
            pytest.raises(EdgeImpulseResponseError, match="data: it is"),
        ):
            data_api(studio_open(server.url)).list_data_items("d", with_files=with_files)

    def test_total_is_not_told(self, studio_open: OpenClient) -> None:
        with ScriptedServer(page(ITEM), page(ITEM | {"id": 4}), page()) as server:
            listed = data_api(studio_open(server.url)).list_data_items("d")
            offsets = [parse_qs(urlsplit(request.target).query)["offset"] for request in server.received]
        assert [item.id for item in listed] == [3, 4]
        assert offsets == [["0"], ["1"], ["2"]]

    def test_page_after_the_first_begins_with_its_last_item(self, studio_open: OpenClient) -> None:
        items = [ITEM | {"id": number} for number in range(1, 4)]
        with ScriptedServer(page(*items[:2], total=3), page(*items[1:], total=3)) as server:
            listed = data_api(studio_open(server.url)).list_data_items("d")
            offsets = [parse_qs(urlsplit(request.target).query)["offset"] for request in server.received]
        assert [item.id for item in listed] == [1, 2, 3]
        assert offsets == [["0"], ["1"]]

    def test_server_with_smaller_pages_than_asked_for(self, studio_open: OpenClient) -> None:
        with ScriptedServer(page(ITEM, total=2), page(ITEM | {"id": 4}, total=2)) as server:
            assert len(data_api(studio_open(server.url)).list_data_items("d")) == 2


class TestFindByName:
    NAMES = (
        "run 1",
        "it's",
        "''",
        'say "hi"',
        "back\\slash",
        "50%",
        "a_b",
        "Prüfung é",
        "📈",
        "x' OR name LIKE '%",
        "day/1",
        "a;b",
        "trailing\\",
    )

    @pytest.mark.parametrize("name", NAMES)
    def test_exactly_that_one(self, studio_client: HttpClient, name: str) -> None:
        ids = {each: add(studio_client, each, "d", "1.csv", "é.csv") for each in self.NAMES}
        add(studio_client, name, "other")
        (item,) = data_api(studio_client).find_data_items("d", name)
        assert (item.id, item.name, item.dataset) == (ids[name], name, "d")
        assert item.files is not None
        assert [file.name for file in item.files] == ["1.csv", "é.csv"]

    @pytest.mark.parametrize("name", ["it's", "run 1"])
    def test_all_of_that_name(self, studio_client: HttpClient, name: str) -> None:
        ids = [add(studio_client, name) for _ in range(3)]
        assert sorted(item.id for item in data_api(studio_client).find_data_items("d", name)) == ids

    @pytest.mark.parametrize("name", ["nothing", "no'thing", "RUN 1", "run", "run%"])
    def test_no_other(self, studio_client: HttpClient, name: str) -> None:
        add(studio_client, "run 1")
        assert data_api(studio_client).find_data_items("d", name) == []

    @pytest.mark.parametrize("name", ["run 1", "run '1"])
    def test_service_that_ignores_filter_and_dataset(self, studio_open: OpenClient, name: str) -> None:
        """Names and datasets are matched again here."""
        items = [
            ITEM_WITH_FILES | {"id": 1, "name": name},
            ITEM_WITH_FILES | {"id": 2, "name": name.upper()},
            ITEM_WITH_FILES | {"id": 3, "name": name, "dataset": "D"},
        ]
        item = Reply(200, {"success": True, "data": items[0]})
        with ScriptedServer(page(*items, total=3), item) as server:
            found = data_api(studio_open(server.url)).find_data_items("d", name)
        assert [(item.id, item.name, item.dataset) for item in found] == [(1, name, "d")]

    @pytest.mark.parametrize(
        "name", ["run 1", "date=2026-01-15", "a,b", "50%", "a_b", "(x)", "[x]", 'say "hi"', "x;y", "é", "📈", "a*?"]
    )
    def test_only_a_quote_or_a_backslash_makes_the_whole_dataset_be_listed(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, name: str
    ) -> None:
        for each in (name, "other", f"it's {name}", f"back\\{name}"):
            studio_emulator.put_item(each, "d", {}, {})
        studio_emulator.clear_requests()
        (item,) = data_api(studio_client).find_data_items("d", name)
        (request,) = studio_emulator.requests()
        assert item.name == name and "filter=name" in request.query
        for slow in (f"it's {name}", f"back\\{name}"):
            studio_emulator.clear_requests()
            (item,) = data_api(studio_client).find_data_items("d", slow)
            assert item.name == slow
            assert not any("filter" in request.query for request in studio_emulator.requests())

    @pytest.mark.parametrize("form", ["raw", "nfc", "trim", "collapse"])
    @pytest.mark.parametrize("dataset", ["d", "d  e\u0301", " d "])
    @pytest.mark.parametrize("name", ["a", " a", "a  b", "e\u0301", " a \u00a0 e\u0301  b\t"])
    def test_item_is_found_in_whatever_form_the_service_stores_its_name(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient, form: str, dataset: str, name: str
    ) -> None:
        studio_emulator.settings.change({"name_form": form})
        data_id = add(studio_client, name, dataset)
        add(studio_client, "other", dataset)
        assert [item.id for item in data_api(studio_client).find_data_items(dataset, name)] == [data_id]
        assert data_id in [item.id for item in data_api(studio_client).list_data_items(dataset)]

    def test_a_canonical_name_is_told_from_others_of_its_canonical_form(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient
    ) -> None:
        plain, wide = (studio_emulator.put_item(name, "d", {}, {}) for name in ("a b", "a  b"))
        assert [item.id for item in data_api(studio_client).find_data_items("d", "a b")] == [plain]
        assert [item.id for item in data_api(studio_client).find_data_items("d", "a  b")] == [plain, wide]

    def test_item_that_vanishes_while_it_is_looked_for_is_not_found(
        self, studio_emulator: EmulatorServer, studio_client: HttpClient
    ) -> None:
        gone, kept = (studio_emulator.put_item("it's", "d", {}, {"x": b"1"}) for _ in range(2))

        def remove(request: RequestRecord) -> None:
            if request.path.endswith(f"/data/{gone}"):
                studio_emulator.remove_item(gone)

        studio_emulator.before_request(remove)
        try:
            (item,) = data_api(studio_client).find_data_items("d", "it's")
        finally:
            studio_emulator.before_request(None)
        assert item.id == kept and item.files is not None

    def test_a_failed_listing_is_no_empty_one(self, studio_open: OpenClient) -> None:
        reply = Reply(200, {"success": True, "data": [], "totalDataItemCount": 0, "filterParseError": "what?"})
        with ScriptedServer(reply) as server, pytest.raises(EdgeImpulseResponseError, match="what"):
            data_api(studio_open(server.url)).find_data_items("d", "run 1")


class TestTypedAnswers:
    def test_unknown_fields_are_ignored(self, studio_open: OpenClient) -> None:
        more = {"somethingNew": {"a": [1]}, "files": [{"name": "1.csv", "size": 5, "checksum": "x"}]}
        with ScriptedServer(Reply(200, {"success": True, "data": ITEM | more, "new": 1})) as server:
            item = data_api(studio_open(server.url)).get_data_item(3)
        assert (item.id, item.name, item.total_file_count, item.metadata) == (3, "run 1", 1, {"a": "1"})
        assert item.files is not None
        assert [(file.name, file.size) for file in item.files] == [("1.csv", 5)]

    @pytest.mark.parametrize("field", ["id", "name", "dataset", "totalFileCount", "totalFileSize", "created"])
    def test_missing_field_of_an_item_is_named(self, studio_open: OpenClient, field: str) -> None:
        reply = Reply(200, {"success": True, "data": without(ITEM, field)})
        with ScriptedServer(reply) as server, pytest.raises(EdgeImpulseResponseError, match=f"data item 3.*{field}"):
            data_api(studio_open(server.url)).get_data_item(3)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            pytest.param({"id": "many"}, "id", id="id"),
            pytest.param({"totalFileSize": None}, "totalFileSize", id="size"),
            pytest.param({"files": [{"name": "1.csv"}]}, "files.0.size", id="file without size"),
            pytest.param({"files": [{"size": 1}]}, "files.0.name", id="file without name"),
            pytest.param({"created": "yesterday"}, "created", id="created"),
        ],
    )
    def test_field_of_another_type_is_named(self, studio_open: OpenClient, change: Any, field: str) -> None:
        reply = Reply(200, {"success": True, "data": ITEM | change})
        with ScriptedServer(reply) as server, pytest.raises(EdgeImpulseResponseError) as caught:
            data_api(studio_open(server.url)).get_data_item(3)
        assert field in str(caught.value)
        assert "getOrganizationDataItem" in str(caught.value)

    @pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": []}, {"data": "x"}], ids=str)
    def test_item_that_is_none(self, studio_open: OpenClient, answer: Any) -> None:
        reply = Reply(200, {"success": True} | answer)
        with ScriptedServer(reply) as server, pytest.raises(EdgeImpulseResponseError):
            data_api(studio_open(server.url)).get_data_item(3)

    @pytest.mark.parametrize("answer", [{}, {"id": None}, {"id": "x"}, {"id": True}, {"id": 0}, {"id": -3}], ids=str)
    def test_new_item_without_an_id(self, studio_open: OpenClient, answer: Any) -> None:
        with ScriptedServer(Reply(200, {"success": True} | answer)) as server:
            with pytest.raises(EdgeImpulseResponseError, match="id"):
                add(studio_open(server.url, retry_attempts=3), "run 1")
            assert len(server.received) == 1


class TestOtherCalls:
    def test_organizations(self, studio_client: HttpClient) -> None:
        (organization,) = list_organizations(studio_client)
        assert (organization.id, organization.name) == (7, "Emulated organization")

    @pytest.mark.parametrize("name", ["vibration", "activity data", "a/b", "größe", "50%?#"])
    def test_dataset(self, studio_client: HttpClient, name: str) -> None:
        add(studio_client, "run 1", name, "1.csv", "2.csv")
        dataset = OrganizationApi(studio_client, 7).get_dataset(name)
        assert (dataset.dataset, dataset.type, dataset.total_item_count, dataset.total_file_count) == (
            name,
            "clinical",
            1,
            2,
        )

    def test_buckets(self, studio_client: HttpClient) -> None:
        assert [bucket.id for bucket in OrganizationApi(studio_client, 7).list_buckets()] == [1]

    def test_update(self, studio_emulator: EmulatorServer, studio_client: HttpClient) -> None:
        data_id = add(studio_client, "run 1")
        data_api(studio_client).update_data_item(data_id, metadata={"größe": "5 📈"})
        data_api(studio_client).update_data_item(data_id, name="run 2", dataset="other")
        (item,) = studio_emulator.items()
        assert (item.name, item.dataset, item.metadata) == ("run 2", "other", {"größe": "5 📈"})

    def test_update_sends_only_what_is_given(self, studio_emulator: EmulatorServer, studio_client: HttpClient) -> None:
        data_id = add(studio_client, "run 1")
        data_api(studio_client).update_data_item(data_id, metadata={})
        assert studio_emulator.requests()[-1].fields == {"metadata": {}}
        assert studio_emulator.items()[0].metadata == {}

    @pytest.mark.parametrize("name", ["1.csv", 'a "b".csv', "a/b&c=d.csv", "größe 100%+.csv", "#?.csv"])
    def test_delete_file(self, studio_emulator: EmulatorServer, studio_client: HttpClient, name: str) -> None:
        data_id = add(studio_client, "run 1", "d", "kept.csv", name)
        data_api(studio_client).delete_file(data_id, name)
        assert [file.name for file in studio_emulator.items()[0].files] == ["kept.csv"]

    def test_delete_item(self, studio_emulator: EmulatorServer, studio_client: HttpClient) -> None:
        kept, gone = add(studio_client, "1"), add(studio_client, "2")
        data_api(studio_client).delete_data_item(gone)
        assert [item.id for item in studio_emulator.items()] == [kept]

    def test_what_is_not_there_is_refused(self, studio_client: HttpClient) -> None:
        for call in (
            lambda: data_api(studio_client).get_data_item(99),
            lambda: data_api(studio_client).delete_data_item(99),
            lambda: data_api(studio_client).add_files(99, [MadeUpFile("1.csv")]),
            lambda: OrganizationDataApi(studio_client, 8).list_data_items(),
        ):
            with pytest.raises(EdgeImpulseRefusedError):
                call()

    def test_bucket_that_is_not_there(self, studio_emulator: EmulatorServer, studio_client: HttpClient) -> None:
        with pytest.raises(EdgeImpulseRefusedError, match="99"):
            data_api(studio_client).add_data_item(
                name="n", dataset="d", metadata={}, files=[MadeUpFile("1.csv")], bucket_id=99
            )
        assert studio_emulator.items() == []


class TestSeveralThreads:
    def test_one_client_for_four(self, studio_emulator: EmulatorServer) -> None:
        from airflow_provider_ei.studio.settings import StudioSettings

        settings = StudioSettings(api_key=KEY, base_url=studio_emulator.url)
        errors: list[EdgeImpulseError] = []

        def work(number: int) -> None:
            try:
                for turn in range(5):
                    add(client, f"{number}-{turn}")
            except EdgeImpulseError as error:
                errors.append(error)

        with HttpClient(settings, connections=4) as client:
            threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert errors == []
        assert {item.name for item in studio_emulator.items()} == {f"{n}-{t}" for n in range(4) for t in range(5)}
