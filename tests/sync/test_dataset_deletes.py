"""Deletes come last, are limited, and are never made of something else; and a dry run says exactly what a run does."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_ei.emulator import Fault, StoredItem
from airflow_provider_ei.exceptions import EdgeImpulseDeleteLimitError, EdgeImpulseSyncError
from airflow_provider_ei.results import count_changes
from airflow_provider_ei.sync.item.upload import ItemUpload
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.files import made_up
from tests.support.items import changed_state
from tests.support.studio import CREATE, DELETE, LIST, UPDATE, contents

from .lab import METADATA, SyncLab, record_of

GET = "getOrganizationDataItem"

NAMES = [f"s{number:02}" for number in range(8)]
FILES = {f"{name}/motion.csv": f"{name} 1" for name in NAMES}


@pytest.fixture
def synced(lab: SyncLab) -> SyncLab:
    """A lab after its first sync."""
    lab.write(FILES)
    lab.sync(delete="extra")
    return lab


def stored(lab: SyncLab, data_id: int) -> StoredItem:
    """One item, wherever it is now."""
    (item,) = [item for item in lab.server.items() if item.id == data_id]
    return item


def remove(lab: SyncLab, *names: str) -> None:
    lab.remove(*(f"{name}/motion.csv" for name in names))


class TestDeleting:
    @pytest.mark.parametrize("workers", [1, 4])
    def test_deletes_come_last(self, synced: SyncLab, workers: int) -> None:
        remove(synced, "s01", "s02")
        synced.write({"new/x.csv": "1", "new 2/x.csv": "1", "s05/motion.csv": "longer than before"})
        summary = synced.sync(delete="extra", workers=workers)
        assert (summary["deleted"], summary["created"], summary["updated"]) == (2, 2, 1)
        assert summary["changed"] == ["new", "new 2", "s01", "s02", "s05"]
        *_, listing, one, two, three, four = synced.server.requests()
        assert listing.operation == LIST
        # Each delete follows a look at that very item.
        looks = [request.path for request in (one, two, three, four) if request.operation == GET]
        deletes = [request.path for request in (one, two, three, four) if request.operation == DELETE]
        assert (len(looks), sorted(looks)) == (2, sorted(deletes))
        if workers == 1:
            assert [request.operation for request in (one, two, three, four)] == [GET, DELETE, GET, DELETE]
        synced.assert_in_step()
        synced.assert_at_rest(delete="extra")

    def test_deletes_are_in_the_order_of_names(self, synced: SyncLab) -> None:
        names = {item.id: item.name for item in synced.server.items("d")}
        remove(synced, "s03", "s01", "s02")
        synced.sync(delete="extra", workers=1)
        sent = [request for request in synced.server.requests() if request.operation == DELETE]
        assert record_of(sent, names) == [(DELETE, "s01"), (DELETE, "s02"), (DELETE, "s03")]

    def test_nothing_is_deleted_by_default(self, synced: SyncLab) -> None:
        remove(synced, "s01")
        assert synced.sync()["deleted"] == 0
        synced.assert_in_step(besides={"s01"})

    @pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status"])
    def test_a_delete_whose_answer_is_lost_is_counted_once(self, synced: SyncLab, kind: Any) -> None:
        remove(synced, "s01")
        synced.server.inject(Fault(operation=DELETE, kind=kind))
        assert synced.sync(delete="extra")["deleted"] == 1
        synced.assert_in_step()

    def test_an_item_that_somebody_has_deleted_meanwhile_is_not_counted(self, synced: SyncLab) -> None:
        gone = synced.items()["s01"].id
        remove(synced, "s01")
        synced.write({"s02/motion.csv": "other"})
        synced.on_open = lambda path: synced.someone.delete_data_item(gone) if "s01" in synced.items() else None
        summary = synced.sync(delete="extra")
        assert (summary["deleted"], summary["kept"], summary["failed"]) == (0, 0, 0)
        assert summary["changed"] == ["s02"]
        synced.assert_in_step()

    def test_a_refused_delete_fails_that_item_only(self, synced: SyncLab) -> None:
        remove(synced, "s01", "s02")
        synced.server.inject(Fault(operation=DELETE, kind="success_false", error="Item is locked"))
        error = synced.fails(delete="extra", workers=1)
        assert "'s01'" in str(error)
        assert "Item is locked" in str(error)
        assert (error.summary["failed"], error.summary["deleted"]) == (1, 1)
        assert synced.sync(delete="extra")["deleted"] == 1
        synced.assert_in_step()

    @pytest.mark.parametrize("folder", ["there", "gone"])
    @pytest.mark.parametrize("name", ["s01 good", "S01", "s01  "])
    def test_an_item_that_was_renamed_in_studio_is_never_deleted(self, synced: SyncLab, name: str, folder: str) -> None:
        """Whoever renamed it wants to keep it; the item of the folder is created again."""
        synced.server.edit_item(synced.items()["s01"].id, name=name)
        before = synced.items()[name]
        if folder == "gone":
            remove(synced, "s01")
        summary = synced.sync(delete="extra")
        assert (summary["deleted"], summary["changed"]) == (0, ["s01"] if folder == "there" else [])
        assert synced.items()[name] == before
        synced.assert_in_step(besides={name})
        synced.assert_at_rest(delete="extra")

    @pytest.mark.parametrize(
        "metadata",
        [
            pytest.param(lambda old: {"by": "hand"}, id="a person has replaced all metadata"),
            pytest.param(lambda old: {**old, STATE_KEY: ""}, id="a person has emptied the state"),
            pytest.param(lambda old: changed_state(old, sync="hourly"), id="another sync has taken it"),
            pytest.param(lambda old: changed_state(old, sync=None), id="a single upload has taken it"),
            pytest.param(lambda old: changed_state(old, name="s02"), id="with a state of another name"),
            pytest.param(lambda old: changed_state(old, dataset="D"), id="with a state of another dataset"),
            pytest.param(lambda old: changed_state(old, version=2), id="a later version has written it"),
        ],
    )
    def test_an_item_that_is_no_longer_of_this_sync_is_never_deleted(self, synced: SyncLab, metadata: Any) -> None:
        item = synced.items()["s01"]
        remove(synced, "s01")
        synced.server.edit_item(item.id, metadata=metadata(item.metadata))
        before = synced.items()["s01"]
        summary = synced.sync(delete="extra")
        assert (summary["deleted"], summary["kept"]) == (0, 0)
        assert synced.items()["s01"] == before

    def test_a_persons_item_with_copied_metadata_is_never_deleted(self, synced: SyncLab) -> None:
        synced.by_hand("mine", {"x.csv": b"1"}, synced.items()["s01"].metadata)
        before = synced.items()["mine"]
        remove(synced, "s01")
        assert synced.sync(delete="extra")["changed"] == ["s01"]
        assert synced.items()["mine"] == before
        synced.assert_in_step(besides={"mine"})

    def test_an_item_that_a_single_upload_has_taken_is_never_deleted(self, synced: SyncLab) -> None:
        """Taken with the same files, too: nothing of it was to be changed."""
        item = synced.items()["s01"]
        ItemUpload(synced.someone, WantedItem("s01", "d", made_up(contents(synced.server, item.id)), METADATA)).run()
        remove(synced, "s01")
        assert synced.sync(delete="extra")["deleted"] == 0
        assert contents(synced.server, item.id) == {"motion.csv": b"s01 1"}


class TestChangedMeanwhile:
    """The plan is as old as the run: right before each delete, the item and its place in the source are looked at."""

    EDITS = [
        pytest.param(lambda lab, id: lab.server.edit_item(id, name="s01 good"), "renamed or moved", id="renamed"),
        pytest.param(lambda lab, id: lab.server.edit_item(id, dataset="archive"), "in dataset 'archive'", id="moved"),
        pytest.param(
            lambda lab, id: lab.server.edit_item(id, metadata={"by": "hand"}),
            "no longer belongs to this sync",
            id="its state is removed",
        ),
        pytest.param(
            lambda lab, id: lab.server.edit_item(id, metadata=changed_state(stored(lab, id).metadata, sync="hourly")),
            "no longer belongs to this sync",
            id="another sync takes it",
        ),
        pytest.param(
            lambda lab, id: lab.server.edit_item(id, metadata=changed_state(stored(lab, id).metadata, sync=None)),
            "no longer belongs to this sync",
            id="a single upload takes it",
        ),
        pytest.param(
            lambda lab, id: lab.server.edit_item(id, metadata=stored(lab, id).metadata | {"label": "good"}),
            "changed since",
            id="a key is added",
        ),
        pytest.param(
            lambda lab, id: lab.server.edit_item(id, metadata=changed_state(stored(lab, id).metadata, run="another")),
            "changed since",
            id="another run of the sync writes it",
        ),
        pytest.param(lambda lab, id: lab.server.remove_file(id, "motion.csv"), "changed since", id="a file is removed"),
        pytest.param(
            lambda lab, id: lab.write({"s01/motion.csv": "s01 1"}),
            "the source has it again",
            id="its folder comes back",
        ),
    ]

    @pytest.mark.parametrize(("edit", "reason"), EDITS)
    @pytest.mark.parametrize("moment", ["another item is sent", "the item is looked at"])
    def test_it_is_kept_and_counted(self, synced: SyncLab, edit: Any, reason: str, moment: str) -> None:
        item = synced.items()["s01"]
        remove(synced, "s01", "s03")
        synced.write({"s02/motion.csv": "longer than before"})
        done: list[StoredItem] = []

        def act() -> None:
            if not done:
                edit(synced, item.id)
                done.append(stored(synced, item.id))

        if moment == "another item is sent":
            synced.on_open = lambda path: act()
        else:
            here = f"/{item.id}"
            synced.server.before_request(lambda request: act() if request.path.endswith(here) else None)
        try:
            summary = synced.sync(delete="extra", workers=1)
        finally:
            synced.server.before_request(None)
        assert (summary["deleted"], summary["kept"], summary["failed"]) == (1, 1, 0)
        (kept,) = summary["kept_items"]
        assert kept["name"] == "s01"
        assert reason in kept["reason"]
        assert "s03" not in synced.items()
        assert done == [stored(synced, item.id)]

    def test_what_an_overlapping_run_has_found_again_is_kept(self, synced: SyncLab) -> None:
        """The first run begins without the item, it returns, the second run finds it in step."""
        remove(synced, "s01")
        synced.write({"s02/motion.csv": "other"})
        first = synced.prepare(delete="extra")
        synced.write({"s01/motion.csv": "s01 1"})
        before = synced.items()["s01"]
        second: list[Any] = []

        def run_second(path: str) -> None:
            synced.on_open = lambda path: None
            second.append(synced.prepare(api=synced.other_api(), delete="extra").run())

        synced.on_open = run_second
        summary = first.run()
        assert second[0]["unchanged"] >= 6
        assert (summary["deleted"], summary["kept"]) == (0, 1)
        assert synced.items()["s01"].id == before.id
        synced.assert_in_step()

    def test_a_summary_has_few_and_short_reasons_for_kept_items(self, lab: SyncLab) -> None:
        names = [f"{number:02}" for number in range(60)]
        lab.write({f"{name}/x.csv": name for name in names})
        lab.sync()
        gone = names[:25]
        lab.remove(*(f"{name}/x.csv" for name in gone))
        run = lab.prepare(delete="extra")
        plan = run.plan
        items = lab.items()

        def plan_and_edit() -> Any:
            made = plan()
            for name in gone:
                lab.server.edit_item(items[name].id, name=f"{name} " + "x" * 1000)
            return made

        run.plan = plan_and_edit  # type: ignore[method-assign]
        summary = run.run()
        assert (summary["deleted"], summary["kept"], len(summary["kept_items"])) == (0, 25, 20)
        assert all(len(kept["reason"]) <= 300 for kept in summary["kept_items"])


class TestWhatIsNotDeleted:
    def test_an_item_whose_folder_is_empty_now_is_kept(self, synced: SyncLab) -> None:
        before = synced.items()["s01"]
        (synced.top / "s01/motion.csv").unlink()
        summary = synced.sync(delete="extra")
        assert (summary["unchanged"], summary["deleted"]) == (7, 0)
        assert synced.items()["s01"] == before

    def test_nothing_is_deleted_when_all_folders_are_empty(self, synced: SyncLab) -> None:
        for name in FILES:
            (synced.top / name).unlink()
        assert synced.sync(delete="extra", max_delete="100%")["deleted"] == 0
        assert len(synced.items()) == 8

    @pytest.mark.parametrize("max_delete", [None, 100, "100%"])
    def test_an_empty_source_deletes_nothing(self, synced: SyncLab, max_delete: Any) -> None:
        remove(synced, *NAMES)
        with pytest.raises(EdgeImpulseDeleteLimitError, match="no data item at all"):
            synced.sync(delete="extra", max_delete=max_delete)
        assert synced.operations() == []

    @pytest.mark.parametrize(
        ("gone", "max_delete", "words"),
        [
            (5, None, "5 of the sync's data items .* 62% of the 8 that are there; 50% may be deleted"),
            (5, 5, "50% may be deleted"),
            (3, 2, "max_delete allows 2"),
            (1, 0, "max_delete allows 0"),
            (7, "80%", "88% of the 8 that are there; 80% may be deleted"),
        ],
    )
    def test_a_plan_that_exceeds_the_limit_changes_nothing_at_all(
        self, synced: SyncLab, gone: int, max_delete: Any, words: str
    ) -> None:
        before = synced.server.state()
        remove(synced, *NAMES[:gone])
        synced.write({"new/x.csv": "1", "s07/motion.csv": "other"})
        for dry_run in (True, False):
            with pytest.raises(EdgeImpulseDeleteLimitError, match=words):
                synced.sync(delete="extra", max_delete=max_delete, dry_run=dry_run)
            assert synced.operations() == []
        assert synced.server.state() == before

    @pytest.mark.parametrize(("gone", "max_delete"), [(4, None), (4, 4), (6, "80%"), (7, "100%")])
    def test_deletes_up_to_the_limit_are_made(self, synced: SyncLab, gone: int, max_delete: Any) -> None:
        remove(synced, *NAMES[:gone])
        assert synced.sync(delete="extra", max_delete=max_delete)["deleted"] == gone
        synced.assert_in_step()

    def test_renaming_all_folders_exceeds_the_limit(self, synced: SyncLab) -> None:
        for name in NAMES:
            (synced.top / name).rename(synced.top / f"new {name}")
        with pytest.raises(EdgeImpulseDeleteLimitError, match="100% of the 8"):
            synced.sync(delete="extra")
        assert sorted(synced.items()) == NAMES

    def test_a_wrong_depth_exceeds_the_limit(self, synced: SyncLab) -> None:
        synced.write({"s00/sub/x.csv": "1"})
        with pytest.raises(EdgeImpulseDeleteLimitError, match="100% of the 8"):
            synced.sync(delete="extra", depth=2)
        assert sorted(synced.items()) == NAMES


def mixture(lab: SyncLab) -> None:
    """One of each: what a sync can find."""
    lab.write(FILES)
    lab.sync(delete="extra")
    lab.write({"new/x.csv": "1", "new/y.csv": "22", "s00/motion.csv": "longer", "s01/motion.csv": "S01 1"})
    lab.touch("s02/motion.csv")
    lab.write({"s03/ei-metadata.json": '{"version": 1, "action": "add", "metadata": {"n": 1}}'})
    remove(lab, "s04")
    items = lab.items()
    lab.someone.delete_file(items["s05"].id, "motion.csv")
    lab.someone.update_data_item(items["s06"].id, metadata={**items["s06"].metadata, "study": "nap"})
    lab.by_hand("s02", contents(lab.server, items["s02"].id), items["s02"].metadata)
    lab.by_hand("mine", {"x.csv": b"1"})
    half = changed_state(items["s07"].metadata, state="pending")
    lab.someone.update_data_item(items["s07"].id, metadata=half)


class TestDryRun:
    EQUAL = (
        *("listed", "created", "updated", "unchanged", "repaired", "deduplicated", "deleted", "kept", "failed"),
        *("files_sent", "bytes_sent", "failures", "sync_id", "comparison", "url"),
    )

    @pytest.mark.parametrize("comparison", ["digest", "size"])
    @pytest.mark.parametrize("update", ["replace", "merge"])
    @pytest.mark.parametrize("delete", ["never", "extra"])
    def test_a_dry_run_says_what_the_run_does(self, lab: SyncLab, update: Any, delete: str, comparison: str) -> None:
        lab.server.settings.metadata_update = update
        mixture(lab)
        rules = {"delete": delete, "comparison": comparison}
        before = lab.server.state()
        would = lab.sync(dry_run=True, **rules)
        assert lab.operations() == []
        assert {request.method for request in lab.server.requests()} == {"GET"}
        assert lab.server.state() == before
        assert would["dry_run"]
        assert would["changed"] == []

        ids = {item.id: item.name for item in lab.server.items("d")}
        did = lab.sync(**rules)
        assert {what: would[what] for what in self.EQUAL} == {what: did[what] for what in self.EQUAL}  # type: ignore
        sent = record_of([request for request in lab.server.requests() if request.changed], ids)
        plan = would["plan"]
        by_name = {operation: {name for each, name in sent if each == operation} for operation, _ in sent}
        assert by_name[CREATE] == set(plan["create"])
        duplicates = {"s02"}
        assert by_name[DELETE] - duplicates == set(plan["delete"])
        renewed = {"s02"} if comparison == "digest" else set()
        touched = {name for operation, name in sent if operation not in (CREATE, DELETE)}
        assert touched - renewed == {*plan["update"], *plan["repair"]}
        assert did["changed"] == sorted({*plan["create"], *plan["update"], *plan["repair"], *plan["delete"]})

        again = lab.sync(dry_run=True, **rules)
        assert count_changes(again) == 0
        assert not any(again["plan"].values())

    def test_a_dry_run_of_a_first_sync_changes_nothing(self, lab: SyncLab) -> None:
        lab.write(FILES)
        would = lab.sync(dry_run=True)
        assert would["plan"] == {"create": NAMES, "update": [], "repair": [], "delete": []}
        assert (would["created"], would["bytes_sent"]) == (8, sum(map(len, FILES.values())))
        assert lab.server.items() == []

    @pytest.mark.parametrize("failure", ["source", "conflict"])
    def test_a_dry_run_with_failures_says_that_nothing_is_deleted(self, synced: SyncLab, failure: str) -> None:
        remove(synced, "s01")
        if failure == "source":
            (synced.top / "s02/y.csv").symlink_to("/nowhere")
        else:
            synced.write({"hand/x.csv": "1"})
            synced.by_hand("hand", {"x.csv": b"1"})
        would = synced.sync(dry_run=True, delete="extra")
        assert would["failed"] == 1
        assert (would["deleted"], would["plan"]["delete"]) == (0, [])
        error = synced.fails(delete="extra")
        assert error.summary["failures"] == would["failures"]
        assert "s01" in synced.items()

    def test_a_dry_run_lists_a_limited_number_of_names(self, lab: SyncLab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("airflow_provider_ei.sync.dataset.summary.MAX_CHANGED_NAMES", 3)
        lab.write(FILES)
        would = lab.sync(dry_run=True)
        assert (would["plan"]["create"], would["created"]) == (NAMES[:3], 8)


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "store_late"])
@pytest.mark.parametrize("operation", [CREATE, UPDATE, DELETE])
def test_creates_updates_and_deletes_survive_lost_answers(lab: SyncLab, operation: str, kind: Any) -> None:
    """Whatever is lost, one more run at most leaves exactly what the folder has."""
    mixture(lab)
    lab.api = lab.other_api(sleep=lambda seconds: time.sleep(0.1))  # longer than an answer is late
    for skip in (0, 1):
        lab.server.inject(Fault(operation=operation, kind=kind, skip=skip, delay_seconds=0.05))
    with suppress(EdgeImpulseSyncError):
        lab.sync(delete="extra")
    lab.server.clear_faults()
    lab.sync(delete="extra")
    (lab.top / "s03/ei-metadata.json").unlink()
    lab.sync(delete="extra")
    lab.assert_in_step(METADATA, besides={"mine"})
    lab.assert_at_rest(delete="extra")
