"""The plan as a pure function of what is wanted, what is listed and what this run has done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from airflow_provider_ei.exceptions import EdgeImpulseConflictError
from airflow_provider_ei.results import Outcome
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.item import plan as plan_module
from airflow_provider_ei.sync.item.conflicts import IfExists
from airflow_provider_ei.sync.item.plan import batches, plan_item
from airflow_provider_ei.sync.item.steps import (
    AddFiles,
    BatchLimits,
    CompareBytes,
    Create,
    DeleteDuplicates,
    Done,
    LetSettle,
    LookFirst,
    MarkPending,
    ReadFiles,
    RecheckListing,
    RemoveFile,
    RunState,
    Step,
    WriteDigest,
)
from airflow_provider_ei.sync.item.wanted import WantedItem
from airflow_provider_ei.sync.item_state import ItemState, complete_metadata, pending_metadata
from airflow_provider_ei.sync.metadata import STATE_KEY
from airflow_provider_ei.sync.stored_names import names_digest
from tests.support.files import MadeUpFile
from tests.support.items import RUN, changed_state, complete, listed_item, pending, wanted_item

ROOM = BatchLimits(10_000, 1_000_000)
FILES = {"1.csv": b"one", "2.csv": b"second"}
DIGEST = wanted_item(FILES, read=True).files_digest
IF_EXISTS: list[Any] = ["update", "skip", "fail", "overwrite"]


def this_run(outcome: Outcome = "unchanged", **facts: Any) -> RunState:
    return RunState(outcome, run=RUN, **facts)


def plan(
    wanted: WantedItem,
    *listed: DataItem,
    run: RunState | None = None,
    if_exists: IfExists = "update",
    limits: BatchLimits = ROOM,
) -> list[Step]:
    return plan_item(wanted, listed, run or this_run(), if_exists, limits)


def names(files: Sequence[Any]) -> list[str]:
    return [file.name for file in files]


class TestNothingIsThere:
    @pytest.mark.parametrize("if_exists", IF_EXISTS)
    def test_small_item_is_read_and_then_created_complete(self, if_exists: IfExists) -> None:
        assert plan(wanted_item(FILES), if_exists=if_exists) == [ReadFiles()]
        (step,) = plan(wanted_item(FILES, read=True), if_exists=if_exists)
        assert isinstance(step, Create)
        assert step.complete
        assert names(step.files) == ["1.csv", "2.csv"]

    @pytest.mark.parametrize(("limit", "small"), [(9, True), (8, False)])
    def test_small_is_up_to_a_number_of_bytes(self, monkeypatch: pytest.MonkeyPatch, limit: int, small: bool) -> None:
        monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", limit)
        (step,) = plan(wanted_item(FILES, read=True))
        assert isinstance(step, Create)
        assert step.complete is small

    def test_large_item_is_created_pending_without_reading_it_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", 5)
        (step,) = plan(wanted_item(FILES))
        assert isinstance(step, Create)
        assert not step.complete
        assert names(step.files) == ["1.csv", "2.csv"]

    def test_item_of_several_requests_is_created_pending_with_the_first(self) -> None:
        (step,) = plan(wanted_item(FILES, read=True), limits=BatchLimits(1, 1000))
        assert isinstance(step, Create)
        assert not step.complete
        assert names(step.files) == ["1.csv"]

    def test_what_this_run_has_created_is_looked_for_again(self) -> None:
        (step,) = plan(wanted_item(FILES), run=this_run(data_id=1))
        assert isinstance(step, RecheckListing)

    def test_an_attempt_without_answer_that_has_not_arrived_is_repeated(self) -> None:
        (step,) = plan(wanted_item(FILES, read=True), run=this_run(unanswered=1))
        assert isinstance(step, Create)


class TestItemOfSomeoneElse:
    FOREIGN: Mapping[str, str] = {"by": "hand"}

    def test_equal_one_is_adopted(self) -> None:
        item = listed_item(FILES, self.FOREIGN)
        assert plan(wanted_item(FILES), item) == [CompareBytes(item)]
        first, second = plan(wanted_item(FILES), item, run=this_run(adopted={item.id}))
        assert first == MarkPending(item)
        assert isinstance(second, AddFiles)
        assert names(second.files) == ["1.csv", "2.csv"]

    @pytest.mark.parametrize(
        ("there", "words"),
        [
            pytest.param({"1.csv": 3}, "'2.csv' is not there", id="file missing"),
            pytest.param({"1.csv": 3, "2.csv": 7}, "'2.csv' has 7 bytes there, 6 here", id="another size"),
            pytest.param({"1.csv": 3, "2.csv": 6, "3.csv": 1}, "'3.csv' is there and was not given", id="one more"),
            pytest.param({}, "'1.csv' is not there", id="empty"),
        ],
    )
    def test_different_one_is_refused_and_told_how(self, there: Mapping[str, int], words: str) -> None:
        with pytest.raises(EdgeImpulseConflictError) as caught:
            plan(wanted_item(FILES), listed_item(there, self.FOREIGN, data_id=42))
        assert words in str(caught.value)
        assert "42" in str(caught.value)
        assert "overwrite" in str(caught.value)
        assert not caught.value.retryable

    def test_different_one_is_overwritten(self) -> None:
        item = listed_item({"3.csv": 1}, self.FOREIGN)
        first, second = plan(wanted_item(FILES), item, if_exists="overwrite")
        assert first == MarkPending(item)
        assert isinstance(second, AddFiles)

    @pytest.mark.parametrize("there", [FILES, {"3.csv": b"x"}], ids=["equal", "different"])
    def test_skip(self, there: Mapping[str, bytes]) -> None:
        item = listed_item(there, self.FOREIGN)
        assert plan(wanted_item(FILES), item, if_exists="skip") == [Done(item, "skipped")]

    @pytest.mark.parametrize("there", [FILES, {"3.csv": b"x"}], ids=["equal", "different"])
    def test_fail(self, there: Mapping[str, bytes]) -> None:
        with pytest.raises(EdgeImpulseConflictError, match="'fail'"):
            plan(wanted_item(FILES), listed_item(there, self.FOREIGN), if_exists="fail")

    @pytest.mark.parametrize("if_exists", ["update", "overwrite"])
    def test_several_are_refused(self, if_exists: IfExists) -> None:
        items = [listed_item(FILES, self.FOREIGN, data_id=n) for n in (41, 42)]
        with pytest.raises(EdgeImpulseConflictError, match="41, 42"):
            plan(wanted_item(FILES), *items, if_exists=if_exists)

    def test_several_are_skipped(self) -> None:
        items = [listed_item(FILES, self.FOREIGN, data_id=n) for n in (41, 42)]
        assert plan(wanted_item(FILES), *items, if_exists="skip") == [Done(items[0], "skipped")]

    def test_one_beside_ours_stays(self) -> None:
        ours = listed_item(FILES, complete(FILES), data_id=2)
        foreign = listed_item({"x": b"y"}, self.FOREIGN, data_id=1)
        assert plan(wanted_item(FILES, read=True), foreign, ours) == [Done(ours, "unchanged")]

    @pytest.mark.parametrize("text", ["", "hand", "[]", '{"version": 2}', '{"owner": "someone"}'])
    def test_a_state_that_this_package_has_not_written_does_not_make_it_ours(self, text: str) -> None:
        item = listed_item({"3.csv": 1}, complete(FILES) | {STATE_KEY: text})
        with pytest.raises(EdgeImpulseConflictError, match="was not uploaded by this package"):
            plan(wanted_item(FILES), item)

    @pytest.mark.parametrize("of", [{"name": "run 2"}, {"dataset": "archive"}], ids=str)
    def test_a_copied_state_does_not_make_it_ours(self, of: dict[str, str]) -> None:
        """Somebody has given their item the metadata of another one, or ours to their item."""
        item = listed_item({"3.csv": 1}, complete(FILES, **of), data_id=42)
        with pytest.raises(EdgeImpulseConflictError, match=r"was not uploaded by this package \(id 42\)"):
            plan(wanted_item(FILES), item)

    def test_one_that_is_spelled_in_another_way_is_adopted_only_when_asked_for(self) -> None:
        """Its files correspond one to one, and whether the service or a person has named them is unknown."""
        item = listed_item({"x.csv": b"1"}, self.FOREIGN)
        with pytest.raises(EdgeImpulseConflictError, match=r"it has 'x\.csv'"):
            plan(wanted_item({"a/x.csv": b"1"}), item)
        assert plan(wanted_item({"a/x.csv": b"1"}), item, if_exists="overwrite")[0] == MarkPending(item)


class TestCompleteItemOfOurs:
    @pytest.mark.parametrize("if_exists", ["update", "overwrite"])
    def test_equal_one_is_read_before_it_is_believed(self, if_exists: IfExists) -> None:
        item = listed_item(FILES, complete(FILES, {"a": "1"}))
        assert plan(wanted_item(FILES, {"a": "1"}), item, if_exists=if_exists) == [ReadFiles()]
        done = plan(wanted_item(FILES, {"a": "1"}, read=True), item, if_exists=if_exists)
        assert done == [Done(item, "unchanged")]

    def test_other_bytes_of_the_same_sizes(self) -> None:
        item = listed_item(FILES, complete(FILES))
        first, second = plan(wanted_item({"1.csv": b"ONE", "2.csv": b"second"}, read=True), item)
        assert first == MarkPending(item)
        assert isinstance(second, AddFiles)
        assert names(second.files) == ["1.csv", "2.csv"]

    def test_other_sizes_need_no_reading(self) -> None:
        item = listed_item(FILES, complete(FILES))
        first, second = plan(wanted_item({"1.csv": b"four"}), item)
        assert first == MarkPending(item)
        assert isinstance(second, AddFiles)

    @pytest.mark.parametrize(
        "metadata", [{"a": "2"}, {}, {"a": "1", "b": "1"}, {"b": "1"}], ids=["value", "removed", "added", "renamed"]
    )
    def test_other_metadata_sends_no_files(self, metadata: Mapping[str, str]) -> None:
        item = listed_item(FILES, complete(FILES, {"a": "1"}))
        assert plan(wanted_item(FILES, metadata, read=True), item) == [WriteDigest(item, DIGEST)]

    def test_metadata_that_someone_has_changed_are_put_right(self) -> None:
        item = listed_item(FILES, complete(FILES, {"a": "1"}) | {"a": "2"})
        assert plan(wanted_item(FILES, {"a": "1"}, read=True), item) == [WriteDigest(item, DIGEST)]

    def test_keys_of_others_are_no_difference(self) -> None:
        item = listed_item(FILES, complete(FILES, {"a": "1"}) | {"checked": "yes"})
        assert plan(wanted_item(FILES, {"a": "1"}, read=True), item) == [Done(item, "unchanged")]

    def test_file_that_someone_has_removed_is_sent_again(self) -> None:
        item = listed_item({"1.csv": b"one"}, complete(FILES))
        first, second = plan(wanted_item(FILES, read=True), item)
        assert first == MarkPending(item)
        assert isinstance(second, AddFiles)

    def test_file_that_someone_has_added_is_no_part_of_it(self) -> None:
        item = listed_item(FILES | {"notes.txt": b"x"}, complete(FILES))
        assert plan(wanted_item(FILES, read=True), item)[0] == MarkPending(item)

    def test_skip(self) -> None:
        item = listed_item({"3.csv": 1}, complete({"3.csv": b"x"}))
        assert plan(wanted_item(FILES), item, if_exists="skip") == [Done(item, "skipped")]

    def test_fail(self) -> None:
        with pytest.raises(EdgeImpulseConflictError, match="id 42"):
            plan(wanted_item(FILES), listed_item(FILES, complete(FILES), data_id=42), if_exists="fail")

    @pytest.mark.parametrize("if_exists", ["skip", "fail"])
    @pytest.mark.parametrize("run", [this_run("created", data_id=1), this_run("created", unanswered=1)], ids=str)
    def test_skip_and_fail_do_not_stop_what_this_run_has_begun(self, if_exists: IfExists, run: RunState) -> None:
        item = listed_item(FILES, complete(FILES))
        steps = plan(wanted_item(FILES, read=True), item, if_exists=if_exists, run=run)
        assert steps == [Done(item, "created")]

    def test_the_outcome_is_what_this_run_has_done(self) -> None:
        item = listed_item(FILES, complete(FILES))
        for outcome in ("created", "updated"):
            run = this_run(outcome=outcome, data_id=1)  # type: ignore[arg-type]
            assert plan(wanted_item(FILES, read=True), item, run=run) == [Done(item, outcome)]  # type: ignore[arg-type]

    SPELLINGS = [
        ("é.csv", "Ã©.csv"),
        ("e\u0301.csv", "é.csv"),
        ('a"b.csv', "a%22b.csv"),
        ("a%22b.csv", 'a"b.csv'),
        ("left/x.csv", "x.csv"),
        ("a  b.csv ", "a b.csv"),
        ('é/"x".csv', "%22x%22.csv"),
    ]

    @pytest.mark.parametrize(("name", "form"), SPELLINGS)
    def test_names_as_the_service_has_stored_them_are_no_difference(self, name: str, form: str) -> None:
        item = listed_item({form: b"1"}, complete({name: b"1"}, stored_files=names_digest([form])))
        assert plan(wanted_item({name: b"1"}, read=True), item) == [Done(item, "unchanged")]

    @pytest.mark.parametrize(("name", "form"), SPELLINGS)
    def test_names_that_were_changed_since_are_a_difference(self, name: str, form: str) -> None:
        """The state says that the files had the names as given, or others: a person has renamed them."""
        for stored_files in (None, names_digest(["another form"])):
            item = listed_item({form: b"1"}, complete({name: b"1"}, stored_files=stored_files))
            assert plan(wanted_item({name: b"1"}, read=True), item)[0] == MarkPending(item)

    def test_names_that_the_service_keeps_as_given_now_are_written_into_the_state(self) -> None:
        item = listed_item({"a/x": b"1"}, complete({"a/x": b"1"}, stored_files=names_digest(["x"])))
        wanted = wanted_item({"a/x": b"1"}, read=True)
        assert plan(wanted, item) == [WriteDigest(item, wanted.files_digest, renews=True)]

    def test_an_item_that_was_renamed_or_moved_is_nobodys(self) -> None:
        """Its state is of another name: whoever has done that wants to keep it, and a new one is made."""
        for elsewhere in ({"name": "run 1 good"}, {"dataset": "archive"}):
            item = structs.replace(listed_item(FILES, complete(FILES)), **elsewhere)
            (step,) = plan(wanted_item(FILES, read=True), item)
            assert isinstance(step, Create)


class TestSyncAndSingleUpload:
    """To whom an item belongs, when both want it."""

    def wanted_by_sync(
        self, files: Mapping[str, bytes] = FILES, metadata: Mapping[str, str] | None = None
    ) -> WantedItem:
        return replace(wanted_item(files, metadata, read=True), sync_id="nightly")

    def test_a_single_upload_takes_an_unchanged_item_out_of_its_sync(self) -> None:
        item = listed_item(FILES, complete(FILES, sync="nightly"))
        assert plan(wanted_item(FILES, read=True), item) == [WriteDigest(item, DIGEST, renews=True)]

    def test_a_single_upload_replaces_what_a_sync_has_made(self) -> None:
        item = listed_item({"x": 1}, complete({"x": b"y"}, sync="nightly"))
        assert plan(wanted_item(FILES, read=True), item)[0] == MarkPending(item)

    def test_a_sync_takes_over_an_equal_item_of_a_single_upload(self) -> None:
        item = listed_item(FILES, complete(FILES, {"a": "1"}))
        assert plan(self.wanted_by_sync(metadata={"a": "1"}), item) == [WriteDigest(item, DIGEST, renews=True)]

    @pytest.mark.parametrize(
        "item",
        [
            pytest.param(listed_item({"x": 1}, complete({"x": b"y"}), data_id=42), id="other files"),
            pytest.param(
                listed_item(FILES, complete(FILES | {"2.csv": b"SECOND"}), data_id=42),
                id="other bytes of the same sizes",
            ),
            pytest.param(listed_item(FILES, complete(FILES, {"a": "1"}), data_id=42), id="other metadata"),
            pytest.param(listed_item(FILES, pending(), data_id=42), id="unfinished"),
            pytest.param(listed_item({"1.csv": 3}, complete(FILES), data_id=42), id="a file is gone"),
        ],
    )
    def test_a_sync_leaves_another_item_of_a_single_upload_alone(self, item: DataItem) -> None:
        with pytest.raises(EdgeImpulseConflictError, match=r"\(id 42\) in Studio if this sync is to have it") as caught:
            plan(self.wanted_by_sync(), item)
        assert not caught.value.retryable

    @pytest.mark.parametrize("if_exists", IF_EXISTS)
    def test_a_sync_never_touches_an_item_of_another_sync(self, if_exists: IfExists) -> None:
        item = listed_item(FILES, complete(FILES, sync="hourly"))
        if if_exists == "skip":
            assert plan(self.wanted_by_sync(), item, if_exists=if_exists) == [Done(item, "skipped")]
            return
        with pytest.raises(EdgeImpulseConflictError):
            plan(self.wanted_by_sync(), item, if_exists=if_exists)


class TestPendingItemOfOurs:
    @pytest.mark.parametrize("if_exists", IF_EXISTS)
    @pytest.mark.parametrize("there", [{}, {"1.csv": 3}, {"1.csv": 3, "2.csv": 6}, {"x": 1}], ids=str)
    def test_all_files_are_sent_again_whatever_is_there(self, if_exists: IfExists, there: Mapping[str, int]) -> None:
        item = listed_item(there, pending())
        assert plan(wanted_item(FILES), item, if_exists=if_exists) == [LetSettle(item)]
        mark, step = plan(wanted_item(FILES), item, if_exists=if_exists, run=this_run(settled=True))
        assert mark == MarkPending(item)
        assert isinstance(step, AddFiles)
        assert names(step.files) == ["1.csv", "2.csv"]

    def test_only_what_this_run_has_not_sent_yet(self) -> None:
        item = listed_item({"1.csv": 3}, pending())
        (step,) = plan(wanted_item(FILES), item, run=this_run("created", data_id=1, sent={"1.csv"}))
        assert isinstance(step, AddFiles)
        assert names(step.files) == ["2.csv"]

    @pytest.mark.parametrize(
        "metadata",
        [changed_state(pending(), run="another run"), complete({"1.csv": b"two"}, {"of": "another run"})],
        ids=["pending", "complete"],
    )
    def test_all_files_are_sent_again_once_another_run_was_there(self, metadata: Mapping[str, str]) -> None:
        item = listed_item({"1.csv": 3, "2.csv": 6}, metadata)
        mark, step = plan(wanted_item(FILES, read=True), item, run=self.sent())
        assert mark == MarkPending(item)
        assert isinstance(step, AddFiles)
        assert names(step.files) == ["1.csv", "2.csv"]

    def test_what_was_sent_to_another_item_does_not_count(self) -> None:
        item = listed_item({"1.csv": 3}, pending(), data_id=2)
        run = this_run("created", data_id=1, sent={"1.csv", "2.csv"}, settled=True)
        _, step = plan(wanted_item(FILES), item, run=run)
        assert isinstance(step, AddFiles)
        assert names(step.files) == ["1.csv", "2.csv"]

    def sent(self) -> RunState:
        return this_run("created", data_id=1, sent=set(FILES))

    def test_strangers_are_removed_once_all_is_sent(self) -> None:
        item = listed_item(FILES | {"old.csv": b"x", "é".encode().decode("latin-1"): b"y"}, pending())
        steps = plan(wanted_item(FILES), item, run=self.sent())
        assert steps == [RemoveFile(item, "old.csv"), RemoveFile(item, "Ã©")]

    def test_the_digest_is_written_once_the_listing_shows_all(self) -> None:
        item = listed_item(FILES, pending())
        assert plan(wanted_item(FILES, read=True), item, run=self.sent()) == [WriteDigest(item, DIGEST)]

    @pytest.mark.parametrize(
        ("there", "words"),
        [({"1.csv": 3}, "'2.csv' is not there"), ({"1.csv": 3, "2.csv": 5}, "'2.csv' has 5 bytes")],
        ids=["missing", "size"],
    )
    def test_no_digest_while_the_listing_shows_less(self, there: Mapping[str, int], words: str) -> None:
        (step,) = plan(wanted_item(FILES, read=True), listed_item(there, pending()), run=self.sent())
        assert isinstance(step, RecheckListing)
        assert words in step.difference

    def test_a_file_that_is_listed_in_two_spellings_is_not_taken_for_two_files(self) -> None:
        """What is left of an older spelling is a stranger: the file as it is named here is there."""
        item = listed_item({"é": 1, "Ã©": 1}, pending())
        run = this_run("created", data_id=1, sent={"é"})
        assert plan(wanted_item({"é": b"1"}, read=True), item, run=run) == [RemoveFile(item, "Ã©")]

    def test_names_of_the_services_own_are_remembered(self) -> None:
        item = listed_item({"x": b"1", "y": b"22"}, pending())
        wanted = wanted_item({"a/x": b"1", "b/y": b"22"}, read=True)
        steps = plan(wanted, item, run=this_run("created", data_id=1, sent={"a/x", "b/y"}))
        assert steps == [WriteDigest(item, wanted.files_digest, names_digest(["x", "y"]))]

    @pytest.mark.parametrize(
        ("given", "there", "words"),
        [
            ({"a/x": b"1", "b/x": b"22"}, {"x": 2}, "'a/x' and 'b/x' as one file, 'x'"),
            ({"x": b"1", "b/x": b"22"}, {"x": 2}, "'x' and 'b/x' as one file, 'x'"),
            ({"x ": b"1", "x": b"1", "y": b"1"}, {"x": 1, "y": 1}, "'x' and 'x ' as one file, 'x'"),
            ({"x": b"1", "back\\": b"1"}, {"x": 1}, "drops a file if nothing"),
        ],
        ids=["folders", "folder and none", "trimmed", "backslash"],
    )
    def test_names_that_became_one_are_named_and_nothing_is_removed(
        self, given: Mapping[str, bytes], there: Mapping[str, int], words: str
    ) -> None:
        run = this_run("created", data_id=1, sent=set(given))
        (step,) = plan(wanted_item(given, read=True), listed_item(there, pending()), run=run)
        assert isinstance(step, RecheckListing)
        assert step.lost is not None
        assert words in step.lost

    def test_an_unreadable_state_is_no_state_and_only_equal_files_are_adopted(self) -> None:
        item = listed_item(FILES, changed_state(complete(FILES), state=None))
        assert plan(wanted_item(FILES, read=True), item) == [CompareBytes(item)]
        assert plan(wanted_item(FILES, read=True), item, if_exists="skip") == [Done(item, "skipped")]
        other = listed_item({"x": 1}, item.metadata)
        with pytest.raises(EdgeImpulseConflictError, match="was not uploaded by this package"):
            plan(wanted_item(FILES, read=True), other)

    def test_a_new_item_whose_name_the_service_normalized_is_recognized_by_its_id(self) -> None:
        """It is this run's own, by the answer to its creation; the next run recognizes it by the same rule."""
        wanted = replace(wanted_item(FILES, read=True), name="cafe\u0301  1")
        metadata = changed_state(complete(FILES, name="cafe\u0301  1"), run=RUN)
        item = structs.replace(listed_item(FILES, metadata), name="café 1")
        (step,) = plan(wanted, item, run=this_run("created", data_id=1))
        assert step == WriteDigest(item, DIGEST, renews=True)

    def test_a_new_item_whose_name_the_service_replaced_is_refused_with_the_name_to_use(self) -> None:
        item = structs.replace(listed_item(FILES, changed_state(complete(FILES), run=RUN)), name="run_1")
        with pytest.raises(EdgeImpulseConflictError, match=r"^Name the data item 'run_1'"):
            plan(wanted_item(FILES, read=True), item, run=this_run("created", data_id=1))

    def test_once_seen_under_its_name_another_name_is_a_persons_doing(self) -> None:
        item = structs.replace(listed_item(FILES, changed_state(complete(FILES), run=RUN)), name="run_1")
        (step,) = plan(wanted_item(FILES, read=True), item, run=this_run("created", data_id=1, seen=True))
        assert isinstance(step, RecheckListing)


