"""What somebody else has done to the dataset: in Studio, by hand, in another run, or in one that was killed."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from airflow_provider_ei.emulator import Fault
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError, EdgeImpulseError
from airflow_provider_ei.sync import plan as plan_module
from airflow_provider_ei.sync.metadata import OWNER_MARK, STATE_MARK, SYNC_MARK, Marks

from .lab import CREATE, DELETE, LIST, METADATA, UPDATE, Lab
from .support import ORGANIZATION, contents, made_up, users_metadata

NAMES = [f"s{number:02}" for number in range(6)]
FILES = {f"{name}/{file}": f"{name} {file}" for name in NAMES for file in ("motion.csv", "photos/1.jpg")}


@pytest.fixture
def synced(lab: Lab) -> Lab:
    """A lab after its first sync."""
    lab.write(FILES)
    lab.sync()
    lab.assert_in_step()
    return lab


def set_metadata(lab: Lab, **changes: str | None) -> None:
    """Change those of s03, as someone does in Studio."""
    item = lab.items()["s03"]
    metadata = {key: value for key, value in {**item.metadata, **changes}.items() if value is not None}
    lab.someone.update_data_item(ORGANIZATION, item.id, metadata=metadata)


class TestChangedInStudio:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda c, id: c.delete_file(ORGANIZATION, id, "motion.csv"), id="a file is gone"),
            pytest.param(
                lambda c, id: [c.delete_file(ORGANIZATION, id, f) for f in ("motion.csv", "photos/1.jpg")],
                id="all files are gone",
            ),
            pytest.param(lambda c, id: c.add_files(ORGANIZATION, id, made_up({"z.csv": b"z"})), id="a file has come"),
            pytest.param(
                lambda c, id: c.add_files(ORGANIZATION, id, made_up({"motion.csv": b"cut"})), id="a file is another one"
            ),
        ],
    )
    def test_files_are_repaired(self, synced: Lab, change: Any) -> None:
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
            pytest.param({STATE_MARK: None}, id="no state"),
            pytest.param({STATE_MARK: "0" * 64}, id="another state"),
        ],
    )
    def test_metadata_are_repaired(self, synced: Lab, changed: dict[str, str | None]) -> None:
        set_metadata(synced, **changed)
        summary = synced.sync()
        assert summary["unchanged"] >= 5
        assert UPDATE in synced.operations()
        assert {path.partition("/")[0] for path in synced.opened} <= {"s03"}
        synced.assert_in_step()
        synced.assert_at_rest()

    def test_an_item_that_was_deleted_is_there_again(self, synced: Lab) -> None:
        synced.someone.delete_data_item(ORGANIZATION, synced.items()["s03"].id)
        assert synced.sync()["changed"] == ["s03"]
        synced.assert_in_step()

    def test_all_items_were_deleted(self, synced: Lab) -> None:
        for item in synced.server.items("d"):
            synced.someone.delete_data_item(ORGANIZATION, item.id)
        assert synced.sync(delete="extra")["created"] == 6
        synced.assert_in_step()

    def test_an_item_that_was_moved_to_another_dataset_is_left_there(self, synced: Lab) -> None:
        moved = synced.items()["s03"].id
        synced.someone.update_data_item(ORGANIZATION, moved, dataset="archive")
        assert synced.sync(delete="extra")["changed"] == ["s03"]
        assert [item.id for item in synced.server.items("archive")] == [moved]
        synced.assert_in_step()

    def test_an_item_that_is_taken_from_us_is_left_alone(self, synced: Lab) -> None:
        set_metadata(synced, **{OWNER_MARK: None})
        before = synced.items()["s03"]
        assert "was not uploaded by this package" in str(synced.fails(delete="extra"))
        assert synced.items()["s03"] == before

    def test_an_item_that_is_deleted_while_it_is_changed(self, synced: Lab) -> None:
        gone = synced.items()["s03"].id
        synced.write({"s03/motion.csv": "other"})

        def delete(path: str) -> None:
            if gone in {item.id for item in synced.server.items("d")}:
                synced.someone.delete_data_item(ORGANIZATION, gone)

        synced.on_open = delete
        synced.sync()
        assert synced.items()["s03"].id != gone
        synced.assert_in_step()


class TestKilled:
    """A run that ends in the middle of an item leaves it pending; what it had completed stays."""

    @pytest.fixture
    def large(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
        monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", 10)
        lab.client = lab.other_client(batch_files=1)
        lab.write(FILES)
        return lab

    def kill(self, lab: Lab, at: str, **more: Any) -> None:
        """End the run when that file is opened."""
        lab.on_open = lambda path: lab.client.cancel() if path == at else None
        with pytest.raises(EdgeImpulseCancelledError):
            lab.sync(**more)
        lab.on_open = lambda path: None
        lab.client = lab.other_client(batch_files=1)

    @pytest.mark.parametrize("workers", [1, 4])
    def test_at_first(self, large: Lab, workers: int) -> None:
        self.kill(large, "s03/photos/1.jpg", workers=workers)
        states = {name: Marks.of(item.metadata) for name, item in large.items().items()}
        assert not states["s03"].complete
        assert all(marks.sync == "nightly" for marks in states.values())
        done = [name for name, marks in states.items() if marks.complete]
        if workers == 1:
            assert done == NAMES[:3]
        summary = large.sync()
        assert summary["repaired"] == len(states) - len(done)
        assert summary["unchanged"] == len(done)
        assert summary["created"] == 6 - len(states)
        assert {path.partition("/")[0] for path in large.opened}.isdisjoint(done)
        large.assert_in_step()
        large.assert_at_rest()

    def test_in_an_update(self, large: Lab) -> None:
        large.sync()
        large.write({"s03/photos/1.jpg": "other", "s03/motion.csv": "another", "s04/motion.csv": "longer than before"})
        self.kill(large, "s03/photos/1.jpg", workers=1)
        assert not Marks.of(large.items()["s03"].metadata).complete
        summary = large.sync()
        assert (summary["repaired"], summary["updated"], summary["unchanged"]) == (1, 1, 4)
        large.assert_in_step()
        large.assert_at_rest()

    def test_in_an_update_that_is_taken_back(self, large: Lab) -> None:
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
    def test_an_item_of_the_same_name_is_never_touched(self, lab: Lab) -> None:
        lab.write(FILES)
        lab.by_hand("s02", {"motion.csv": b"s02 motion.csv", "photos/1.jpg": b"s02 photos/1.jpg"})
        before = lab.items()["s02"]
        for delete in ("never", "extra"):
            error = lab.fails(delete=delete, max_delete="100%")
            assert error.permanent
            assert error.summary["failures"] == [
                {
                    "name": "s02",
                    "reason": "Data item 's02' is in dataset 'd' already and was not uploaded by this package "
                    f"(id {before.id}). A sync does not touch it. Delete or rename it in Studio, or take it over once "
                    "with EdgeImpulseAddDataOperator.",
                }
            ]
            assert lab.items()["s02"] == before
        assert sorted(lab.items()) == NAMES

    def test_items_of_other_names_are_left_alone(self, lab: Lab) -> None:
        lab.write(FILES)
        lab.by_hand("mine", {"x.csv": b"1"})
        lab.by_hand("other sync", {"x.csv": b"1"}, {OWNER_MARK: "airflow-provider-ei", SYNC_MARK: "hourly"})
        before = lab.server.items("d")
        lab.sync(delete="extra", max_delete="100%")
        lab.assert_in_step(besides={"mine", "other sync"})
        assert lab.server.items("d")[:2] == before

    def test_what_the_operator_for_one_item_has_made_is_taken_over(self, synced: Lab) -> None:
        metadata = {key: value for key, value in synced.items()["s03"].metadata.items() if key != SYNC_MARK}
        synced.someone.update_data_item(ORGANIZATION, synced.items()["s03"].id, metadata=metadata)
        summary = synced.sync()
        assert (summary["unchanged"], synced.operations()) == (6, [UPDATE])
        synced.assert_in_step()
        synced.assert_at_rest()

    def test_two_syncs_of_the_same_names(self, synced: Lab) -> None:
        before = synced.server.items("d")
        error = synced.fails(sync_id="hourly", delete="extra", max_delete="100%")
        assert error.summary["failed"] == 6
        assert "belongs to the sync 'nightly', and this is 'hourly'" in str(error)
        assert synced.server.items("d") == before

    def test_two_syncs_of_other_names(self, synced: Lab) -> None:
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

    def test_two_syncs_that_have_made_the_same_item_at_once(self, synced: Lab) -> None:
        """Neither deletes what is the other's."""
        item = synced.items()["s03"]
        files = {name: data[::-1] for name, data in contents(synced.server, item.id).items()}
        synced.by_hand("s03", files, {**item.metadata, SYNC_MARK: "hourly", STATE_MARK: "f" * 64})
        before = synced.server.state()
        for sync_id in ("nightly", "hourly"):
            assert "belongs to the sync" in str(synced.fails(sync_id=sync_id))
            assert synced.server.state() == before


