"""Uploads to the emulator: what it has received, what it stores, and what it is not asked to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO, ClassVar

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault, RequestRecord, StoredItem
from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseConflictError,
    EdgeImpulseError,
    EdgeImpulseFileError,
    EdgeImpulseRefusedError,
    EdgeImpulseResponseError,
    EdgeImpulseTooLargeError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.results import AddDataResult
from airflow_provider_ei.studio.api.data import OrganizationDataApi
from airflow_provider_ei.sync.item import plan as plan_module
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.files import MadeUpFile, MeddlingFile, made_up
from tests.support.items import complete, pending, state_of, users_metadata, wanted_item
from tests.support.studio import ORGANIZATION, changes, contents, operations

from .conftest import OpenClient, Upload

CREATE, ADD, UPDATE = "addOrganizationDataItem", "addOrganizationDataFile", "updateOrganizationDataItem"
DELETE, DELETE_FILE = "deleteOrganizationDataItem", "deleteOrganizationDataFile"
LIST, GET, DOWNLOAD = "listOrganizationFiles", "getOrganizationDataItem", "downloadOrganizationDataFile"

A = {"raw.csv": b"t,x\n0,1\n", "notes.txt": b"first", "empty.bin": b""}
A_METADATA = {"machine": "pump 7", "run": "1"}
B = {"raw.csv": b"T,X\n9,8\n", "photo.png": bytes(range(256)) * 40}
B_METADATA = {"machine": "pump 8", "größe": "5"}


def by_hand(
    api: OrganizationDataApi, files: Mapping[str, bytes], metadata: Mapping[str, str] | None = None, name: str = "run 1"
) -> int:
    """Add an item as someone else would, or as another run of ours did, by its metadata."""
    return api.add_data_item(name=name, dataset="d", metadata=metadata or {"by": "hand"}, files=made_up(files))[0]


def assert_stored(server: EmulatorServer, files: Mapping[str, bytes], metadata: Mapping[str, str] | None) -> None:
    """Exactly one item, with exactly these files, and complete."""
    (item,) = server.items()
    assert contents(server, item.id) == dict(files)
    assert users_metadata(item.metadata) == dict(metadata or {})
    assert digest_of(item) == wanted_item(files, metadata, read=True).digest


def digest_of(item: StoredItem) -> str | None:
    """The digest of an item that is complete."""
    state = state_of(item)
    return state.digest if state is not None and state.complete else None


def is_pending(item: StoredItem) -> bool:
    """Whether an upload of ours is going on there."""
    state = state_of(item)
    return state is not None and not state.complete


def at_first(server: EmulatorServer, operation: str, act: Callable[[], object]) -> None:
    """Do something right before the first request of that kind is carried out."""

    def look(request: RequestRecord) -> None:
        if request.operation == operation:
            server.before_request(None)
            act()

    server.before_request(look)


def sent_state(request: RequestRecord) -> dict[str, Any]:
    """The state in the metadata of a changing request."""
    metadata = request.fields["metadata"]
    state: dict[str, Any] = json.loads((json.loads(metadata) if isinstance(metadata, str) else metadata)[STATE_KEY])
    return state


def assert_at_rest(
    server: EmulatorServer,
    upload: Upload,
    files: Mapping[str, bytes],
    metadata: Mapping[str, str] | None,
    api: OrganizationDataApi,
) -> None:
    """One quiet run leaves the right item, and another one has nothing to do."""
    upload(files, metadata, api=api)
    assert_stored(server, files, metadata)
    server.clear_requests()
    assert upload(files, metadata, api=api)["outcome"] == "unchanged"
    assert changes(server) == []
    assert_stored(server, files, metadata)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings under which the items here are large: several requests of one or two files."""
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", 10)
    return {"batch_files": 2, "batch_bytes": 5000}


