"""What somebody else has done to the dataset: in Studio, by hand, in another run, or in one that was killed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_ei.emulator import Fault, RequestRecord, StoredItem
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseError, EdgeImpulseSyncError
from airflow_provider_ei.results import SyncSummary
from airflow_provider_ei.sync.dataset.context import MAX_DUPLICATES_PER_RUN
from airflow_provider_ei.sync.item import plan as plan_module
from airflow_provider_ei.sync.item.upload import ItemUpload
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.files import made_up
from tests.support.items import changed_state, complete, state_of, users_metadata
from tests.support.studio import ADD, CREATE, DELETE, LIST, UPDATE, contents

from .lab import METADATA, SyncLab

GET = "getOrganizationDataItem"

NAMES = [f"s{number:02}" for number in range(6)]
FILES = {f"{name}/{file}": f"{name} {file}" for name in NAMES for file in ("motion.csv", "photos/1.jpg")}
S03 = {file: f"s03 {file}" for file in ("motion.csv", "photos/1.jpg")}


@pytest.fixture
def synced(lab: SyncLab) -> SyncLab:
    """A lab after its first sync."""
    lab.write(FILES)
    lab.sync()
    lab.assert_in_step()
    return lab


def set_metadata(lab: SyncLab, **changes: str | None) -> None:
    """Change those of s03, as someone does in Studio."""
    item = lab.items()["s03"]
    metadata = {key: value for key, value in {**item.metadata, **changes}.items() if value is not None}
    lab.someone.update_data_item(item.id, metadata=metadata)


def set_state(lab: SyncLab, **facts: Any) -> None:
    """Change facts in the state that we keep in s03."""
    item = lab.items()["s03"]
    lab.server.edit_item(item.id, metadata=changed_state(item.metadata, **facts))


class TestChangedInStudio:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda c, id: c.delete_file(id, "motion.csv"), id="a file is gone"),
            pytest.param(
                lambda c, id: [c.delete_file(id, f) for f in ("motion.csv", "photos/1.jpg")],
                id="all files are gone",
            ),
            pytest.param(lambda c, id: c.add_files(id, made_up({"z.csv": b"z"})), id="a file has come"),
            pytest.param(lambda c, id: c.add_files(id, made_up({"motion.csv": b"cut"})), id="a file is another one"),
        ],
    )
    def test_files_are_repaired(self, synced: SyncLab, change: Any) -> None:
        change(synced.someone, synced.items()["s03"].id)
        summary = synced.sync()
        assert (summary["repaired"], summary["unchanged"], summary["changed"]) == (1, 5, ["s03"])
        assert {path.partition("/")[0] for path in synced.opened} <= {"s03"}
        synced.assert_in_step()
        synced.assert_at_rest()

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"study": "nap"}, id="a value"),
            pytest.param({"study": None}, id="a key is gone"),
            pytest.param({"study": ""}, id="a blank value"),
            pytest.param({"study": "nap", "by": "hand"}, id="a value, and a key of theirs"),
        ],
    )
    def test_metadata_are_repaired(self, synced: SyncLab, changed: dict[str, str | None]) -> None:
        set_metadata(synced, **changed)
        summary = synced.sync()
        assert (summary["unchanged"], summary["updated"]) == (5, 1)
        assert UPDATE in synced.operations()
        assert {path.partition("/")[0] for path in synced.opened} <= {"s03"}
        theirs = {"by": "hand"} if "by" in changed else {}
        (item,) = (item for item in synced.server.items("d") if item.name == "s03")
        assert users_metadata(item.metadata) == {**METADATA, **theirs}
        synced.assert_at_rest()

    @pytest.mark.parametrize(
        "facts",
        [
            {"digest": "0" * 64},
            {"fingerprint": None},
            {"fingerprint": "x"},
            {"state": "pending"},
            {"stored_files": "0" * 16},
        ],
        ids=str,
    )
    def test_a_state_that_was_edited_is_repaired(self, synced: SyncLab, facts: dict[str, Any]) -> None:
        set_state(synced, **facts)
        summary = synced.sync()
        assert summary["unchanged"] >= 5
        assert UPDATE in synced.operations()
        assert {path.partition("/")[0] for path in synced.opened} <= {"s03"}
        synced.assert_in_step()
        synced.assert_at_rest()

    def test_an_item_that_was_deleted_is_there_again(self, synced: SyncLab) -> None:
        synced.someone.delete_data_item(synced.items()["s03"].id)
        assert synced.sync()["changed"] == ["s03"]
        synced.assert_in_step()

    def test_all_items_were_deleted(self, synced: SyncLab) -> None:
        for item in synced.server.items("d"):
            synced.someone.delete_data_item(item.id)
        assert synced.sync(delete="extra")["created"] == 6
        synced.assert_in_step()

    def test_an_item_that_was_moved_to_another_dataset_is_left_there(self, synced: SyncLab) -> None:
        moved = synced.items()["s03"].id
        synced.someone.update_data_item(moved, dataset="archive")
        assert synced.sync(delete="extra")["changed"] == ["s03"]
        assert [item.id for item in synced.server.items("archive")] == [moved]
        synced.assert_in_step()

    def test_an_item_that_is_taken_from_us_is_left_alone(self, synced: SyncLab) -> None:
        for text in (None, "", "no json", '{"version": 2}'):
            set_metadata(synced, **{STATE_KEY: text})
            before = synced.items()["s03"]
            assert "was not uploaded by this package" in str(synced.fails(delete="extra"))
            assert synced.items()["s03"] == before

    @pytest.mark.parametrize("facts", [{"name": "s04"}, {"dataset": "archive"}, {"version": 2}], ids=str)
    def test_an_item_with_a_state_of_another_one_is_left_alone(self, synced: SyncLab, facts: dict[str, Any]) -> None:
        set_state(synced, **facts)
        before = synced.items()["s03"]
        assert "was not uploaded by this package" in str(synced.fails(delete="extra"))
        assert synced.items()["s03"] == before

    def test_an_item_that_a_person_has_renamed_is_left_alone_and_made_anew(self, synced: SyncLab) -> None:
        renamed = synced.items()["s03"]
        synced.server.edit_item(renamed.id, name="s03 good")
        for changed in (["s03"], []):
            assert synced.sync(delete="extra")["changed"] == changed
            assert synced.items()["s03 good"].metadata == renamed.metadata
            synced.assert_in_step(besides={"s03 good"})

    def test_an_item_that_is_deleted_while_it_is_changed(self, synced: SyncLab) -> None:
        gone = synced.items()["s03"].id
        synced.write({"s03/motion.csv": "other"})

        def delete(path: str) -> None:
            if gone in {item.id for item in synced.server.items("d")}:
                synced.someone.delete_data_item(gone)

        synced.on_open = delete
        synced.sync()
        assert synced.items()["s03"].id != gone
        synced.assert_in_step()


class TestKilled:
    """A run that ends in the middle of an item leaves it pending; what it had completed stays."""

    @pytest.fixture
    def large(self, lab: SyncLab, monkeypatch: pytest.MonkeyPatch) -> SyncLab:
        monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", 10)
        lab.api = lab.other_api(batch_files=1)
        lab.write(FILES)
        return lab

    def kill(self, lab: SyncLab, at: str, **more: Any) -> None:
        """End the run when that file is opened."""
        lab.on_open = lambda path: lab.api.http.cancel() if path == at else None
        with pytest.raises(EdgeImpulseCancelledError):
            lab.sync(**more)
        lab.on_open = lambda path: None
        lab.api = lab.other_api(batch_files=1)

    @pytest.mark.parametrize("workers", [1, 4])
    def test_at_first(self, large: SyncLab, workers: int) -> None:
        self.kill(large, "s03/photos/1.jpg", workers=workers)
        states = {name: state_of(item) for name, item in large.items().items()}
        done = [name for name, state in states.items() if state is not None and state.complete]
        assert "s03" not in done
        assert {state and state.sync for state in states.values()} == {"nightly"}
        if workers == 1:
            assert done == NAMES[:3]
        summary = large.sync()
        assert summary["repaired"] == len(states) - len(done)
        assert summary["unchanged"] == len(done)
        assert summary["created"] == 6 - len(states)
        assert {path.partition("/")[0] for path in large.opened}.isdisjoint(done)
        large.assert_in_step()
        large.assert_at_rest()

    def test_in_an_update(self, large: SyncLab) -> None:
        large.sync()
        large.write({"s03/photos/1.jpg": "other", "s03/motion.csv": "another", "s04/motion.csv": "longer than before"})
        self.kill(large, "s03/photos/1.jpg", workers=1)
        state = state_of(large.items()["s03"])
        assert state is not None
        assert not state.complete
        summary = large.sync()
        assert (summary["repaired"], summary["updated"], summary["unchanged"]) == (1, 1, 4)
        large.assert_in_step()
        large.assert_at_rest()

    def test_in_an_update_that_is_taken_back(self, large: SyncLab) -> None:
        """A, half of B, A: what looks as it did when A was complete is not taken for A."""
        large.sync()
        old = large.trees()["s03"]
        times = [(large.top / "s03" / name).stat().st_mtime_ns for name in old]
        large.write({f"s03/{name}": data + b"!" for name, data in old.items()})
        self.kill(large, "s03/photos/1.jpg", workers=1)
        large.write({f"s03/{name}": data for name, data in old.items()})
        for name, mtime in zip(old, times, strict=True):
            os.utime(large.top / "s03" / name, ns=(mtime, mtime))
        assert large.sync()["repaired"] == 1
        large.assert_in_step()
        large.assert_at_rest()


class TestSomeoneElses:
    def test_an_item_of_the_same_name_is_never_touched(self, lab: SyncLab) -> None:
        lab.write(FILES)
        lab.by_hand("s02", {"motion.csv": b"s02 motion.csv", "photos/1.jpg": b"s02 photos/1.jpg"})
        before = lab.items()["s02"]
        for delete in ("never", "extra"):
            error = lab.fails(delete=delete, max_delete="100%")
            assert not error.retryable
            assert error.summary["failures"] == [
                {
                    "name": "s02",
                    "reason": "Data item 's02' is in dataset 'd' already and was not uploaded by this package "
                    f"(id {before.id}). A sync does not touch it. Delete or rename it in Studio, or take it over once "
                    "with EdgeImpulseAddDataOperator, with the same files and metadata.",
                }
            ]
            assert lab.items()["s02"] == before
        assert sorted(lab.items()) == NAMES

    def test_items_of_other_names_are_left_alone(self, lab: SyncLab) -> None:
        lab.write(FILES)
        lab.by_hand("mine", {"x.csv": b"1"})
        lab.by_hand("other sync", {"x.csv": b"1"}, complete({"x.csv": b"1"}, name="other sync", sync="hourly"))
        before = lab.server.items("d")
        lab.sync(delete="extra", max_delete="100%")
        lab.assert_in_step(besides={"mine", "other sync"})
        assert lab.server.items("d")[:2] == before

    def test_what_a_single_upload_has_made_is_taken_over_when_it_is_equal(self, synced: SyncLab) -> None:
        self.upload(synced, {name: data.encode() for name, data in S03.items()}, METADATA)
        state = state_of(synced.items()["s03"])
        assert state is not None
        assert state.sync is None  # which takes it out of the sync, although nothing else has changed
        summary = synced.sync()
        assert (summary["unchanged"], synced.operations()) == (6, [UPDATE])
        synced.assert_in_step()
        synced.assert_at_rest()

    @pytest.mark.parametrize(
        ("files", "metadata"),
        [
            ({"motion.csv": b"theirs"}, METADATA),
            ({"motion.csv": b"S03 MOTION.CSV", "photos/1.jpg": b"s03 photos/1.jpg"}, METADATA),
            ({name: data.encode() for name, data in S03.items()}, {"study": "nap"}),
        ],
        ids=["files", "bytes of the same sizes", "metadata"],
    )
    @pytest.mark.parametrize("first", ["sync", "single upload"])
    def test_what_a_single_upload_has_made_otherwise_is_left_alone(
        self, lab: SyncLab, files: dict[str, bytes], metadata: dict[str, str], first: str
    ) -> None:
        lab.write(FILES)
        if first == "sync":
            lab.sync()
        self.upload(lab, files, metadata)
        before = lab.items()["s03"]
        for delete in ("never", "extra"):
            error = lab.fails(delete=delete, max_delete="100%")
            assert not error.retryable
            ((name, reason),) = [(failure["name"], failure["reason"]) for failure in error.summary["failures"]]
            assert name == "s03"
            assert f"(id {before.id}) in Studio if this sync is to have it" in reason
            assert lab.items()["s03"] == before
        assert contents(lab.server, before.id) == files

    def upload(self, lab: SyncLab, files: dict[str, bytes], metadata: dict[str, str]) -> None:
        ItemUpload(lab.someone, WantedItem("s03", "d", made_up(files), metadata)).run()

    def test_two_syncs_of_the_same_names(self, synced: SyncLab) -> None:
        before = synced.server.items("d")
        error = synced.fails(sync_id="hourly", delete="extra", max_delete="100%")
        assert error.summary["failed"] == 6
        assert "belongs to the sync 'nightly', and this is 'hourly'" in str(error)
        assert synced.server.items("d") == before

    def test_two_syncs_of_other_names(self, synced: SyncLab) -> None:
        before = synced.server.items("d")
        elsewhere = synced.top.parent / "elsewhere"
        synced.top.rename(elsewhere)
        synced.top.mkdir()
        synced.write({"t01/x.csv": "1", "t02/x.csv": "2"})
        synced.sync(sync_id="hourly", delete="extra", max_delete="100%")
        synced.remove("t01/x.csv")
        assert synced.sync(sync_id="hourly", delete="extra", max_delete="100%")["deleted"] == 1
        assert synced.server.items("d")[:6] == before
        assert sorted(synced.items()) == [*NAMES, "t02"]

    def test_two_syncs_that_have_made_the_same_item_at_once(self, synced: SyncLab) -> None:
        """Neither deletes what is the other's."""
        item = synced.items()["s03"]
        files = {name: data[::-1] for name, data in contents(synced.server, item.id).items()}
        synced.by_hand("s03", files, changed_state(item.metadata, sync="hourly", digest="f" * 64))
        before = synced.server.state()
        for sync_id in ("nightly", "hourly"):
            assert "belongs to the sync" in str(synced.fails(sync_id=sync_id))
            assert synced.server.state() == before