class TestDoubles:
    """Two items of one name, both of this sync, as two runs at once or a late answer can leave them."""

    @pytest.mark.parametrize("state", ["complete", "pending", "other bytes"])
    @pytest.mark.parametrize("times", [1, 2])
    def test_one_is_left_the_right_one(self, synced: Lab, state: str, times: int) -> None:
        item = synced.items()["s03"]
        files, metadata = contents(synced.server, item.id), dict(item.metadata)
        if state == "pending":
            files, metadata[STATE_MARK] = {"motion.csv": b""}, "pending"
        elif state == "other bytes":
            files = {name: data[::-1] for name, data in files.items()}
            metadata = {**metadata, STATE_MARK: "f" * 64, "airflow_ei_files": "e" * 64}
        for _ in range(times):
            synced.by_hand("s03", files, metadata)
        summary = synced.sync()
        assert (summary["deduplicated"], summary["failed"], summary["listed"]) == (times, 0, 6 + times)
        assert synced.operations().count(DELETE) == times
        synced.assert_in_step()
        synced.assert_at_rest()

    def test_of_what_the_source_no_longer_has_all_go(self, synced: Lab) -> None:
        item = synced.items()["s03"]
        synced.by_hand("s03", contents(synced.server, item.id), item.metadata)
        synced.remove("s03/photos/1.jpg", "s03/motion.csv")
        assert synced.sync(delete="extra")["deleted"] == 2
        synced.assert_in_step()