class TestCreating:
    def test_small_item_takes_one_changing_request_between_two_listings(
        self, sync_studio: EmulatorServer, sync_upload: Upload
    ) -> None:
        """The first listing protects items that are there, the second one confirms what was sent."""
        result = sync_upload(A, A_METADATA)
        assert [request.operation for request in sync_studio.requests()] == [LIST, CREATE, LIST]
        assert_stored(sync_studio, A, A_METADATA)
        (item,) = sync_studio.items()
        assert result == {
            "data_id": item.id,
            "name": "run 1",
            "dataset": "d",
            "organization_id": ORGANIZATION,
            "outcome": "created",
            "file_count": 3,
            "total_bytes": 13,
            "digest": wanted_item(A, A_METADATA, read=True).digest,
            "url": f"{sync_studio.page_url}organization/{ORGANIZATION}/data",
        }

    def test_large_item_is_pending_first_and_has_its_digest_last(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, large: dict[str, Any]
    ) -> None:
        assert sync_upload(A, A_METADATA, api=sync_open(**large))["outcome"] == "created"
        sent = changes(sync_studio)
        assert [request.operation for request in sent] == [CREATE, ADD, UPDATE]
        assert sent_state(sent[0])["state"] == "pending"
        assert sent_state(sent[0]).keys().isdisjoint({"files", "digest"})
        assert [[file.name for file in request.files] for request in sent[:2]] == [
            ["raw.csv", "notes.txt"],
            ["empty.bin"],
        ]
        assert sent_state(sent[2])["state"] == "complete"
        assert sent_state(sent[2])["digest"] == wanted_item(A, A_METADATA, read=True).digest
        assert_stored(sync_studio, A, A_METADATA)

    def test_large_files_are_read_once(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, large: dict[str, Any]
    ) -> None:
        files = made_up(B)
        sync_upload(files, api=sync_open(**large))
        assert [file.opened for file in files] == [1, 1]

    def test_12000_files_take_two_uploads(self, sync_studio: EmulatorServer, sync_upload: Upload) -> None:
        files = {f"{n:05}.csv": b"%d" % n for n in range(12_000)}
        assert sync_upload(files)["file_count"] == 12_000
        sent = changes(sync_studio)
        assert [(request.operation, len(request.files)) for request in sent] == [
            (CREATE, 10_000),
            (ADD, 2_000),
            (UPDATE, 0),
        ]
        (item,) = sync_studio.items()
        assert {file.name: file.size for file in item.files} == {name: len(data) for name, data in files.items()}
        assert sync_studio.read_file(item.id, "11999.csv") == b"11999"

    def test_bucket_is_passed_on(self, sync_studio: EmulatorServer, sync_upload: Upload) -> None:
        sync_upload(A, bucket_name="Internal datasets", bucket_path="a/b")
        (item,) = sync_studio.items()
        assert (item.bucket_name, item.bucket_path) == ("Internal datasets", "a/b")

    def test_items_of_other_names_and_datasets_are_left_alone(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        others = [by_hand(sync_api, B, name=name) for name in ("run 10", "RUN 1", "run")]
        data_id = sync_upload(A)["data_id"]
        assert sorted(item.id for item in sync_studio.items()) == [*others, data_id]
        assert all(contents(sync_studio, other) == B for other in others)

    @pytest.mark.parametrize("name", ["it's", 'say "hi"', "größe 📈", "a/b", "50%", "back\\slash"])
    def test_names_of_items(self, sync_studio: EmulatorServer, sync_upload: Upload, name: str) -> None:
        assert sync_upload(A, name=name)["outcome"] == "created"
        assert sync_upload(A, name=name)["outcome"] == "unchanged"
        assert sync_upload(B, name=name)["outcome"] == "updated"
        (item,) = sync_studio.items()
        assert (item.name, contents(sync_studio, item.id)) == (name, B)

    @pytest.mark.parametrize("wanted", [{"a%22b.csv": b"1"}, {"100%25.csv": b"1"}, {"%0D%0A.csv": b"1"}], ids=str)
    def test_file_names_with_percent_signs(
        self, sync_studio: EmulatorServer, sync_upload: Upload, wanted: dict[str, bytes]
    ) -> None:
        """A server that reads ``%22`` as a quote lists the file under another name than it has here."""
        assert sync_upload(wanted)["outcome"] == "created"
        assert sync_upload(wanted)["outcome"] == "unchanged"
        (item,) = sync_studio.items()
        assert list(contents(sync_studio, item.id).values()) == [b"1"]


class TestUnchanged:
    @pytest.mark.parametrize("if_exists", ["update", "overwrite"])
    def test_sends_nothing(self, sync_studio: EmulatorServer, sync_upload: Upload, if_exists: str) -> None:
        first = sync_upload(A, A_METADATA)
        sync_studio.clear_requests()
        again = sync_upload(dict(reversed(A.items())), dict(reversed(A_METADATA.items())), if_exists=if_exists)
        assert again == first | {"outcome": "unchanged"}
        assert changes(sync_studio) == []
        assert len(sync_studio.requests()) == 1

    def test_large_one_too(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, large: dict[str, Any]
    ) -> None:
        api = sync_open(**large)
        sync_upload(A, A_METADATA, api=api)
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, api)

    def test_what_others_add_to_the_metadata_stays(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        data_id = sync_upload(A, A_METADATA)["data_id"]
        (item,) = sync_studio.items()
        sync_api.update_data_item(data_id, metadata=item.metadata | {"checked": "yes"})
        assert sync_upload(A, A_METADATA)["outcome"] == "unchanged"
        assert sync_upload(A, B_METADATA)["outcome"] == "updated"
        assert sync_upload(B, B_METADATA)["outcome"] == "updated"
        assert users_metadata(sync_studio.items()[0].metadata) == B_METADATA | {"checked": "yes"}


class TestUpdating:
    @pytest.mark.parametrize(
        "new",
        [
            pytest.param(A | {"raw.csv": b"T,X\n9,8\n"}, id="bytes of the same length"),
            pytest.param(A | {"raw.csv": b"longer than it was before"}, id="longer"),
            pytest.param(A | {"raw.csv": b""}, id="emptied"),
            pytest.param(A | {"more.csv": b"more"}, id="file added"),
            pytest.param({"raw.csv": A["raw.csv"]}, id="files removed"),
            pytest.param({"RAW.csv": A["raw.csv"], "notes.txt": b"first", "empty.bin": b""}, id="file renamed"),
            pytest.param({"raw.csv": b"first", "notes.txt": A["raw.csv"], "empty.bin": b""}, id="contents swapped"),
            pytest.param(B, id="everything"),
        ],
    )
    @pytest.mark.parametrize("if_exists", ["update", "overwrite"])
    def test_files(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_api: OrganizationDataApi,
        new: dict[str, bytes],
        if_exists: str,
    ) -> None:
        first = sync_upload(A, A_METADATA)
        sync_studio.clear_requests()
        result = sync_upload(new, A_METADATA, if_exists=if_exists)
        assert (result["outcome"], result["data_id"]) == ("updated", first["data_id"])
        assert result["digest"] != first["digest"]
        assert (result["file_count"], result["total_bytes"]) == (len(new), sum(map(len, new.values())))
        sent = changes(sync_studio)
        assert sent[0].operation == sent[-1].operation == UPDATE
        assert sent_state(sent[0])["state"] == "pending"
        assert (sent_state(sent[-1])["state"], sent_state(sent[-1])["digest"]) == ("complete", result["digest"])
        assert {request.operation for request in sent[1:-1]} <= {ADD, DELETE_FILE}
        assert_at_rest(sync_studio, sync_upload, new, A_METADATA, sync_api)

    @pytest.mark.parametrize(
        "new", [{"machine": "pump 7"}, A_METADATA | {"run": "2"}, A_METADATA | {"more": ""}, {}, B_METADATA], ids=str
    )
    @pytest.mark.parametrize("merges", ["replace", "merge"])
    def test_metadata_only_sends_no_file(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_api: OrganizationDataApi,
        new: dict[str, str],
        merges: Any,
    ) -> None:
        sync_studio.settings.metadata_update = merges
        first = sync_upload(A, A_METADATA)
        sync_studio.clear_requests()
        result = sync_upload(A, new)
        assert (result["outcome"], result["data_id"]) == ("updated", first["data_id"])
        assert set(operations(sync_studio)) == {UPDATE}
        # An empty value is wanted and stored; users_metadata leaves it out, as it does what was blanked.
        left = {key: value for key, value in new.items() if value}
        (item,) = sync_studio.items()
        assert users_metadata(item.metadata) == left
        assert contents(sync_studio, item.id) == A
        sync_studio.clear_requests()
        assert sync_upload(A, new)["outcome"] == "unchanged"
        assert changes(sync_studio) == []

    @pytest.mark.parametrize("merges", ["replace", "merge"])
    def test_key_that_comes_back(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, merges: Any
    ) -> None:
        sync_studio.settings.metadata_update = merges
        for metadata in (A_METADATA, {}, A_METADATA, {"run": "1"}, A_METADATA):
            sync_upload(A, metadata)
            assert_stored(sync_studio, A, metadata)
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, sync_api)

    @pytest.mark.parametrize("size", ["small", "large"])
    def test_there_and_back_again(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_open: OpenClient,
        request: pytest.FixtureRequest,
        size: str,
    ) -> None:
        api = sync_open(**(request.getfixturevalue("large") if size == "large" else {}))
        results = [
            sync_upload(files, metadata, api=api)
            for files, metadata in ((A, A_METADATA), (B, B_METADATA), (A, A_METADATA))
        ]
        assert [result["outcome"] for result in results] == ["created", "updated", "updated"]
        assert len({result["data_id"] for result in results}) == 1
        assert results[0]["digest"] == results[2]["digest"]
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, api)

    def test_in_batches(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, large: dict[str, Any]
    ) -> None:
        api = sync_open(**large)
        sync_upload(A, A_METADATA, api=api)
        sync_studio.clear_requests()
        new = {f"{n}.csv": b"%d" % n for n in range(5)}
        sync_upload(new, A_METADATA, api=api)
        assert operations(sync_studio) == [UPDATE, ADD, ADD, ADD, DELETE_FILE, DELETE_FILE, DELETE_FILE, UPDATE]
        assert_at_rest(sync_studio, sync_upload, new, A_METADATA, api)

    def test_what_someone_did_to_the_files_is_put_right(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        data_id = sync_upload(A, A_METADATA)["data_id"]
        sync_api.delete_file(data_id, "notes.txt")
        sync_api.add_files(data_id, [MadeUpFile("stray.csv", b"x"), MadeUpFile("raw.csv", b"short")])
        assert sync_upload(A, A_METADATA)["outcome"] == "updated"
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, sync_api)