class TestDuplicates:
    """Several items of one name, all of this sync, as two runs at once or a late answer can leave them."""

    @pytest.mark.parametrize("state", ["complete", "pending"])
    @pytest.mark.parametrize("times", [1, 2, 3])
    def test_copies_are_removed_and_the_oldest_is_kept(self, synced: SyncLab, state: str, times: int) -> None:
        item = synced.items()["s03"]
        files, metadata = contents(synced.server, item.id), dict(item.metadata)
        if state == "pending":
            files, metadata = {"motion.csv": files["motion.csv"]}, changed_state(metadata, state="pending")
        for _ in range(times):
            synced.by_hand("s03", files, metadata)
        summary = synced.sync()
        assert (summary["deduplicated"], summary["failed"], summary["listed"]) == (times, 0, 6 + times)
        assert synced.operations().count(DELETE) == times
        assert synced.items()["s03"].id == item.id
        synced.assert_in_step()
        synced.assert_at_rest()

    @pytest.mark.parametrize("fault", [{"kind": "success_false"}, {"kind": "status", "status": 404}])
    def test_one_that_the_service_refuses_to_show_is_not_taken_for_gone(
        self, synced: SyncLab, fault: dict[str, Any]
    ) -> None:
        item = synced.items()["s03"]
        synced.by_hand("s03", contents(synced.server, item.id), item.metadata)
        synced.server.inject(Fault(operation="getOrganizationDataItem", **fault))
        assert synced.sync()["deduplicated"] == 1
        assert synced.items()["s03"].id == item.id
        synced.assert_in_step()

    @pytest.mark.parametrize("delete", ["never", "extra"])
    @pytest.mark.parametrize("what", ["other bytes", "other files", "a person's metadata", "too many"])
    def test_what_may_be_somebodys_is_never_removed_and_the_ids_are_told(
        self, synced: SyncLab, what: str, delete: str
    ) -> None:
        item = synced.items()["s03"]
        files, metadata = contents(synced.server, item.id), dict(item.metadata)
        if what == "other bytes":
            files = {name: data[::-1] for name, data in files.items()}
        elif what == "other files":
            files, metadata = {"motion.csv": b""}, changed_state(metadata, state="pending")
        elif what == "a person's metadata":
            metadata |= {"label": "good"}
        ids = [synced.by_hand("s03", files, metadata) for _ in range(19 if what == "too many" else 1)]
        before = synced.server.state()
        error = synced.fails(delete=delete)
        assert not error.retryable
        (failure,) = error.summary["failures"]
        assert "Delete or rename all but one of the data items" in failure["reason"]
        assert all(str(data_id) in failure["reason"] for data_id in [item.id, *ids])
        assert synced.operations() == []
        assert synced.server.state() == before

    @pytest.mark.parametrize("workers", [1, 4])
    def test_one_run_removes_only_so_many(self, lab: SyncLab, workers: int) -> None:
        """More of them did not come from answers that were lost."""
        names = [f"{number:02}" for number in range(MAX_DUPLICATES_PER_RUN + 2)]
        lab.write({f"{name}/x.csv": name for name in names})
        lab.sync()
        for name, item in lab.items().items():
            lab.by_hand(name, {"x.csv": name.encode()}, item.metadata)
        error = lab.fails(workers=workers)
        assert (error.summary["deduplicated"], error.summary["failed"]) == (MAX_DUPLICATES_PER_RUN, 2)
        assert lab.operations().count(DELETE) == MAX_DUPLICATES_PER_RUN
        assert len(lab.server.items("d")) == len(names) + 2

    def test_a_dry_run_goes_on_when_one_of_them_is_gone_meanwhile(self, synced: SyncLab) -> None:
        item = synced.items()["s03"]
        duplicate = synced.by_hand("s03", contents(synced.server, item.id), item.metadata)

        def remove(request: Any) -> None:
            if request.operation == "downloadOrganizationDataFile" and len(synced.server.items("d")) == 7:
                synced.server.remove_item(duplicate)

        synced.server.before_request(remove)
        try:
            would = synced.sync(dry_run=True)
        finally:
            synced.server.before_request(None)
        assert would["failed"] == 0
        assert [one.id for one in synced.server.items("d") if one.name == "s03"] == [item.id]

    def test_of_what_the_source_no_longer_has_none_is_deleted_when_the_oldest_is_gone_meanwhile(
        self, synced: SyncLab
    ) -> None:
        """Then nothing proves that the other one is a copy."""
        item = synced.items()["s03"]
        other = synced.by_hand("s03", contents(synced.server, item.id), item.metadata)
        synced.remove("s03/photos/1.jpg", "s03/motion.csv")

        def remove(request: Any) -> None:
            if request.path.endswith(f"/{item.id}") and len(synced.server.items("d")) == 7:
                synced.server.remove_item(item.id)

        synced.server.before_request(remove)
        try:
            summary = synced.sync(delete="extra")
        finally:
            synced.server.before_request(None)
        assert (summary["deleted"], summary["kept"]) == (0, 2)
        assert [one.id for one in synced.server.items("d") if one.name == "s03"] == [other]

    def test_of_what_the_source_no_longer_has_all_are_deleted(self, synced: SyncLab) -> None:
        item = synced.items()["s03"]
        synced.by_hand("s03", contents(synced.server, item.id), item.metadata)
        synced.remove("s03/photos/1.jpg", "s03/motion.csv")
        assert synced.sync(delete="extra")["deleted"] == 2
        synced.assert_in_step()