@pytest.mark.parametrize("duplicates", ["new_id", "merge", "reject"])
@pytest.mark.parametrize("update", ["replace", "merge"])
@pytest.mark.parametrize("second", ["the same", "other bytes"])
def test_two_runs_at_once(lab: Lab, duplicates: Any, update: Any, second: str) -> None:
    """One of them may fail, and says so; what is left is one item each, and the next run has next to nothing to do."""
    lab.server.settings.change({"duplicate_names": duplicates, "metadata_update": update, "latency_seconds": 0.002})
    lab.write(FILES)
    first = lab.prepare(client=lab.other_client())
    if second == "other bytes":
        first.plan()  # has looked
        for name in FILES:
            lab.write({name: FILES[name][::-1]})
    runs = [first, lab.prepare(client=lab.other_client())]
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
    # A listing can be incomplete while the other one deletes doubles, and a name be taken; that passes.
    assert duplicates == "reject" or not any(error.permanent for error in errors)
    if not errors:
        lab.assert_in_step()
    lab.sync()
    lab.assert_in_step()
    lab.assert_at_rest()


def test_an_item_made_by_hand_while_the_sync_runs(lab: Lab) -> None:
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


def test_metadata_that_someone_adds_while_the_sync_runs_are_kept(synced: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_ei.sync.dataset.run.FRESH_SECONDS", -1.0)  # it runs for long
    for name in ("s02", "s03", "s04"):
        synced.write({f"{name}/motion.csv": "other"})
    labelled: list[str] = []

    def label(path: str) -> None:
        if path.startswith("s02/") and not labelled:
            labelled.append(path)
            set_metadata(synced, label="good")

    synced.on_open = label
    synced.sync(workers=1)
    assert users_metadata(synced.items()["s03"].metadata) == {**METADATA, "label": "good"}


@pytest.mark.parametrize("operation", [CREATE, LIST])
def test_faults_that_pass_leave_no_trace(lab: Lab, operation: str) -> None:
    lab.write(FILES)
    lab.server.order(
        *(Fault(operation=operation, kind=kind, skip=n) for n, kind in enumerate(("drop_before", "status")))
    )
    summary = lab.sync()
    assert (summary["created"], summary["failed"]) == (6, 0)
    lab.assert_in_step()
    lab.assert_at_rest()