class TestItemThatIsThere:
    @pytest.mark.parametrize("kind", ["ours", "someone's", "someone's, equal"])
    def test_skip(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, kind: str
    ) -> None:
        if kind == "ours":
            data_id = sync_upload(A, A_METADATA)["data_id"]
        else:
            data_id = by_hand(sync_api, A if kind == "someone's" else B)
        before = sync_studio.items()
        sync_studio.clear_requests()
        result = sync_upload(B, B_METADATA, if_exists="skip")
        assert (result["outcome"], result["data_id"], result["file_count"]) == (
            "skipped",
            data_id,
            len(before[0].files),
        )
        assert (result["digest"] is None) == (kind != "ours")
        assert changes(sync_studio) == []
        assert sync_studio.items() == before

    @pytest.mark.parametrize("kind", ["ours", "someone's"])
    def test_fail(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, kind: str
    ) -> None:
        data_id = sync_upload(A)["data_id"] if kind == "ours" else by_hand(sync_api, A)
        before = sync_studio.items()
        sync_studio.clear_requests()
        with pytest.raises(EdgeImpulseConflictError, match=f"id {data_id}"):
            sync_upload(B, if_exists="fail")
        assert changes(sync_studio) == []
        assert sync_studio.items() == before

    @pytest.mark.parametrize("if_exists", ["skip", "fail"])
    def test_skip_and_fail_create_what_is_not_there(
        self, sync_studio: EmulatorServer, sync_upload: Upload, if_exists: str
    ) -> None:
        assert sync_upload(A, A_METADATA, if_exists=if_exists)["outcome"] == "created"
        assert_stored(sync_studio, A, A_METADATA)

    @pytest.mark.parametrize("if_exists", ["update", "overwrite"])
    @pytest.mark.parametrize("merges", ["replace", "merge"])
    def test_someone_s_of_equal_files_is_adopted(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_api: OrganizationDataApi,
        if_exists: str,
        merges: Any,
    ) -> None:
        """With ``overwrite``, its bytes may be others."""
        sync_studio.settings.metadata_update = merges
        there = A | {"raw.csv": b"x" * 8} if if_exists == "overwrite" else A
        data_id = by_hand(sync_api, there, {"by": "hand", "run": "0"})
        result = sync_upload(A, A_METADATA, if_exists=if_exists)
        assert (result["outcome"], result["data_id"]) == ("updated", data_id)
        (item,) = sync_studio.items()
        assert contents(sync_studio, item.id) == A
        assert users_metadata(item.metadata) == A_METADATA | {"by": "hand"}
        sync_studio.clear_requests()
        assert sync_upload(A, A_METADATA, if_exists=if_exists)["outcome"] == "unchanged"
        assert changes(sync_studio) == []

    @pytest.mark.parametrize(
        "there",
        [B, A | {"more.csv": b"x"}, {"raw.csv": A["raw.csv"]}, A | {"raw.csv": b"longer than ours"}],
        ids=["all", "one more", "less", "size"],
    )
    def test_someone_s_of_other_files_is_left_alone(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, there: dict[str, bytes]
    ) -> None:
        data_id = by_hand(sync_api, there)
        before = sync_studio.items()
        sync_studio.clear_requests()
        with pytest.raises(EdgeImpulseConflictError, match="overwrite"):
            sync_upload(A, A_METADATA)
        assert changes(sync_studio) == []
        assert sync_studio.items() == before
        assert contents(sync_studio, data_id) == there

    def test_someone_s_is_overwritten_when_asked_for(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        data_id = by_hand(sync_api, B)
        result = sync_upload(A, A_METADATA, if_exists="overwrite")
        assert (result["outcome"], result["data_id"]) == ("updated", data_id)
        (item,) = sync_studio.items()
        assert contents(sync_studio, data_id) == A
        assert users_metadata(item.metadata) == A_METADATA | {"by": "hand"}

    @pytest.mark.parametrize("if_exists", ["update", "overwrite"])
    def test_someone_s_twice_is_left_alone(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, if_exists: str
    ) -> None:
        for _ in range(2):
            by_hand(sync_api, A)
        sync_studio.clear_requests()
        with pytest.raises(EdgeImpulseConflictError, match="several times"):
            sync_upload(A, if_exists=if_exists)
        assert changes(sync_studio) == []


class TestInterruptedUploads:
    @pytest.mark.parametrize("if_exists", ["update", "skip", "fail", "overwrite"])
    @pytest.mark.parametrize(
        "fault", [Fault(operation=ADD, kind="success_false"), Fault(operation=UPDATE, kind="success_false")], ids=str
    )
    def test_next_run_completes_the_creation(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_open: OpenClient,
        large: dict[str, Any],
        if_exists: str,
        fault: Fault,
    ) -> None:
        api = sync_open(**large)
        sync_studio.inject(fault)
        with pytest.raises(EdgeImpulseRefusedError):
            sync_upload(A, A_METADATA, api=api, if_exists=if_exists)
        (item,) = sync_studio.items()
        assert is_pending(item)
        result = sync_upload(A, A_METADATA, api=api, if_exists=if_exists)
        assert (result["outcome"], result["data_id"]) == ("updated", item.id)
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, api)

    @pytest.mark.parametrize("if_exists", ["update", "skip", "fail", "overwrite"])
    def test_next_run_completes_another_content(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, if_exists: str
    ) -> None:
        by_hand(sync_api, {"raw.csv": A["raw.csv"], "old.csv": b"x"}, pending({"stale": "1"}))
        assert sync_upload(A, A_METADATA, if_exists=if_exists)["outcome"] == "updated"
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, sync_api)

    def test_update_that_stopped_after_it_had_begun(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        """Back to the content that it had before: the old digest must not be believed."""
        sync_upload(A, A_METADATA)
        changed = A | {"raw.csv": b"T,X\n9,8\n"}
        sync_studio.inject(Fault(operation=UPDATE, kind="success_false", skip=1))
        with pytest.raises(EdgeImpulseRefusedError):
            sync_upload(changed, A_METADATA)
        assert contents(sync_studio, sync_studio.items()[0].id) == changed
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, sync_api)

    def test_file_that_changes_during_an_update(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        sync_upload(A, A_METADATA)
        with pytest.raises(EdgeImpulseFileError):
            sync_upload([*made_up(B), MadeUpFile("bad.csv", b"123", stated_size=5)], B_METADATA)
        (item,) = sync_studio.items()
        assert is_pending(item)
        assert "bad.csv" not in contents(sync_studio, item.id)
        assert_at_rest(sync_studio, sync_upload, B, B_METADATA, sync_api)

    def test_file_that_changes_before_a_creation(self, sync_studio: EmulatorServer, sync_upload: Upload) -> None:
        with pytest.raises(EdgeImpulseFileError):
            sync_upload([MadeUpFile("bad.csv", b"123", stated_size=5)])
        assert changes(sync_studio) == []

    def test_file_that_has_other_bytes_when_it_is_sent_than_when_it_was_read(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        file = MadeUpFile("raw.csv", b"first.")
        meddler = MeddlingFile("zz.csv", b"x", meddle=lambda: setattr(file, "data", b"second"))
        with pytest.raises(EdgeImpulseFileError, match=r"raw\.csv"):
            sync_upload([file, meddler])
        assert_at_rest(sync_studio, sync_upload, {"raw.csv": b"second", "zz.csv": b"x"}, {}, sync_api)


class TestDuplicates:
    """Items of ours of one name, as repeated requests can leave them: only what is provably a copy is removed."""

    X: Mapping[str, bytes] = {"x": b"y"}

    @pytest.mark.parametrize(
        "there",
        [
            pytest.param([(A, complete(A, A_METADATA))] * 3, id="all right"),
            pytest.param([(A, complete(A, A_METADATA))] * 4, id="as many as there can be"),
            pytest.param([(B, complete(B)), (A, complete(A, A_METADATA))], id="oldest is another content"),
            pytest.param([(A, pending()), (A, complete(A, A_METADATA))], id="oldest is pending"),
            pytest.param([(B, complete(B)), (A, pending())], id="none right"),
            pytest.param([(X, pending()), (X, pending())], id="none complete"),
            pytest.param([(A, complete(A, A_METADATA)), ({"raw.csv": A["raw.csv"]}, pending())], id="a part of it"),
            pytest.param([(A, complete(A, A_METADATA)), ({}, pending())], id="nothing in it"),
            pytest.param([(B, complete(B)), ({**B, **A, "raw.csv": B["raw.csv"]}, pending())], id="a part of each"),
        ],
    )
    def test_copies_are_removed_and_the_oldest_is_kept(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_api: OrganizationDataApi,
        there: list[tuple[dict[str, bytes], dict[str, str]]],
    ) -> None:
        oldest, *_ = [sync_studio.put_item("run 1", "d", metadata, files) for files, metadata in there]
        other = by_hand(sync_api, B, name="other")
        assert sync_upload(A, A_METADATA)["data_id"] == oldest
        assert contents(sync_studio, other) == B
        sync_api.delete_data_item(other)
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, sync_api)

    @pytest.mark.parametrize(
        "there",
        [
            pytest.param([(A, complete(A, A_METADATA)), (B, complete(B))], id="other files"),
            pytest.param([(X, pending()), (B, pending())], id="pending, other files"),
            pytest.param(
                [(A, complete(A, A_METADATA)), (A | {"raw.csv": b"x" * 8}, complete(A, A_METADATA))],
                id="other bytes of the same sizes",
            ),
            pytest.param(
                [(A, complete(A, A_METADATA)), (A, complete(A, A_METADATA) | {"label": "good"})], id="a key of a person"
            ),
            pytest.param(
                [(A, complete(A, A_METADATA)), (A, complete(A, A_METADATA) | {"run": "good"})], id="a value of a person"
            ),
            pytest.param(
                [(A, complete(A, A_METADATA)), (A | {"notes 2.txt": b""}, complete(A, A_METADATA))], id="one file more"
            ),
            pytest.param(
                [(A, pending()), (A, complete(A, A_METADATA)), (X, pending())], id="a copy and one that is none"
            ),
            pytest.param([(A, complete(A, A_METADATA))] * 5, id="more than there can be"),
            pytest.param([(A, complete(A, A_METADATA))] * 21, id="many more"),
        ],
    )
    def test_of_what_may_be_somebodys_nothing_is_removed_or_changed(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_api: OrganizationDataApi,
        there: list[tuple[dict[str, bytes], dict[str, str]]],
    ) -> None:
        ids = [by_hand(sync_api, files, metadata) for files, metadata in there]
        before = sync_studio.items()
        sync_studio.clear_requests()
        with pytest.raises(EdgeImpulseConflictError, match=r"Delete or rename all but one .* in Studio") as caught:
            sync_upload(A, A_METADATA)
        assert not caught.value.retryable
        named = [str(data_id) in str(caught.value) for data_id in ids]
        assert named[0] and named[-1]
        assert changes(sync_studio) == []
        assert sync_studio.items() == before

    def test_the_oldest_is_kept_and_nothing_is_sent_again(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        ids = [by_hand(sync_api, A, complete(A, A_METADATA)) for _ in range(2)]
        sync_studio.clear_requests()
        result = sync_upload(A, A_METADATA)
        assert (result["outcome"], result["data_id"]) == ("unchanged", ids[0])
        assert operations(sync_studio) == [DELETE]

    def test_its_bytes_are_read_from_the_service_before_it_is_removed(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        duplicate = [by_hand(sync_api, A, complete(A, A_METADATA)) for _ in range(2)][1]
        sync_studio.clear_requests()
        sync_upload(A, A_METADATA)
        asked = [(request.operation, f"/data/{duplicate}" in request.path) for request in sync_studio.requests()]
        assert asked == [(LIST, False), *[(DOWNLOAD, True)] * 3, (GET, True), (DELETE, True), (LIST, False)]

    @pytest.mark.parametrize("moment", [DOWNLOAD, GET])
    @pytest.mark.parametrize(
        "edit",
        [
            pytest.param({"metadata": complete(A, A_METADATA) | {"label": "good"}}, id="metadata"),
            pytest.param({"name": "run 1 good"}, id="name"),
            pytest.param({"dataset": "archive"}, id="dataset"),
        ],
    )
    def test_one_that_a_person_edits_meanwhile_is_left_alone(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_api: OrganizationDataApi,
        edit: dict[str, Any],
        moment: str,
    ) -> None:
        """While it is compared, and right before the last look at it."""
        duplicate = [by_hand(sync_api, A, complete(A, A_METADATA)) for _ in range(2)][1]
        at_first(sync_studio, moment, lambda: sync_studio.edit_item(duplicate, **edit))
        if "metadata" in edit:
            with pytest.raises(EdgeImpulseConflictError, match="Delete or rename"):
                sync_upload(A, A_METADATA)
        else:
            assert sync_upload(A, A_METADATA)["outcome"] == "unchanged"
        assert DELETE not in operations(sync_studio)
        (item,) = [item for item in sync_studio.items() if item.id == duplicate]
        assert {field: getattr(item, field) for field in edit} == edit

    def test_of_someone_else_is_kept(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        foreign = by_hand(sync_api, B)
        ours = by_hand(sync_api, A, complete(A, A_METADATA))
        result = sync_upload(A, A_METADATA)
        assert (result["outcome"], result["data_id"]) == ("unchanged", ours)
        assert contents(sync_studio, foreign) == B

    @pytest.mark.parametrize("of", [{"name": "run 2"}, {"dataset": "archive"}], ids=str)
    def test_an_item_with_copied_metadata_is_no_duplicate(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, of: dict[str, str]
    ) -> None:
        copied = by_hand(sync_api, A, complete(A, A_METADATA, **of))
        ours = by_hand(sync_api, A, complete(A, A_METADATA))
        assert sync_upload(A, A_METADATA)["data_id"] == ours
        assert operations(sync_studio)[2:] == []
        assert contents(sync_studio, copied) == A


class TestChangedMeanwhile:
    """What a person does in Studio between the listing and the first change counts."""

    OTHER: Mapping[str, bytes] = A | {"raw.csv": b"T,X\n9,8\n"}  # the same size, so it must be read first

    @pytest.mark.parametrize("new", [A, OTHER], ids=["metadata only", "files"])
    def test_metadata_that_a_person_adds_are_kept(
        self, sync_studio: EmulatorServer, sync_upload: Upload, new: Mapping[str, bytes]
    ) -> None:
        data_id = sync_upload(A, A_METADATA)["data_id"]
        self.while_read(sync_studio, sync_upload, new, metadata=sync_studio.items()[0].metadata | {"label": "good"})
        (item,) = sync_studio.items()
        assert (item.id, contents(sync_studio, item.id)) == (data_id, dict(new))
        assert users_metadata(item.metadata) == B_METADATA | {"label": "good"}

    @pytest.mark.parametrize("new", [A, OTHER], ids=["metadata only", "files"])
    @pytest.mark.parametrize("place", [{"name": "run 1 good"}, {"dataset": "archive"}], ids=str)
    def test_an_item_that_is_renamed_or_moved_is_left_alone_and_a_new_one_made(
        self, sync_studio: EmulatorServer, sync_upload: Upload, new: Mapping[str, bytes], place: dict[str, str]
    ) -> None:
        theirs = sync_upload(A, A_METADATA)["data_id"]
        before = sync_studio.items()[0].metadata
        assert self.while_read(sync_studio, sync_upload, new, **place)["data_id"] != theirs
        items = {item.id: item for item in sync_studio.items()}
        item = items.pop(theirs)
        assert (item.metadata, contents(sync_studio, theirs)) == (before, A)
        assert [(item.name, item.dataset) for item in items.values()] == [("run 1", "d")]

    def while_read(
        self, server: EmulatorServer, upload: Upload, files: Mapping[str, bytes], **edit: Any
    ) -> AddDataResult:
        """Upload, and edit the item while the files are read to be compared."""
        (item,) = server.items()
        first, *others = made_up(files)
        meddler = MeddlingFile(first.name, first.data, meddle=lambda: server.edit_item(item.id, **edit))
        server.clear_requests()
        return upload([meddler, *others], B_METADATA)

    def test_an_item_that_a_person_renames_once_it_was_created_is_left_alone(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, large: dict[str, Any]
    ) -> None:
        """Seen under its name by this run, which lists it again after a lost answer; then it has another name."""
        data_id = sync_upload(A, A_METADATA)["data_id"]
        sync_studio.inject(Fault(operation=UPDATE, kind="drop_before", skip=1))
        api = sync_open(sleep=lambda seconds: sync_studio.edit_item(data_id, name="run 1 good"))
        assert sync_upload(B, B_METADATA, api=api)["data_id"] != data_id
        renamed, new = sync_studio.items()
        assert (renamed.id, renamed.name) == (data_id, "run 1 good")
        assert contents(sync_studio, new.id) == B


class TestSyncedItem:
    @pytest.mark.parametrize("files", [A, B], ids=["unchanged", "changed"])
    def test_a_single_upload_takes_it_out_of_its_sync(
        self, sync_studio: EmulatorServer, sync_upload: Upload, files: dict[str, bytes]
    ) -> None:
        sync_upload(A, A_METADATA, sync_id="nightly")
        result = sync_upload(files, A_METADATA)
        assert result["outcome"] == ("unchanged" if files == A else "updated")
        (item,) = sync_studio.items()
        state = state_of(item)
        assert state is not None
        assert (state.sync, state.complete) == (None, True)
        assert contents(sync_studio, item.id) == files
        sync_studio.clear_requests()
        assert sync_upload(files, A_METADATA)["outcome"] == "unchanged"
        assert changes(sync_studio) == []

    def test_a_sync_takes_over_an_equal_one_of_a_single_upload_and_leaves_another_alone(
        self, sync_studio: EmulatorServer, sync_upload: Upload
    ) -> None:
        sync_upload(A, A_METADATA)
        before = sync_studio.items()
        for files, metadata in ((B, A_METADATA), (A, B_METADATA), (A | {"raw.csv": b"T,X\n9,8\n"}, A_METADATA)):
            with pytest.raises(EdgeImpulseConflictError, match="single upload has put other content"):
                sync_upload(files, metadata, sync_id="nightly")
            assert sync_studio.items() == before
        assert sync_upload(A, A_METADATA, sync_id="nightly")["outcome"] == "unchanged"
        state = state_of(sync_studio.items()[0])
        assert state is not None
        assert state.sync == "nightly"


class TestSwitches:
    """Whatever is unknown about the real service, the result is the same."""

    A: Mapping[str, bytes] = {'é "x".csv': b"1", "a/b.csv": b"2", "plain.csv": b"3", "測定 📈.csv": b"4"}
    B: Mapping[str, bytes] = {'é "x".csv': b"9", "a/c.csv": b"2", 'ü"': b"5"}

    @pytest.mark.parametrize("duplicate_names", ["new_id", "reject", "merge"])
    @pytest.mark.parametrize("metadata_update", ["replace", "merge"])
    @pytest.mark.parametrize("file_names", ["utf8", "latin1"])
    @pytest.mark.parametrize("size", ["small", "large"])
    def test_create_update_and_nothing_to_do(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_open: OpenClient,
        request: pytest.FixtureRequest,
        duplicate_names: Any,
        metadata_update: Any,
        file_names: Any,
        size: str,
    ) -> None:
        sync_studio.settings.change(
            {"duplicate_names": duplicate_names, "metadata_update": metadata_update, "file_names": file_names}
        )
        api = sync_open(**(request.getfixturevalue("large") if size == "large" else {}))
        encoding = {"utf8": "utf-8", "latin1": "latin-1"}[file_names]
        for files, metadata, outcome in (
            (self.A, A_METADATA, "created"),
            (self.B, B_METADATA, "updated"),
            (self.B, {"machine": "pump 9"}, "updated"),
            (self.A, A_METADATA, "updated"),
        ):
            assert sync_upload(files, metadata, api=api)["outcome"] == outcome
            (item,) = sync_studio.items()
            assert contents(sync_studio, item.id) == {
                name.encode().decode(encoding): data for name, data in files.items()
            }
            assert users_metadata(item.metadata) == metadata
            assert digest_of(item) == wanted_item(files, metadata, read=True).digest
            sync_studio.clear_requests()
            assert sync_upload(files, metadata, api=api)["outcome"] == "unchanged"
            assert changes(sync_studio) == []

    def test_adoption(self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi) -> None:
        data_id = by_hand(sync_api, self.A)
        assert sync_upload(self.A, A_METADATA)["data_id"] == data_id
        assert sync_upload(self.A, A_METADATA)["outcome"] == "unchanged"

    def test_adoption_where_the_service_spells_names_in_its_own_way_is_asked_for(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        """Who has named the files of somebody else's item is unknown."""
        sync_studio.settings.file_names = "latin1"
        data_id = by_hand(sync_api, self.A)
        before = sync_studio.items()
        with pytest.raises(EdgeImpulseConflictError, match="if_exists='overwrite'"):
            sync_upload(self.A, A_METADATA)
        assert sync_studio.items() == before
        assert sync_upload(self.A, A_METADATA, if_exists="overwrite")["data_id"] == data_id
        assert sync_upload(self.A, A_METADATA)["outcome"] == "unchanged"

    @pytest.mark.parametrize("size", ["small", "large"])
    @pytest.mark.parametrize(
        "switches",
        [
            {"file_folders": "drop"},
            {"file_folders": "drop", "file_names": "latin1", "file_quotes": "keep"},
            {"file_quotes": "keep"},
            {"name_form": "nfc"},
            {"name_form": "trim", "file_folders": "drop"},
            {"name_form": "collapse"},
        ],
        ids=str,
    )
    def test_whatever_a_service_makes_of_names_that_it_keeps_apart_the_next_run_is_idle(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_open: OpenClient,
        request: pytest.FixtureRequest,
        switches: dict[str, Any],
        size: str,
    ) -> None:
        sync_studio.settings.change(switches)
        api = sync_open(**(request.getfixturevalue("large") if size == "large" else {}))
        name = "cafe\u0301  1"
        old = {"left/e\u0301 1.csv": b"1", 'right/a"b.csv': b"22", "plain.csv": b"3", " x  y.csv": b"4"}
        for files, metadata, outcome in (
            (old, A_METADATA, "created"),
            (old, B_METADATA, "updated"),
            (old | {"left/e\u0301 1.csv": b"9"}, A_METADATA, "updated"),
            ({"left/e\u0301 1.csv": b"9", "down/z.csv": b"5"}, A_METADATA, "updated"),
        ):
            assert sync_upload(files, metadata, api=api, name=name)["outcome"] == outcome
            (item,) = sync_studio.items()
            assert sorted(contents(sync_studio, item.id).values()) == sorted(files.values())
            assert users_metadata(item.metadata) == metadata
            sync_studio.clear_requests()
            assert sync_upload(files, metadata, api=api, name=name)["outcome"] == "unchanged"
            assert changes(sync_studio) == []

    @pytest.mark.parametrize("size", ["small", "large"])
    @pytest.mark.parametrize(
        ("switch", "files", "words"),
        [
            ({"file_folders": "drop"}, {"a/x.csv": b"1", "b/x.csv": b"22", "y": b"3"}, "'a/x.csv' and 'b/x.csv'"),
            ({"file_folders": "drop"}, {"x.csv": b"1", "b/x.csv": b"1", "y": b"3"}, "'b/x.csv'"),
            ({"name_form": "trim"}, {"x.csv": b"1", "x.csv ": b"22"}, "'x.csv '"),
            ({"name_form": "collapse"}, {"a b": b"1", "a  b": b"22"}, "'a  b'"),
            ({"trailing_backslash": "drop_file"}, {"x.csv": b"1", "x\\": b"22"}, "drops a file if nothing"),
        ],
        ids=str,
    )
    def test_names_that_a_service_does_not_keep_apart_are_an_error_for_good(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_open: OpenClient,
        request: pytest.FixtureRequest,
        switch: dict[str, Any],
        files: dict[str, bytes],
        words: str,
        size: str,
    ) -> None:
        sync_studio.settings.change(switch)
        api = sync_open(**(request.getfixturevalue("large") if size == "large" else {}))
        for _ in range(2):
            with pytest.raises(EdgeImpulseConflictError) as caught:
                sync_upload(files, A_METADATA, api=api)
            assert not caught.value.retryable
            assert words in str(caught.value)
            assert len(sync_studio.items()) == 1
            assert not {DELETE, DELETE_FILE}.intersection(operations(sync_studio))

    def test_a_name_of_an_item_that_the_service_replaces_is_recognized_by_its_id(
        self, sync_studio: EmulatorServer, sync_upload: Upload
    ) -> None:
        sync_studio.settings.name_form = "nfc"
        for outcome in ("created", "unchanged", "unchanged"):
            assert sync_upload(A, A_METADATA, name="cafe\u0301")["outcome"] == outcome
        (item,) = sync_studio.items()
        assert item.name == "café"

    def test_server_that_changed_its_mind_about_names(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        """A file listed under two forms of its name is not taken for two files, nor left behind."""
        sync_studio.settings.file_names = "latin1"
        sync_upload({"é.csv": b"1"})
        sync_studio.settings.file_names = "utf8"
        assert sync_upload({"é.csv": b"2"})["outcome"] == "updated"
        assert_at_rest(sync_studio, sync_upload, {"é.csv": b"2"}, {}, sync_api)


class TestServerThatLags:
    EMPTY = '{"success": true, "data": [], "totalDataItemCount": 0}'

    def hide(self, server: EmulatorServer, *, looks: int) -> None:
        """Let so many listings after the creation, and looks at the item by its id, not show it."""
        server.inject(
            Fault(operation=LIST, kind="status", status=200, body=self.EMPTY, skip=1, count=looks),
            Fault(operation=GET, kind="status", status=404, count=looks),
        )

    def test_created_item_that_is_not_listed_yet(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient
    ) -> None:
        """A service that is one change behind; the settle time is waited for, then it is looked at again."""
        self.hide(sync_studio, looks=1)
        slept: list[float] = []
        api = sync_open(sleep=slept.append, settle_seconds=7.5)
        assert sync_upload(A, A_METADATA, api=api)["outcome"] == "created"
        assert slept == [7.5]
        assert operations(sync_studio) == [CREATE]
        assert_stored(sync_studio, A, A_METADATA)

    def test_created_item_that_is_not_listed_and_is_there_by_its_id(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient
    ) -> None:
        sync_studio.inject(Fault(operation=LIST, kind="status", status=200, body=self.EMPTY, skip=1))
        slept: list[float] = []
        api = sync_open(sleep=slept.append, settle_seconds=7.5)
        assert sync_upload(A, A_METADATA, api=api)["outcome"] == "created"
        assert slept == []
        assert [request.operation for request in sync_studio.requests()] == [LIST, CREATE, LIST, GET]
        assert_stored(sync_studio, A, A_METADATA)

    def test_service_that_never_shows_it(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        self.hide(sync_studio, looks=3)
        with pytest.raises(EdgeImpulseResponseError, match="run 1") as caught:
            sync_upload(A, A_METADATA)
        assert caught.value.retryable
        assert operations(sync_studio) == [CREATE]
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, sync_api)

    @pytest.mark.parametrize("fault", ["missing data", "count"])
    def test_listing_that_cannot_be_relied_on_ends_planning(
        self, sync_studio: EmulatorServer, sync_upload: Upload, fault: str
    ) -> None:
        body = {
            "missing data": '{"success": true, "totalDataItemCount": 0}',
            "count": '{"success": true, "data": [], "totalDataItemCount": 1}',
        }[fault]
        sync_upload(A, A_METADATA)
        sync_studio.clear_requests()
        sync_studio.inject(Fault(operation=LIST, kind="status", status=200, body=body, count=99))
        with pytest.raises(EdgeImpulseResponseError):
            sync_upload(B, B_METADATA)
        assert changes(sync_studio) == []


class TestWrongKey:
    @pytest.mark.parametrize("status", [401, 403, 200])
    def test_no_body_is_sent(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, status: Any
    ) -> None:
        sync_studio.settings.wrong_key_status = status
        with pytest.raises(EdgeImpulseAuthError):
            sync_upload(A, api=sync_open(api_key="ei_wrong"))
        assert len(sync_studio.requests()) == 1
        assert changes(sync_studio) == []


class TestLostAnswers:
    def test_the_settle_time_is_waited_for_before_looking(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient
    ) -> None:
        events: list[object] = []

        def sleep(seconds: float) -> None:
            events.append(seconds)
            events.append(sync_studio.requests()[-1].operation)

        sync_studio.inject(Fault(operation=CREATE, kind="drop_after"))
        result = sync_upload(A, A_METADATA, api=sync_open(sleep=sleep, settle_seconds=7.5))
        assert result["outcome"] == "created"
        assert events == [7.5, CREATE]
        assert operations(sync_studio) == [CREATE]
        assert_stored(sync_studio, A, A_METADATA)

    @pytest.mark.parametrize("duplicate_names", ["new_id", "reject", "merge"])
    def test_item_that_is_stored_during_the_settle_time_is_not_sent_twice(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, duplicate_names: Any
    ) -> None:
        sync_studio.settings.duplicate_names = duplicate_names
        sync_studio.inject(Fault(operation=CREATE, kind="store_late", delay_seconds=0.02))
        api = sync_open(sleep=lambda seconds: wait_for(lambda: bool(sync_studio.items())))
        assert sync_upload(A, A_METADATA, api=api)["outcome"] == "created"
        assert operations(sync_studio) == [CREATE]
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, api)

    @pytest.mark.parametrize("kind", ["drop_before", "cut_body"])
    def test_item_that_never_arrived_is_sent_again(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, kind: Any
    ) -> None:
        sync_studio.inject(Fault(operation=CREATE, kind=kind, count=2))
        assert sync_upload(A, A_METADATA)["outcome"] == "created"
        assert operations(sync_studio) == [CREATE] * 3
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, sync_api)

    def test_it_is_given_up_after_the_tries_that_the_settings_allow(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient
    ) -> None:
        sync_studio.inject(Fault(operation=CREATE, kind="drop_before", count=99))
        with pytest.raises(EdgeImpulseUnavailableError):
            sync_upload(A, A_METADATA, api=sync_open(retry_attempts=3))
        assert operations(sync_studio) == [CREATE] * 3

    @pytest.mark.parametrize("if_exists", ["update", "skip", "fail", "overwrite"])
    def test_whatever_if_exists_says_of_items_that_are_there(
        self, sync_studio: EmulatorServer, sync_upload: Upload, if_exists: str
    ) -> None:
        sync_studio.inject(Fault(operation=CREATE, kind="drop_after"))
        assert sync_upload(A, A_METADATA, if_exists=if_exists)["outcome"] == "created"
        assert_stored(sync_studio, A, A_METADATA)

    def test_refusal_of_the_second_because_the_first_arrived_after_all(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient
    ) -> None:
        """Stored after the look and before the second attempt, by a server that allows a name once."""
        sync_studio.settings.duplicate_names = "reject"
        sync_studio.inject(Fault(operation=CREATE, kind="store_late", delay_seconds=0.1))

        class SlowSecondTime(MadeUpFile):
            def open(self) -> BinaryIO:
                if self.opened == 2:  # to be hashed, to be sent, to be sent again
                    wait_for(lambda: bool(sync_studio.items()))
                return super().open()

        assert sync_upload([SlowSecondTime("raw.csv", b"t,x\n")], A_METADATA)["outcome"] == "created"
        assert [request.changed for request in changes(sync_studio)] == [True, False]
        assert_stored(sync_studio, {"raw.csv": b"t,x\n"}, A_METADATA)


def wait_for(condition: Callable[[], bool]) -> bool:
    """Wait until something has happened, ten seconds at most."""
    paused = threading.Event()
    for _ in range(2000):
        if condition():
            return True
        paused.wait(0.005)
    return False


class TestSingleFaults:
    """One fault at each request in turn; afterwards one quiet run has everything right."""

    KINDS = {
        "drop_before": Fault(kind="drop_before"),
        "drop_after": Fault(kind="drop_after"),
        "store_late": Fault(kind="store_late", delay_seconds=0.03),
        "cut_body": Fault(kind="cut_body", after_bytes=150),
        "500": Fault(kind="status", status=500),
        "502": Fault(kind="status", status=502, body="<h1>Bad gateway</h1>"),
        "503 Retry-After": Fault(kind="status", status=503, headers={"Retry-After": "soon"}),
        "429": Fault(kind="status", status=429),
        "429 Retry-After": Fault(kind="status", status=429, headers={"Retry-After": "1.5"}),
        "200 HTML": Fault(kind="status", status=200, body="<p>Maintenance</p>"),
        "success_false": Fault(kind="success_false"),
        "401": Fault(kind="status", status=401),
    }
    # What is done, and how many requests it takes without a fault.
    CREATE_SMALL = 3
    CREATE_LARGE = 7
    UPDATE_SMALL = 9
    UPDATE_LARGE = 10
    METADATA = 4
    DUPLICATE = 7

    def run_with(
        self,
        server: EmulatorServer,
        upload: Upload,
        api: OrganizationDataApi,
        kind: str,
        at: int,
        files: Mapping[str, bytes],
        metadata: Mapping[str, str],
    ) -> None:
        server.clear_requests()
        fault = self.KINDS[kind]
        options = {name: getattr(fault, name) for name in Fault.__dataclass_fields__} | {"skip": at}
        server.inject(Fault(**options))
        failed: EdgeImpulseError | None = None
        try:
            upload(files, metadata, api=api)
        except EdgeImpulseError as error:
            failed = error
        hit = [request for request in server.requests() if request.fault]
        assert len(hit) == 1, "the fault has hit no request: the number of requests has changed"
        if kind == "success_false" and hit[0].operation in (GET, DOWNLOAD):
            pass  # an item missing by its id is looked up in the listing; a missing file does not count as a copy
        elif kind in ("success_false", "401"):
            assert failed is not None
            assert not failed.retryable
        elif not (kind == "200 HTML" and hit[0].operation == CREATE):
            assert failed is None, failed
        if failed is None and kind != "store_late":
            assert_stored(server, files, metadata)
        if kind == "store_late" and hit[0].method != "GET":
            # To remove a file late that is gone already changes nothing, and is not waited for.
            late = hit[0].operation != DELETE_FILE
            assert not late or wait_for(lambda: any(r.changed for r in server.requests() if r.seq == hit[0].seq))
        assert_at_rest(server, upload, files, metadata, api)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("at", range(CREATE_SMALL))
    def test_create_small(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, kind: str, at: int
    ) -> None:
        self.run_with(sync_studio, sync_upload, sync_api, kind, at, A, A_METADATA)

    @pytest.mark.parametrize("duplicate_names", ["reject", "merge"])
    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "store_late"])
    def test_create_small_with_other_ways_to_take_a_name_twice(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_api: OrganizationDataApi,
        kind: str,
        duplicate_names: Any,
    ) -> None:
        """What is stored late is then refused or merged: see TestLostAnswers."""
        sync_studio.settings.duplicate_names = duplicate_names
        self.run_with(sync_studio, sync_upload, sync_api, kind, 1, A, A_METADATA)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("at", range(CREATE_LARGE))
    def test_create_large(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_open: OpenClient,
        large: dict[str, Any],
        kind: str,
        at: int,
    ) -> None:
        self.run_with(sync_studio, sync_upload, sync_open(**large), kind, at, A, A_METADATA)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("at", range(UPDATE_SMALL))
    def test_update_small(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, kind: str, at: int
    ) -> None:
        sync_upload(A, A_METADATA)
        self.run_with(sync_studio, sync_upload, sync_api, kind, at, B, B_METADATA)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("at", range(UPDATE_LARGE))
    def test_update_large(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_open: OpenClient,
        large: dict[str, Any],
        kind: str,
        at: int,
    ) -> None:
        api = sync_open(**large)
        sync_upload(A, A_METADATA, api=api)
        self.run_with(sync_studio, sync_upload, api, kind, at, B, B_METADATA)

    @pytest.mark.parametrize("metadata_update", ["replace", "merge"])
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("at", range(METADATA))
    def test_metadata(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_api: OrganizationDataApi,
        kind: str,
        at: int,
        metadata_update: Any,
    ) -> None:
        sync_studio.settings.metadata_update = metadata_update
        sync_upload(A, A_METADATA)
        self.run_with(sync_studio, sync_upload, sync_api, kind, at, A, B_METADATA)

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "store_late"])
    @pytest.mark.parametrize("at", range(DUPLICATE))
    def test_removal_of_a_duplicate(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, kind: str, at: int
    ) -> None:
        for _ in range(2):
            by_hand(sync_api, A, complete(A, A_METADATA))
        self.run_with(sync_studio, sync_upload, sync_api, kind, at, A, A_METADATA)

    def test_each_request_has_had_its_fault(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, large: dict[str, Any]
    ) -> None:
        """The numbers above are those of the requests that it takes."""
        api = sync_open(**large)
        taken = [self.requests(sync_studio, lambda: sync_upload(A, A_METADATA, api=api))]
        taken.append(self.requests(sync_studio, lambda: sync_upload(B, B_METADATA, api=api)))
        assert taken == [self.CREATE_LARGE, self.UPDATE_LARGE]

    def test_each_request_of_small_items_has_had_its_fault(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi
    ) -> None:
        steps = [(A, A_METADATA), (A, B_METADATA), (A, A_METADATA), (B, B_METADATA)]
        taken = [self.requests(sync_studio, partial(sync_upload, *step)) for step in steps]
        assert taken == [self.CREATE_SMALL, self.METADATA, self.METADATA, self.UPDATE_SMALL]
        sync_api.delete_data_item(sync_studio.items()[0].id)
        for _ in range(2):
            by_hand(sync_api, A, complete(A, A_METADATA))
        assert self.requests(sync_studio, lambda: sync_upload(A, A_METADATA)) == self.DUPLICATE

    @staticmethod
    def requests(server: EmulatorServer, upload: Callable[[], object]) -> int:
        server.clear_requests()
        upload()
        return len(server.requests())


