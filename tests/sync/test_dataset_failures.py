"""What fails, and what that must not do to the rest."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from airflow_provider_ei.emulator import Fault, StoredItem
from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseCancelledError,
    EdgeImpulseInputError,
    EdgeImpulseResponseError,
    EdgeImpulseSyncError,
    EdgeImpulseUnavailableError,
)
from airflow_provider_ei.results import MAX_DESCRIBED_FAILURES
from airflow_provider_ei.studio.api.organizations import list_organizations
from tests.support.items import state_of
from tests.support.studio import CREATE, DELETE, LIST

from .lab import SyncLab

NAMES = [f"s{number:02}" for number in range(6)]
FILES = {f"{name}/motion.csv": f"{name} 1" for name in NAMES}


@pytest.fixture
def synced(lab: SyncLab) -> SyncLab:
    """A lab after its first sync; one item has gone from the folder since."""
    lab.write({**FILES, "gone/x.csv": "1"})
    lab.sync()
    lab.remove("gone/x.csv")
    return lab


def is_pending(item: StoredItem) -> bool:
    """Whether an upload of ours has begun there and not ended."""
    state = state_of(item)
    return state is not None and not state.complete


def names(error: Any) -> list[str]:
    return sorted(failure["name"] for failure in error.summary["failures"])


class TestOneItem:
    """The others are done, nothing is deleted, and the next run does what is left."""

    def assert_only(self, lab: SyncLab, name: str, words: str, *, permanent: bool, **more: Any) -> None:
        error = lab.fails(delete="extra", **more)
        assert names(error) == [name]
        assert error.summary["failures"][0]["reason"] in str(error)
        assert words in str(error)
        assert str(error).startswith(f"1 of {len(lab.trees())} data items failed:\n  {name!r}: ")
        assert error.retryable is not permanent
        assert (error.summary["failed"], error.summary["deleted"]) == (1, 0)
        assert DELETE not in lab.operations()
        assert "gone" in lab.items()

    def assert_next_run(self, lab: SyncLab, name: str, **counts: int) -> None:
        summary = lab.sync(delete="extra")
        assert summary["changed"] == sorted(["gone", name])
        assert (summary["deleted"], summary["failed"]) == (1, 0)
        assert {what: summary[what] for what in counts} == counts  # type: ignore[literal-required]
        assert {path.partition("/")[0] for path in lab.opened} <= {name}
        lab.assert_in_step()
        lab.assert_at_rest()

    @pytest.mark.parametrize("workers", [1, 4])
    @pytest.mark.parametrize(
        ("fault", "words", "permanent"),
        [
            pytest.param({"kind": "success_false", "error": "Dataset is archived"}, "archived", True, id="refused"),
            pytest.param({"kind": "status", "status": 400}, "400", True, id="bad request"),
            pytest.param({"kind": "status", "status": 503, "count": 2}, "503", False, id="down"),
            pytest.param({"kind": "drop_before", "count": 2}, "", False, id="dropped"),
        ],
    )
    def test_an_item_that_the_service_refuses_fails_alone(
        self, synced: SyncLab, fault: dict[str, Any], words: str, permanent: bool, workers: int
    ) -> None:
        synced.write({"s04/motion.csv": "longer than before", "new/x.csv": "1"})
        synced.server.inject(Fault(operation=CREATE, **fault))
        api = synced.other_api(retry_attempts=2)
        self.assert_only(synced, "new", words, permanent=permanent, api=api, workers=workers)
        assert "s04" in synced.trees()
        self.assert_next_run(synced, "new", created=1, unchanged=6)

    def test_a_half_done_item_is_repaired_by_the_next_run(self, synced: SyncLab) -> None:
        synced.write({"s04/motion.csv": "longer than before"})
        synced.server.inject(Fault(operation="addOrganizationDataFile", kind="status", status=400))
        self.assert_only(synced, "s04", "400", permanent=True)
        assert is_pending(synced.items()["s04"])
        self.assert_next_run(synced, "s04", repaired=1, unchanged=5)

    @pytest.mark.parametrize("at", [1, 2])
    def test_an_item_whose_file_changes_meanwhile_fails_alone(self, synced: SyncLab, at: int) -> None:
        synced.write({"new/x.csv": "1"})
        opened: list[str] = []

        def change(path: str) -> None:
            opened.append(path)
            if opened.count("new/x.csv") == at:
                synced.write({"new/x.csv": "2"})

        synced.on_open = change
        self.assert_only(synced, "new", "was changed after the task had begun with it", permanent=False)
        synced.on_open = lambda path: None
        self.assert_next_run(synced, "new", created=1, unchanged=6)

    def test_an_item_whose_file_is_removed_meanwhile_fails_alone(self, synced: SyncLab) -> None:
        synced.write({"new/x.csv": "1", "new/y.csv": "1"})
        synced.on_open = lambda path: (synced.top / "new/x.csv").unlink(missing_ok=True)
        self.assert_only(synced, "new", "cannot be read now: No such file or directory", permanent=False)
        self.assert_next_run(synced, "new", created=1, unchanged=6)

    def test_an_item_whose_folder_disappears_after_the_walk_fails_and_is_not_deleted(self, synced: SyncLab) -> None:
        synced.write({"s03/motion.csv": "other"})
        run = synced.prepare(delete="extra")
        files = [name for name in FILES if name.startswith("s03/")]
        synced.remove(*files)
        before = synced.items()["s03"]
        with pytest.raises(EdgeImpulseSyncError, match="is gone now") as caught:
            run.run()
        assert (names(caught.value), caught.value.retryable) == (["s03"], True)
        assert synced.items()["s03"] == before
        assert DELETE not in synced.operations()

    def test_an_item_with_a_broken_link_fails_alone(self, synced: SyncLab) -> None:
        (synced.top / "s03/y.csv").symlink_to("/nowhere")
        self.assert_only(synced, "s03", "which does not exist", permanent=True)
        (synced.top / "s03/y.csv").unlink()
        synced.write({"s03/y.csv": "1"})
        self.assert_next_run(synced, "s03", updated=1, unchanged=5)

    def test_an_item_whose_disk_is_not_mounted_fails_and_is_not_deleted(self, synced: SyncLab) -> None:
        elsewhere = synced.top.parent / "disk"
        (synced.top / "s03").rename(elsewhere)
        (synced.top / "s03").symlink_to(elsewhere)
        elsewhere.rename(synced.top.parent / "unmounted")
        error = synced.fails(delete="extra")
        assert "s03" in synced.items()
        assert names(error) == ["s03"]

    def test_an_item_with_an_invalid_sidecar_fails_alone(self, synced: SyncLab) -> None:
        synced.write({"s03/ei-metadata.json": "{}"})
        self.assert_only(synced, "s03", "'s03': ", permanent=True)
        synced.write({"s03/ei-metadata.json": '{"version": 1, "action": "add", "metadata": {}}', "s03/y.csv": "1"})
        summary = synced.sync(delete="extra")
        assert (summary["updated"], summary["deleted"]) == (1, 1)
        synced.assert_in_step()

    def test_an_item_with_colliding_file_names_fails_alone(self, synced: SyncLab) -> None:
        synced.write({"s03/MOTION.csv": "1"})
        self.assert_only(synced, "s03", "have names that collide", permanent=True)

    def test_an_item_with_an_invalid_name_fails_alone(self, synced: SyncLab) -> None:
        (synced.top / "s 04 ").mkdir()
        synced.write({"s 04 /x.csv": "1"})
        self.assert_only(synced, "s 04 ", "it begins or ends with white space", permanent=True)


def test_a_name_that_is_not_unicode_is_escaped_in_summaries_and_messages(lab: SyncLab) -> None:
    """What is told goes into XComs and databases, which take nothing but Unicode."""
    folder = os.fsencode(lab.top) + b"/bad\xff"
    os.mkdir(folder)
    with open(folder + b"/x.csv", "wb") as file:
        file.write(b"1")
    lab.write({"good/\udcff.csv": "1", "fine/x.csv": "2"})
    would, error = lab.sync(dry_run=True), lab.fails()
    assert names(error) == ["bad\\udcff", "good"]
    for told in (would, error.summary, str(error)):
        json.dumps(told, ensure_ascii=False).encode()
    assert list(lab.items()) == ["fine"]


class TestManyItems:
    def test_a_summary_describes_the_first_failures_and_counts_all(self, lab: SyncLab) -> None:
        lab.write({f"s{number:02}/x.csv": "1" for number in range(MAX_DESCRIBED_FAILURES + 5)})
        lab.server.inject(Fault(operation=CREATE, kind="success_false", error="no " * 200, count=100))
        error = lab.fails()
        assert error.summary["failed"] == MAX_DESCRIBED_FAILURES + 5
        assert len(error.summary["failures"]) == MAX_DESCRIBED_FAILURES
        assert max(len(failure["reason"]) for failure in error.summary["failures"]) == 300
        assert str(error).endswith("\n  and 5 more.")
        assert lab.items() == {}

    def test_a_sync_is_retryable_when_one_of_its_failures_is(self, lab: SyncLab) -> None:
        lab.write(FILES)
        lab.server.inject(
            Fault(operation=CREATE, kind="success_false"), Fault(operation=CREATE, kind="status", status=503, skip=1)
        )
        error = lab.fails(workers=1, api=lab.other_api(retry_attempts=1))
        assert (names(error), error.retryable) == (["s00", "s01"], True)


class TestServiceThatIsDown:
    MANY = {f"s{number:02}/x.csv": str(number) for number in range(40)}

    def test_a_service_that_is_down_ends_the_run_early(self, lab: SyncLab) -> None:
        lab.write(self.MANY)
        lab.server.inject(Fault(operation=CREATE, kind="status", status=503, skip=3, count=10_000))
        error = lab.fails(workers=1, api=lab.other_api(retry_attempts=2))
        assert (error.summary["created"], error.summary["failed"], error.retryable) == (3, 37, True)
        tried = {request.fields["name"] for request in lab.server.requests() if request.operation == CREATE}
        assert sorted(tried) == [f"s{number:02}" for number in range(11)]
        assert error.summary["failures"][-1]["reason"].startswith("Not tried: the 8 data items before it")

    @pytest.mark.parametrize("workers", [2, 8])
    def test_a_service_that_is_down_ends_the_run_early_with_several_workers(self, lab: SyncLab, workers: int) -> None:
        lab.write(self.MANY)
        lab.server.inject(Fault(operation=CREATE, kind="status", status=503, count=10_000))
        error = lab.fails(workers=workers, api=lab.other_api(retry_attempts=1))
        assert error.summary["failed"] == 40
        tried = {request.fields["name"] for request in lab.server.requests() if request.operation == CREATE}
        assert max(8, 2 * workers) <= len(tried) < max(8, 2 * workers) + workers

    def test_occasional_successes_keep_the_run_going(self, lab: SyncLab) -> None:
        lab.write(self.MANY)
        for number in range(40):
            if number % 6:
                lab.server.inject(Fault(operation=CREATE, kind="status", status=503, skip=number))
        error = lab.fails(workers=1, api=lab.other_api(retry_attempts=1))
        assert error.summary["created"] + error.summary["failed"] == 40
        assert not [failure for failure in error.summary["failures"] if "Not tried" in failure["reason"]]
        lab.sync()
        lab.assert_in_step()

    def test_a_service_that_is_down_from_the_beginning_gets_two_requests(self, synced: SyncLab) -> None:
        before = synced.server.state()
        synced.server.inject(Fault(operation="*", kind="status", status=503, count=100))
        with pytest.raises(EdgeImpulseUnavailableError):
            synced.sync(delete="extra", api=synced.other_api(retry_attempts=2))
        assert [request.operation for request in synced.server.requests()] == [LIST] * 2
        assert synced.server.state() == before


class TestListingThatIsWrong:
    """What is not listed is not taken for what is not there."""

    BODIES = {
        "empty": '{"success": true, "totalDataItemCount": 7, "data": []}',
        "no list": '{"success": true, "totalDataItemCount": 0}',
        "html": "<html>Welcome</html>",
        "refused": '{"success": false, "error": "try later"}',
        "filter": '{"success": true, "filterParseError": "?", "totalDataItemCount": 0, "data": []}',
    }

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_a_wrong_listing_at_the_beginning_ends_the_run(self, synced: SyncLab, body: str) -> None:
        before = synced.server.state()
        synced.write({"new/x.csv": "1"})
        synced.server.inject(Fault(operation=LIST, kind="status", status=200, body=body, count=100))
        with pytest.raises(Exception, match=LIST):
            synced.sync(delete="extra", max_delete="100%")
        assert synced.operations() == []
        assert synced.server.state() == before

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_a_wrong_listing_at_the_end_deletes_nothing(self, synced: SyncLab, body: str) -> None:
        synced.write({f"new {number}/x.csv": "1" for number in range(3)})
        synced.server.inject(Fault(operation=LIST, kind="status", status=200, body=body, skip=1, count=100))
        with pytest.raises(Exception, match=LIST):
            synced.sync(delete="extra", max_delete="100%", api=synced.other_api(retry_attempts=1))
        assert DELETE not in synced.operations()
        assert len(synced.items()) == 10
        synced.server.clear_faults()
        assert synced.sync(delete="extra")["changed"] == ["gone"]
        synced.assert_in_step()

    def test_an_item_that_is_listed_late_is_found(self, synced: SyncLab) -> None:
        """The service answers, and stores the item after the listing at the end."""
        synced.write({f"new {number}/x.csv": "1" for number in range(3)})
        synced.server.inject(Fault(operation=CREATE, kind="store_late", delay_seconds=0.3))
        api = synced.other_api(sleep=lambda seconds: time.sleep(0.4))
        assert synced.sync(api=api)["created"] == 3
        synced.assert_in_step(besides={"gone"})

    def test_a_listing_that_lacks_an_item_ends_the_run(self, synced: SyncLab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("airflow_provider_ei.studio.api.pages.PAGE_ITEMS", 3)
        last = '{"success": true, "totalDataItemCount": 7, "data": []}'
        synced.server.inject(Fault(operation=LIST, kind="status", status=200, body=last, skip=2, count=99))
        with pytest.raises(EdgeImpulseResponseError, match=r"incomplete: \d data items of 7"):
            synced.sync(delete="extra")
        assert synced.operations() == []


class TestWrongKey:
    def test_a_wrong_key_stops_the_run_at_once(self, lab: SyncLab) -> None:
        lab.write(FILES)
        with pytest.raises(EdgeImpulseAuthError):
            lab.sync(api=lab.other_api(api_key="ei_another_key"))
        assert len(lab.server.requests()) == 1
        assert lab.opened == []

    def test_a_key_that_is_revoked_meanwhile_stops_the_run(self, lab: SyncLab) -> None:
        lab.write({f"s{number:02}/x.csv": "1" for number in range(30)})
        lab.server.inject(Fault(operation=CREATE, kind="status", status=401, skip=5, count=1000))
        with pytest.raises(EdgeImpulseAuthError):
            lab.sync(workers=2)
        assert lab.operations().count(CREATE) <= 5 + 2 + 1
        assert len(lab.items()) <= 6

    def test_a_key_that_may_not_delete_stops_the_run(self, synced: SyncLab) -> None:
        synced.server.inject(Fault(operation=DELETE, kind="status", status=403, count=9))
        with pytest.raises(EdgeImpulseAuthError):
            synced.sync(delete="extra")
        assert "gone" in synced.items()


class TestCancelled:
    @pytest.mark.parametrize("workers", [1, 4])
    def test_a_cancelled_run_leaves_nothing_pending(self, lab: SyncLab, workers: int) -> None:
        lab.write({**FILES, "gone/x.csv": "1"})
        lab.sync()
        lab.remove("gone/x.csv")
        lab.write({f"new {number}/x.csv": str(number) for number in range(20)})
        api = lab.other_api()
        lab.on_open = lambda path: api.http.cancel() if path == "new 13/x.csv" else None
        with pytest.raises(EdgeImpulseCancelledError):
            lab.sync(api=api, workers=workers, delete="extra")
        assert DELETE not in lab.operations()
        lab.on_open = lambda path: None
        list_organizations(lab.someone.http)  # a request that was cut may still be on its way; this one comes after it
        done = {name: not is_pending(item) for name, item in lab.items().items()}
        assert all(done.values())
        assert len(done) < 27
        summary = lab.sync(delete="extra")
        assert summary["deleted"] == 1
        lab.assert_in_step()

    def test_a_run_that_is_cancelled_before_it_begins_sends_nothing(self, lab: SyncLab) -> None:
        lab.write(FILES)
        api = lab.other_api()
        api.http.cancel()
        with pytest.raises(EdgeImpulseCancelledError):
            lab.sync(api=api)
        assert lab.server.requests() == []

    def test_a_run_that_is_cancelled_while_it_reads_changes_nothing(self, lab: SyncLab) -> None:
        lab.write(FILES)
        lab.sync()
        lab.touch(*FILES)
        api = lab.other_api()
        lab.on_open = lambda path: api.http.cancel()
        with pytest.raises(EdgeImpulseCancelledError):
            lab.sync(api=api, workers=1)
        assert (len(lab.opened), lab.operations()) == (1, [])


def test_an_unexpected_error_ends_the_run(lab: SyncLab) -> None:
    lab.write(FILES)

    def fail(path: str) -> None:
        if path.startswith("s02"):
            raise KeyboardInterrupt

    lab.on_open = fail
    with pytest.raises(KeyboardInterrupt):
        lab.sync(workers=1)
    assert sorted(lab.items()) == ["s00", "s01"]
    lab.on_open = lambda path: None
    assert lab.sync()["created"] == 4
    lab.assert_in_step()


def test_a_source_that_is_gone_sends_nothing(synced: SyncLab) -> None:
    synced.top.rename(synced.top.parent / "moved")
    with pytest.raises(EdgeImpulseInputError, match="does not exist"):
        synced.sync(delete="extra", max_delete="100%")
    assert synced.server.requests() == []