@pytest.mark.parametrize("duplicates", ["new_id", "merge", "reject"])
@pytest.mark.parametrize("update", ["replace", "merge"])
@pytest.mark.parametrize("second", ["the same", "other bytes"])
def test_two_runs_at_once(lab: SyncLab, duplicates: Any, update: Any, second: str) -> None:
    """One of them may fail, and says so; what is left is one item each, and the next run has next to nothing to do."""
    lab.server.settings.change({"duplicate_names": duplicates, "metadata_update": update, "latency_seconds": 0.002})
    lab.write(FILES)
    first = lab.prepare(api=lab.other_api())
    if second == "other bytes":
        first.plan()  # has looked
        for name in FILES:
            lab.write({name: FILES[name][::-1]})
    runs = [first, lab.prepare(api=lab.other_api())]
    barrier, errors = threading.Barrier(2), []

    def run(number: int) -> None:
        barrier.wait()
        try:
            runs[number].run()
        except EdgeImpulseError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A listing can be incomplete while the other one deletes duplicates, and a name be taken; that passes.
    assert duplicates == "reject" or all(error.retryable for error in errors)
    if not errors:
        lab.assert_in_step()
    lab.sync()
    lab.assert_in_step()
    lab.assert_at_rest()


def test_an_item_made_by_hand_while_the_sync_runs(lab: SyncLab) -> None:
    """It comes too late to be seen in the plan; nothing of it is lost, nor of ours."""
    lab.write(FILES)
    made: list[int] = []

    def make(path: str) -> None:
        if not made:
            made.append(lab.by_hand("s05", {"x.csv": b"by hand"}))

    lab.on_open = make
    lab.sync(workers=1)
    assert contents(lab.server, made[0]) == {"x.csv": b"by hand"}
    for _ in range(2):
        assert lab.sync()["unchanged"] == 6
        assert lab.operations() == []
    ours = [item for item in lab.server.items("d") if item.name == "s05" and item.id != made[0]]
    assert [users_metadata(item.metadata) for item in ours] == [METADATA]