class TestTwoRunsAtOnce:
    #: Every file has another size than in A: sizes are all that a listing tells of contents.
    OTHER: Mapping[str, bytes] = {"raw.csv": b"t,x\n0,1\n2,3\n", "photo.png": b"photo"}

    @pytest.mark.parametrize("duplicate_names", ["new_id", "reject", "merge"])
    @pytest.mark.parametrize("size", ["small", "large"])
    @pytest.mark.parametrize("same", [True, False], ids=["same content", "other content"])
    @pytest.mark.parametrize("before", [None, {"old.csv": b"x"}], ids=["new item", "item is there"])
    def test_leave_one_item_after_a_quiet_one(
        self,
        sync_studio: EmulatorServer,
        sync_upload: Upload,
        sync_open: OpenClient,
        request: pytest.FixtureRequest,
        duplicate_names: Any,
        size: str,
        same: bool,
        before: dict[str, bytes] | None,
    ) -> None:
        settings = request.getfixturevalue("large") if size == "large" else {}
        sync_studio.settings.duplicate_names = duplicate_names
        if before is not None:
            sync_upload(before)
        clients = [sync_open(**settings) for _ in range(2)]
        wanted = [(A, A_METADATA), (A, A_METADATA) if same else (self.OTHER, {"machine": "pump 9", "run": "2"})]
        start = threading.Barrier(2)
        unexpected: list[BaseException] = []

        def run(number: int) -> None:
            start.wait(30)
            try:
                sync_upload(*wanted[number], api=clients[number])
            except EdgeImpulseError:
                pass  # another run has taken over: what counts is what the next one leaves
            except BaseException as error:
                unexpected.append(error)

        # Slow enough for the requests of the two to alternate.
        sync_studio.settings.latency_seconds = 0.005
        threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sync_studio.settings.latency_seconds = 0.0
        assert unexpected == []
        assert_at_rest(sync_studio, sync_upload, A, A_METADATA, clients[0])

    ONE: Mapping[str, bytes] = {"raw.csv": b"one."}
    TWO: Mapping[str, bytes] = {"raw.csv": b"two."}

    def test_other_run_that_sends_the_same_names_and_sizes_and_stops(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient
    ) -> None:
        """Between the upload of one and its look at the result: it must not sign what it has not sent."""
        sync_upload({"old.csv": b"x"})
        other = sync_open()

        def other_run(seconds: float) -> None:
            sync_studio.inject(Fault(operation=UPDATE, kind="success_false"))
            with pytest.raises(EdgeImpulseRefusedError):
                sync_upload(self.TWO, api=other)

        sync_studio.inject(Fault(operation=LIST, kind="status", status=503, skip=1))
        self.run_and_look(sync_studio, sync_upload, sync_open(sleep=other_run))

    def test_other_run_between_two_tries_to_write_the_digest(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient
    ) -> None:
        sync_upload({"old.csv": b"x"})
        other = sync_open()
        sync_studio.inject(Fault(operation=UPDATE, kind="status", status=503, skip=1))
        api = sync_open(sleep=lambda seconds: sync_upload(self.TWO, api=other) and None)
        self.run_and_look(sync_studio, sync_upload, api)

    def run_and_look(self, server: EmulatorServer, upload: Upload, api: OrganizationDataApi) -> None:
        try:
            upload(self.ONE, api=api)
        except EdgeImpulseError as error:
            assert error.retryable
        else:
            (item,) = server.items()
            assert contents(server, item.id) in (dict(self.ONE), dict(self.TWO))
            assert digest_of(item) == wanted_item(contents(server, item.id), read=True).digest
        assert_at_rest(server, upload, self.ONE, {}, api)