class TestDuplicates:
    @pytest.mark.parametrize("read", [False, True])
    def test_the_oldest_is_kept_whatever_the_others_are(self, read: bool) -> None:
        kept = listed_item({"x": 1}, complete({"x": b"y"}), data_id=1)
        others = [
            listed_item(FILES, complete(FILES), data_id=2),
            listed_item({}, pending(), data_id=3),
            listed_item(FILES, complete(FILES), data_id=4),
        ]
        steps = plan(wanted_item(FILES, read=read), *others, kept)
        assert steps == [DeleteDuplicates(others, kept)]

    def test_the_oldest_is_so_by_its_date_and_then_by_its_id(self) -> None:
        items = [listed_item(FILES, complete(FILES), data_id=n) for n in (5, 6, 7)]
        assert plan(wanted_item(FILES), *items) == [DeleteDuplicates(list(items[1:]), items[0])]
        older = structs.replace(items[2], created=items[2].created - timedelta(seconds=1))
        assert plan(wanted_item(FILES), *items[:2], older) == [DeleteDuplicates(list(items[:2]), older)]

    @pytest.mark.parametrize("read", [False, True])
    def test_everyone_who_looks_keeps_the_same_one(self, read: bool) -> None:
        items = [listed_item(FILES, complete(FILES), data_id=n) for n in (1, 2, 3)]
        deleted = plan(wanted_item(FILES, read=read), *items)
        assert plan(wanted_item(FILES, read=read), *reversed(items)) == deleted

    @pytest.mark.parametrize("id_of_foreign", [1, 9])
    def test_an_item_of_someone_else_is_never_deleted(self, id_of_foreign: int) -> None:
        foreign = listed_item(FILES, {"by": "hand"}, data_id=id_of_foreign)
        ours = [listed_item(FILES, pending(), data_id=n) for n in (2, 3)]
        assert plan(wanted_item(FILES), foreign, *ours) == [DeleteDuplicates([ours[1]], ours[0])]

    @pytest.mark.parametrize("copies", [4, 20])
    def test_more_than_repeated_requests_can_leave_are_left_to_a_person(self, copies: int) -> None:
        items = [listed_item(FILES, complete(FILES), data_id=n) for n in range(1, copies + 2)]
        with pytest.raises(EdgeImpulseConflictError, match=", ".join(str(item.id) for item in items)) as caught:
            plan(wanted_item(FILES, read=True), *items)
        assert "Nothing was changed" in str(caught.value)
        assert not caught.value.retryable

    def test_as_many_as_repeated_requests_can_leave_are_removed(self) -> None:
        items = [listed_item(FILES, complete(FILES), data_id=n) for n in (1, 2, 3, 4)]
        assert plan(wanted_item(FILES), *items) == [DeleteDuplicates(list(items[1:]), items[0])]

    def test_one_of_a_single_upload_is_not_removed_by_a_sync_beside_another_ones(self) -> None:
        wanted = replace(wanted_item(FILES, read=True), sync_id="nightly")
        ours = listed_item(FILES, complete(FILES, sync="nightly"), data_id=1)
        theirs = listed_item(FILES, complete(FILES, sync="hourly"), data_id=2)
        with pytest.raises(EdgeImpulseConflictError, match=r"\(id 2\) belongs to the sync 'hourly'"):
            plan(wanted, ours, theirs)

    @pytest.mark.parametrize("if_exists", ["skip", "fail"])
    def test_a_duplicate_does_not_let_skip_or_fail_touch_the_complete_one(self, if_exists: IfExists) -> None:
        items = listed_item(FILES, complete(FILES), data_id=1), listed_item(FILES, pending(), data_id=2)
        if if_exists == "skip":
            assert plan(wanted_item(FILES), *items, if_exists=if_exists) == [Done(items[0], "skipped")]
        else:
            with pytest.raises(EdgeImpulseConflictError):
                plan(wanted_item(FILES), *items, if_exists=if_exists)

    @pytest.mark.parametrize("if_exists", ["skip", "fail"])
    def test_skip_and_fail_do_not_touch_a_complete_one_beside_an_older_unfinished_one(
        self, if_exists: IfExists
    ) -> None:
        items = listed_item(FILES, pending(), data_id=1), listed_item(FILES, complete(FILES), data_id=2)
        if if_exists == "skip":
            assert plan(wanted_item(FILES), *items, if_exists=if_exists) == [Done(items[1], "skipped")]
        else:
            with pytest.raises(EdgeImpulseConflictError):
                plan(wanted_item(FILES), *items, if_exists=if_exists)


