"""Changes that others make during an upload or a sync are not overwritten, deleted or misreported."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import fsspec
import pytest

from airflow_provider_ei.emulator import EmulatorServer, RequestRecord
from airflow_provider_ei.exceptions import EdgeImpulseConflictError, EdgeImpulseResponseError
from tests.support.files import discover
from tests.support.studio import CREATE, contents, operations

from .lab import SyncLab


def test_an_item_of_others_with_files_of_the_same_sizes_and_other_bytes_is_left_alone(
    sync_studio: EmulatorServer, sync_upload: Any
) -> None:
    data_id = sync_studio.put_item("run 1", "d", {"by": "hand"}, {"x.csv": b"AAAA", "y.csv": b"1"})
    before = sync_studio.state()
    with pytest.raises(EdgeImpulseConflictError, match=r"'x\.csv'"):
        sync_upload({"x.csv": b"AAAB", "y.csv": b"1"})
    assert operations(sync_studio) == []
    assert sync_studio.state() == before
    assert sync_upload({"x.csv": b"AAAB", "y.csv": b"1"}, if_exists="overwrite")["data_id"] == data_id


@pytest.mark.parametrize("service", ["new_id", "reject", "merge"])
def test_an_item_that_others_add_while_a_sync_sends_is_neither_changed_nor_there_twice(
    lab: SyncLab, service: str
) -> None:
    lab.server.settings.change({"duplicate_names": service})
    lab.write({f"s{number}/x.csv": str(number) for number in range(5)})
    lab.by_hand("another one of theirs", {"x.csv": b"1"})
    theirs = {"x.csv": b"precious", "y.csv": b"more"}
    added: list[int] = []

    def add(request: RequestRecord) -> None:
        if request.operation == CREATE and not added:
            added.append(0)
            added[0] = lab.server.put_item("s3", "d", {"by": "hand"}, theirs)

    lab.server.before_request(add)
    try:
        error = lab.fails(workers=1)
    finally:
        lab.server.before_request(None)
    assert not error.retryable
    assert [failure["name"] for failure in error.summary["failures"]] == ["s3"]
    assert "was not uploaded by this package" in error.summary["failures"][0]["reason"]
    assert lab.items()["s3"].metadata == {"by": "hand"}
    assert contents(lab.server, added[0]) == theirs


class TestSeveralOfOneNameThatTheSourceNoLongerHas:
    """With our state copied to it, an item of a person looks like ours."""

    def others(self, lab: SyncLab, *others: bytes) -> None:
        lab.write({f"s{number}/x.csv": "same" for number in range(5)})
        lab.sync()
        ours = lab.items()["s0"]
        for data in others:
            lab.server.put_item("s0", "d", ours.metadata, {"x.csv": data})
        lab.remove("s0/x.csv")

    @pytest.mark.parametrize("others", [[b"diff"], [b"same", b"diff"], [b"same"] * 19], ids=["one", "two", "nineteen"])
    def test_none_is_deleted_unless_all_are_copies(self, lab: SyncLab, others: list[bytes]) -> None:
        self.others(lab, *others)
        before = lab.server.state()
        planned = lab.sync(delete="extra", max_delete="100%", dry_run=True)
        done = lab.sync(delete="extra", max_delete="100%")
        assert lab.server.state() == before
        count = 1 + len(others)
        assert (planned["deleted"], planned["kept"]) == (done["deleted"], done["kept"]) == (0, count)
        ids = [str(item.id) for item in lab.server.items("d") if item.name == "s0"]
        assert all(one in done["kept_items"][0]["reason"] for one in ids[:3])

    def test_copies_are_deleted_with_the_item(self, lab: SyncLab) -> None:
        self.others(lab, b"same")
        assert lab.sync(delete="extra", dry_run=True)["deleted"] == 2
        assert lab.sync(delete="extra")["deleted"] == 2
        lab.assert_in_step()


def test_a_dry_run_does_not_promise_to_remove_a_duplicate_that_is_no_copy(lab: SyncLab) -> None:
    lab.write({"s0/x.csv": "same", "s1/x.csv": "same"})
    lab.sync()
    lab.server.put_item("s0", "d", lab.items()["s0"].metadata, {"x.csv": b"diff"})
    planned = lab.sync(dry_run=True)
    done = lab.fails().summary
    assert (planned["deduplicated"], planned["failed"], planned["unchanged"]) == (0, 1, 1)
    assert planned["failures"] == done["failures"]


def test_a_dry_run_does_not_promise_to_delete_what_the_run_keeps(lab: SyncLab) -> None:
    lab.write({f"s{number}/a/x.csv": "1" for number in range(3)})
    lab.sync()
    rules: dict[str, Any] = {"depth": 2, "delete": "extra", "max_delete": "100%"}
    planned = lab.sync(dry_run=True, **rules)
    done = lab.sync(**rules)
    assert (planned["deleted"], planned["kept"]) == (done["deleted"], done["kept"]) == (0, 3)
    assert planned["kept_items"] == sorted(done["kept_items"], key=itemgetter("name"))
    assert planned["plan"]["delete"] == []


def test_files_of_a_store_that_tells_times_in_two_forms_are_sent_from_a_folder(
    sync_studio: EmulatorServer, sync_upload: Any
) -> None:
    store = fsspec.filesystem("memory", use_listings_cache=False)
    store.pipe("/times/run 1/x.csv", b"1")
    files = discover("memory://times/run 1", lambda uri: (store, "/times/run 1"))
    result = sync_upload(files)
    assert contents(sync_studio, result["data_id"]) == {"x.csv": b"1"}
    store.rm("/times", recursive=True)


@pytest.mark.parametrize("totals", [True, False])
def test_a_service_that_ignores_the_offset_is_an_error_for_good(
    lab: SyncLab, monkeypatch: pytest.MonkeyPatch, totals: bool
) -> None:
    monkeypatch.setattr("airflow_provider_ei.studio.api.pages.PAGE_ITEMS", 3)
    lab.server.settings.change({"listing_offset": "ignored", "listing_totals": totals})
    for number in range(7):
        lab.server.put_item(f"theirs {number}", "d", {}, {"x.csv": b"1"})
    lab.write({"s0/x.csv": "1"})
    with pytest.raises(EdgeImpulseResponseError, match="does not list as its API promises") as caught:
        lab.sync()
    assert not caught.value.retryable
    assert lab.operations() == []