class TestItemDeletedInMidRun:
    """By someone in Studio, or by a run that took it for a duplicate: the run starts again."""

    def test_while_its_files_are_sent(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, sync_open: OpenClient
    ) -> None:
        data_id = sync_upload(A, A_METADATA)["data_id"]
        other = sync_open()
        file = MeddlingFile("new.csv", b"1", meddle=lambda: other.delete_data_item(data_id))
        result = sync_upload([file], A_METADATA)
        assert result["data_id"] != data_id
        assert_at_rest(sync_studio, sync_upload, {"new.csv": b"1"}, A_METADATA, sync_api)

    @pytest.mark.parametrize("operation", [UPDATE, ADD, DELETE_FILE, "listOrganizationFiles"])
    @pytest.mark.parametrize("skip", [0, 1])
    def test_before_a_second_try(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, operation: str, skip: int
    ) -> None:
        """The first try fails, and before the second one the item is gone."""
        sync_upload(A | {"old.csv": b"x"}, A_METADATA)
        other = sync_open()

        def delete(seconds: float) -> None:
            for item in sync_studio.items():
                other.delete_data_item(item.id)

        sync_studio.inject(Fault(operation=operation, kind="status", status=503, skip=skip))
        api = sync_open(sleep=delete)
        if (operation, skip) == ("listOrganizationFiles", 1):
            # After the last file was sent, a listing that lags behind looks the same: it is left to the next run.
            with pytest.raises(EdgeImpulseResponseError) as caught:
                sync_upload(B, B_METADATA, api=api)
            assert caught.value.retryable
        else:
            sync_upload(B, B_METADATA, api=api)
            assert_stored(sync_studio, B, B_METADATA)
        assert_at_rest(sync_studio, sync_upload, B, B_METADATA, other)

    def test_between_creation_and_completion(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_open: OpenClient, large: dict[str, Any]
    ) -> None:
        other = sync_open()
        third = MeddlingFile("3.csv", b"3")
        third.meddle = lambda: other.delete_data_item(sync_studio.items()[0].id)
        files = {"1.csv": b"1", "2.csv": b"2", "3.csv": b"3"}
        sources = [*made_up({"1.csv": b"1", "2.csv": b"2"}), third]
        result = sync_upload(sources, A_METADATA, api=sync_open(**large | {"batch_files": 2}))
        assert result["outcome"] == "created"
        assert_at_rest(sync_studio, sync_upload, files, A_METADATA, other)