class TestBatches:
    def split(self, sizes: Sequence[int], files: int, size: int) -> list[list[int]]:
        sources = [MadeUpFile(f"{n}", stated_size=each) for n, each in enumerate(sizes)]
        found = list(batches(sources, BatchLimits(files, size)))
        assert [file for batch in found for file in batch] == sources
        return [[file.size for file in batch] for batch in found]

    @pytest.mark.parametrize(
        ("sizes", "expected"),
        [
            pytest.param([1], [[1]], id="one"),
            pytest.param([1, 1, 1], [[1, 1, 1]], id="as many files as fit"),
            pytest.param([1, 1, 1, 1], [[1, 1, 1], [1]], id="one file more"),
            pytest.param([4, 6], [[4, 6]], id="as many bytes as fit"),
            pytest.param([4, 7], [[4], [7]], id="one byte more"),
            pytest.param([10, 0, 0], [[10, 0, 0]], id="empty files fit into a full one"),
            pytest.param([0, 0, 0, 0], [[0, 0, 0], [0]], id="empty files count"),
            pytest.param([99], [[99]], id="larger than the limit, only one"),
            pytest.param([99, 1, 1], [[99], [1, 1]], id="larger than the limit, first"),
            pytest.param([1, 99, 1], [[1], [99], [1]], id="larger than the limit, between"),
            pytest.param([99, 99], [[99], [99]], id="two larger than the limit"),
        ],
    )
    def test_split(self, sizes: list[int], expected: list[list[int]]) -> None:
        assert self.split(sizes, files=3, size=10) == expected

    def test_12000_files(self) -> None:
        item = wanted_item([MadeUpFile(f"{n:05}", stated_size=1) for n in range(12_000)])
        (create,) = plan(item, limits=BatchLimits(10_000, 10**9))
        assert isinstance(create, Create)
        assert not create.complete
        assert len(create.files) == 10_000
        there = {file.name: 1 for file in create.files}
        run = this_run("created", data_id=1, sent=set(there))
        (adding,) = plan(item, listed_item(there, pending()), run=run, limits=BatchLimits(10_000, 10**9))
        assert isinstance(adding, AddFiles)
        assert names(adding.files) == [f"{n:05}" for n in range(10_000, 12_000)]

    def test_exactly_10000_files_are_one_request(self) -> None:
        item = wanted_item([MadeUpFile(f"{n:05}", b"") for n in range(10_000)], read=True)
        (create,) = plan(item, limits=BatchLimits(10_000, 10**9))
        assert isinstance(create, Create)
        assert create.complete

    def test_an_update_is_marked_once_and_sent_in_batches(self) -> None:
        item = listed_item({"x": 1}, complete({"x": b"y"}))
        mark, *adding = plan(wanted_item({f"{n}": b"1" for n in range(5)}), item, limits=BatchLimits(2, 1000))
        assert mark == MarkPending(item)
        assert [names(step.files) for step in adding if isinstance(step, AddFiles)] == [["0", "1"], ["2", "3"], ["4"]]