class TestChangedWhileTheSyncRuns:
    """Each item is looked at right before its first change, however new the listing is."""

    def while_it_runs(self, lab: SyncLab, edit: Callable[[StoredItem], object], moment: str) -> SyncSummary:
        """Change s02 and s03; a person edits s03 while s02 is sent, or right before the look at s03."""
        for name in ("s02", "s03"):
            lab.write({f"{name}/motion.csv": "other"})
        item = lab.items()["s03"]

        def look(request: RequestRecord) -> None:
            if (moment == "s02" and request.operation == ADD) or request.path.endswith(f"/{item.id}"):
                lab.server.before_request(None)
                edit(item)

        lab.server.before_request(look)
        try:
            return lab.sync(workers=1)
        finally:
            lab.server.before_request(None)

    @pytest.mark.parametrize("moment", ["s02", "s03"])
    def test_metadata_that_a_person_adds_are_kept(self, synced: SyncLab, moment: str) -> None:
        def label(item: StoredItem) -> None:
            synced.server.edit_item(item.id, metadata=item.metadata | {"label": "good"})

        assert self.while_it_runs(synced, label, moment)["updated"] == 2
        assert users_metadata(synced.items()["s03"].metadata) == {**METADATA, "label": "good"}
        assert contents(synced.server, synced.items()["s03"].id)["motion.csv"] == b"other"

    @pytest.mark.parametrize("moment", ["s02", "s03"])
    @pytest.mark.parametrize("place", [{"name": "s03 good"}, {"dataset": "archive"}], ids=str)
    def test_an_item_that_a_person_renames_or_moves_is_left_alone(
        self, synced: SyncLab, place: dict[str, str], moment: str
    ) -> None:
        before = synced.items()["s03"]
        files = contents(synced.server, before.id)
        self.while_it_runs(synced, lambda item: synced.server.edit_item(item.id, **place), moment)
        (theirs,) = [item for item in synced.server.items() if item.id == before.id]
        assert (theirs.metadata, contents(synced.server, before.id)) == (before.metadata, files)
        assert contents(synced.server, synced.items()["s03"].id)["motion.csv"] == b"other"
        synced.assert_in_step(besides={theirs.name} if theirs.dataset == "d" else None)

    @pytest.mark.parametrize("moment", ["s02", "s03"])
    @pytest.mark.parametrize("text", ["", "hand", "hourly", "single upload"])
    def test_an_item_that_somebody_takes_is_left_alone(self, synced: SyncLab, text: str, moment: str) -> None:
        facts = {"hourly": {"sync": "hourly"}, "single upload": {"sync": None}}.get(text)
        taken = {}

        def take(item: StoredItem) -> None:
            taken.update(changed_state(item.metadata, **facts) if facts else item.metadata | {STATE_KEY: text})
            synced.server.edit_item(item.id, metadata=taken)

        files = contents(synced.server, synced.items()["s03"].id)
        with pytest.raises(EdgeImpulseSyncError) as caught:
            self.while_it_runs(synced, take, moment)
        assert (caught.value.summary["failed"], caught.value.summary["updated"]) == (1, 1)
        after = synced.items()["s03"]
        assert (after.metadata, contents(synced.server, after.id)) == (taken, files)

    def test_a_changed_item_costs_one_look_more(self, synced: SyncLab) -> None:
        synced.write({"s03/motion.csv": "other"})
        synced.sync()
        asked = [request.operation for request in synced.server.requests()]
        assert asked == [LIST, GET, UPDATE, ADD, LIST, UPDATE, LIST]


@pytest.mark.parametrize("operation", [CREATE, LIST])
def test_faults_that_pass_leave_no_trace(lab: SyncLab, operation: str) -> None:
    lab.write(FILES)
    lab.server.inject(
        *(Fault(operation=operation, kind=kind, skip=n) for n, kind in enumerate(("drop_before", "status")))
    )
    summary = lab.sync()
    assert (summary["created"], summary["failed"]) == (6, 0)
    lab.assert_in_step()
    lab.assert_at_rest()