class TestRequestsThatAreTooLarge:
    """A proxy before the service takes less at once than the service does."""

    FILES: ClassVar = {f"{number:02}.bin": bytes([number]) * 20_000 for number in range(20)}

    @pytest.mark.parametrize("most", [25_000, 100_000, 300_000])
    def test_are_halved_until_they_are_taken(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, most: int
    ) -> None:
        sync_studio.settings.max_request_bytes = most
        assert sync_upload(self.FILES, A_METADATA)["outcome"] == "created"
        assert_at_rest(sync_studio, sync_upload, self.FILES, A_METADATA, sync_api)

    @pytest.mark.parametrize("most", [25_000, 100_000])
    def test_are_halved_in_an_update(
        self, sync_studio: EmulatorServer, sync_upload: Upload, sync_api: OrganizationDataApi, most: int
    ) -> None:
        sync_upload({"old.bin": b"old"}, A_METADATA)
        sync_studio.settings.max_request_bytes = most
        assert sync_upload(self.FILES, B_METADATA)["outcome"] == "updated"
        assert_at_rest(sync_studio, sync_upload, self.FILES, B_METADATA, sync_api)

    def test_end_the_upload_when_a_single_file_is_too_large(
        self, sync_studio: EmulatorServer, sync_upload: Upload
    ) -> None:
        sync_studio.settings.max_request_bytes = 10_000
        with pytest.raises(EdgeImpulseTooLargeError) as caught:
            sync_upload(self.FILES, A_METADATA)
        assert not caught.value.retryable
        assert sync_studio.items() == []
        sent = [len(request.files) for request in sync_studio.requests() if request.operation == CREATE]
        assert len(sent) <= 6  # 20, 10, 5, 2, 1