class TestListedAWhileAgo:
    """Whatever is about to be changed is looked at first, and what is about to be created is looked for."""

    LATER = RunState(fresh=False, absence_known=False, run=RUN)

    @pytest.mark.parametrize(
        "metadata",
        [pending(), complete({"1.csv": b"other"}), complete(FILES, {"of": "before"}), {"by": "hand"}],
        ids=str,
    )
    def test_an_item_is_looked_at_before_it_is_changed(self, metadata: Mapping[str, str]) -> None:
        item = listed_item(FILES, metadata)
        steps = plan(wanted_item(FILES, read=True), item, run=self.LATER, if_exists="overwrite")
        assert steps == [LookFirst((item,), by_name=False)]

    def test_a_new_one_is_looked_for_by_its_name_unless_nobody_else_can_have_created_it(self) -> None:
        wanted = wanted_item(FILES, read=True)
        assert plan(wanted, run=self.LATER) == [LookFirst((), by_name=True)]
        (step,) = plan(wanted, run=replace(self.LATER, absence_known=True))
        assert isinstance(step, Create)

    def test_what_is_right_is_not_looked_at_again(self) -> None:
        item = listed_item(FILES, complete(FILES))
        assert plan(wanted_item(FILES, read=True), item, run=self.LATER) == [Done(item, "unchanged")]


class TestPlanningToTheEnd:
    """Carrying the steps out on paper ends at the wanted item, from every state and in few rounds."""

    OTHER = {"2.csv": b"SECOND", "3.csv": b"three"}
    STATES = {
        "nothing": [],
        "complete": [listed_item(FILES, complete(FILES, {"a": "1"}), data_id=1)],
        "other content": [listed_item(OTHER, complete(OTHER, {"b": "1"}), data_id=1)],
        "pending": [listed_item(OTHER, pending({"b": "1"}), data_id=1)],
        "pending, empty": [listed_item({}, pending(), data_id=1)],
        "duplicates": [
            listed_item(OTHER, complete(OTHER), data_id=1),
            listed_item(FILES, pending(), data_id=2),
            listed_item(FILES, complete(FILES), data_id=3),
        ],
        "of a sync": [listed_item(FILES, complete(FILES, {"a": "1"}, sync="nightly"), data_id=1)],
        "renamed by a person": [
            structs.replace(listed_item(FILES, complete(FILES, {"a": "1"}), data_id=1), name="run 1 good")
        ],
        "someone's": [listed_item(OTHER, {"by": "hand"}, data_id=1)],
    }

    @pytest.mark.parametrize("state", STATES)
    @pytest.mark.parametrize("limits", [ROOM, BatchLimits(1, 1)], ids=["one request", "several requests"])
    @pytest.mark.parametrize("merges", [False, True], ids=["replace", "merge"])
    def test_ends_at_what_is_wanted(self, state: str, limits: BatchLimits, merges: bool) -> None:
        wanted = wanted_item(FILES, {"a": "1"})
        there = {item.id: item for item in self.STATES[state]}
        run = this_run()
        for _ in range(12):
            for step in plan(wanted, *there.values(), run=run, if_exists="overwrite", limits=limits):
                if isinstance(step, Done):
                    (item,) = (item for item in there.values() if item.name == wanted.name)
                    assert wanted.difference(item, wanted.correspondence(item)) is None
                    assert ItemState.of(item).sync is None  # type: ignore[union-attr]
                    assert {key: v for key, v in item.metadata.items() if key in "ab" and v} == {"a": "1"}
                    return
                self.carry_out(step, wanted, there, run, merges)
        pytest.fail("the plan has no end")

    def carry_out(
        self, step: Step, wanted: WantedItem, there: dict[int, DataItem], run: RunState, merges: bool
    ) -> None:
        hashes = wanted_item(FILES, read=True).hashes
        match step:
            case ReadFiles():
                wanted.hashes.update(hashes)
            case LetSettle():
                run.settled = True
            case Create(files, whole):
                marks = complete(FILES, wanted.metadata) if whole else pending(wanted.metadata)
                there[9] = listed_item({file.name: file.size for file in files}, marks, data_id=9)
                run.outcome, run.data_id = "created", 9
                self.sent(files, wanted, run)
            case DeleteDuplicates(items):
                for item in items:
                    del there[item.id]
            case AddFiles(item, files):
                old = {file.name: file.size for file in there[item.id].files or ()}
                there[item.id] = listed_item(
                    old | {file.name: file.size for file in files}, there[item.id].metadata, data_id=item.id
                )
                self.begun(item, run)
                self.sent(files, wanted, run)
            case RemoveFile(item, name):
                left = {file.name: file.size for file in there[item.id].files or () if file.name != name}
                there[item.id] = listed_item(left, there[item.id].metadata, data_id=item.id)
            case MarkPending(item) | WriteDigest(item):
                if isinstance(step, MarkPending):
                    state = ItemState(wanted.name, wanted.dataset, "pending", RUN)
                    new = pending_metadata(item, wanted.metadata, state)
                else:
                    digests = {"digest": wanted.digest, "files": wanted.files_digest}
                    state = ItemState(wanted.name, wanted.dataset, "complete", RUN, **digests)
                    new = complete_metadata(item, wanted.metadata, state)
                self.begun(item, run)
                sizes = {file.name: file.size for file in there[item.id].files or ()}
                new = {**there[item.id].metadata, **new} if merges else new
                there[item.id] = listed_item(sizes, new, data_id=item.id)

    @staticmethod
    def begun(item: DataItem, run: RunState) -> None:
        if run.data_id != item.id:
            run.data_id, run.sent = item.id, set()

    @staticmethod
    def sent(files: Sequence[Any], wanted: WantedItem, run: RunState) -> None:
        run.sent.update(file.name for file in files)
        hashes = wanted_item(FILES, read=True).hashes
        wanted.hashes.update({file.name: hashes[file.name] for file in files})
