"""The plan as a pure function of what is wanted, what is listed and what this run has done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseConflictError
from airflow_provider_ei.studio.answers import DataItem
from airflow_provider_ei.sync import plan as plan_module
from airflow_provider_ei.sync.item import WantedItem
from airflow_provider_ei.sync.metadata import complete_metadata, pending_metadata
from airflow_provider_ei.sync.plan import (
    AddFiles,
    Create,
    DeleteDouble,
    Done,
    IfExists,
    Limits,
    LookAgain,
    MarkPending,
    Outcome,
    Progress,
    ReadFiles,
    RemoveFile,
    Step,
    WriteDigest,
    batches,
    plan_item,
)

from .support import RUN, MadeUpFile, complete, listed_item, pending, wanted_item

ROOM = Limits(10_000, 1_000_000)
FILES = {"1.csv": b"one", "2.csv": b"second"}
DIGEST = wanted_item(FILES, read=True).files_digest
IF_EXISTS: list[Any] = ["update", "skip", "fail", "overwrite"]


def this_run(outcome: Outcome = "unchanged", **facts: Any) -> Progress:
    return Progress(outcome, run=RUN, **facts)


def plan(
    wanted: WantedItem,
    *listed: DataItem,
    progress: Progress | None = None,
    if_exists: IfExists = "update",
    limits: Limits = ROOM,
) -> list[Step]:
    return plan_item(wanted, listed, progress or this_run(), if_exists, limits)


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
        (step,) = plan(wanted_item(FILES, read=True), limits=Limits(1, 1000))
        assert isinstance(step, Create)
        assert not step.complete
        assert names(step.files) == ["1.csv"]

    def test_what_this_run_has_created_is_looked_for_again(self) -> None:
        (step,) = plan(wanted_item(FILES), progress=this_run(data_id=1))
        assert isinstance(step, LookAgain)

    def test_an_attempt_without_answer_that_has_not_arrived_is_repeated(self) -> None:
        (step,) = plan(wanted_item(FILES, read=True), progress=this_run(unanswered=1))
        assert isinstance(step, Create)


class TestItemOfSomeoneElse:
    FOREIGN: Mapping[str, str] = {"by": "hand"}

    def test_equal_one_is_adopted(self) -> None:
        item = listed_item(FILES, self.FOREIGN)
        first, second = plan(wanted_item(FILES), item)
        assert first == MarkPending(item)
        assert isinstance(second, AddFiles)
        assert names(second.files) == ["1.csv", "2.csv"]

    @pytest.mark.parametrize(
        ("there", "words"),
        [
            pytest.param({"1.csv": 3}, "'2.csv' is not there", id="file missing"),
            pytest.param({"1.csv": 3, "2.csv": 7}, "'2.csv' has 7 bytes there, 6 here", id="another size"),
            pytest.param({"1.csv": 3, "2.csv": 6, "3.csv": 1}, "'3.csv' is there and not given", id="one more"),
            pytest.param({}, "'1.csv' is not there", id="empty"),
        ],
    )
    def test_different_one_is_refused_and_told_how(self, there: Mapping[str, int], words: str) -> None:
        with pytest.raises(EdgeImpulseConflictError) as caught:
            plan(wanted_item(FILES), listed_item(there, self.FOREIGN, data_id=42))
        assert words in str(caught.value)
        assert "42" in str(caught.value)
        assert "overwrite" in str(caught.value)
        assert caught.value.permanent

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

    def test_marks_of_another_package_are_not_ours(self) -> None:
        item = listed_item({"3.csv": 1}, complete(FILES) | {"airflow_ei_owner": "someone"})
        with pytest.raises(EdgeImpulseConflictError):
            plan(wanted_item(FILES), item)


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
    @pytest.mark.parametrize("progress", [this_run("created", data_id=1), this_run("created", unanswered=1)], ids=str)
    def test_skip_and_fail_do_not_stop_what_this_run_has_begun(self, if_exists: IfExists, progress: Progress) -> None:
        item = listed_item(FILES, complete(FILES))
        steps = plan(wanted_item(FILES, read=True), item, if_exists=if_exists, progress=progress)
        assert steps == [Done(item, "created")]

    def test_the_outcome_is_what_this_run_has_done(self) -> None:
        item = listed_item(FILES, complete(FILES))
        for outcome in ("created", "updated"):
            progress = this_run(outcome=outcome, data_id=1)  # type: ignore[arg-type]
            assert plan(wanted_item(FILES, read=True), item, progress=progress) == [Done(item, outcome)]  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["é.csv", 'a"b.csv', 'é "x".csv'])
    def test_names_as_the_server_may_list_them(self, name: str) -> None:
        for form in (name, name.replace('"', "%22"), name.encode().decode("latin-1")):
            item = listed_item({form: b"1"}, complete({name: b"1"}))
            assert plan(wanted_item({name: b"1"}, read=True), item) == [Done(item, "unchanged")]


class TestPendingItemOfOurs:
    @pytest.mark.parametrize("if_exists", IF_EXISTS)
    @pytest.mark.parametrize("there", [{}, {"1.csv": 3}, {"1.csv": 3, "2.csv": 6}, {"x": 1}], ids=str)
    def test_all_files_are_sent_again_whatever_is_there(self, if_exists: IfExists, there: Mapping[str, int]) -> None:
        item = listed_item(there, pending())
        mark, step = plan(wanted_item(FILES), item, if_exists=if_exists)
        assert mark == MarkPending(item)
        assert isinstance(step, AddFiles)
        assert names(step.files) == ["1.csv", "2.csv"]

    def test_only_what_this_run_has_not_sent_yet(self) -> None:
        item = listed_item({"1.csv": 3}, pending())
        (step,) = plan(wanted_item(FILES), item, progress=this_run("created", data_id=1, sent={"1.csv"}))
        assert isinstance(step, AddFiles)
        assert names(step.files) == ["2.csv"]

    @pytest.mark.parametrize(
        "marks",
        [pending() | {"airflow_ei_run": "another run"}, complete({"1.csv": b"two"}, {"of": "another run"})],
        ids=["pending", "complete"],
    )
    def test_all_files_are_sent_again_once_another_run_was_there(self, marks: Mapping[str, str]) -> None:
        item = listed_item({"1.csv": 3, "2.csv": 6}, marks)
        mark, step = plan(wanted_item(FILES, read=True), item, progress=self.sent())
        assert mark == MarkPending(item)
        assert isinstance(step, AddFiles)
        assert names(step.files) == ["1.csv", "2.csv"]

    def test_what_was_sent_to_another_item_does_not_count(self) -> None:
        item = listed_item({"1.csv": 3}, pending(), data_id=2)
        _, step = plan(wanted_item(FILES), item, progress=this_run("created", data_id=1, sent={"1.csv", "2.csv"}))
        assert isinstance(step, AddFiles)
        assert names(step.files) == ["1.csv", "2.csv"]

    def sent(self) -> Progress:
        return this_run("created", data_id=1, sent=set(FILES))

    def test_superfluous_files_are_removed_once_all_is_sent(self) -> None:
        item = listed_item(FILES | {"old.csv": b"x", "é".encode().decode("latin-1"): b"y"}, pending())
        steps = plan(wanted_item(FILES), item, progress=self.sent())
        assert steps == [RemoveFile(item, "old.csv"), RemoveFile(item, "Ã©")]

    def test_the_digest_is_written_once_the_listing_shows_all(self) -> None:
        item = listed_item(FILES, pending())
        assert plan(wanted_item(FILES, read=True), item, progress=self.sent()) == [WriteDigest(item, DIGEST)]

    @pytest.mark.parametrize(
        ("there", "words"),
        [({"1.csv": 3}, "'2.csv' is not there"), ({"1.csv": 3, "2.csv": 5}, "'2.csv' has 5 bytes")],
        ids=["missing", "size"],
    )
    def test_no_digest_while_the_listing_shows_less(self, there: Mapping[str, int], words: str) -> None:
        (step,) = plan(wanted_item(FILES, read=True), listed_item(there, pending()), progress=self.sent())
        assert isinstance(step, LookAgain)
        assert words in step.difference

    def test_file_listed_twice_is_no_match(self) -> None:
        item = listed_item({"é": 1, "Ã©": 1}, pending())
        progress = this_run("created", data_id=1, sent={"é"})
        (step,) = plan(wanted_item({"é": b"1"}, read=True), item, progress=progress)
        assert isinstance(step, LookAgain)
        assert "twice" in step.difference

    def test_state_that_is_missing_is_no_complete_one(self) -> None:
        marks = {key: value for key, value in complete(FILES).items() if key != "airflow_ei_state"}
        item = listed_item(FILES, marks)
        steps = plan(wanted_item(FILES, read=True), item, if_exists="skip")
        assert steps[0] == MarkPending(item)


class TestDoubles:
    def test_all_but_the_one_with_this_content_are_deleted(self) -> None:
        right = listed_item(FILES, complete(FILES), data_id=2)
        others = [
            listed_item({"x": 1}, complete({"x": b"y"}), data_id=1),
            listed_item({}, pending(), data_id=3),
            listed_item(FILES, complete(FILES), data_id=4),
        ]
        steps = plan(wanted_item(FILES, read=True), *others, right)
        assert steps == [DeleteDouble(item) for item in others]

    def test_before_the_files_are_read_the_newest_complete_one_stays(self) -> None:
        items = [
            listed_item(FILES, complete(FILES), data_id=1),
            listed_item(FILES, complete(FILES), data_id=2),
            listed_item(FILES, pending(), data_id=3),
        ]
        assert plan(wanted_item(FILES), *items) == [DeleteDouble(items[0]), DeleteDouble(items[2])]

    def test_of_pending_ones_the_newest_stays(self) -> None:
        items = [listed_item(FILES, pending(), data_id=n) for n in (5, 7, 6)]
        assert plan(wanted_item(FILES), *items) == [DeleteDouble(items[0]), DeleteDouble(items[2])]

    @pytest.mark.parametrize("read", [False, True])
    def test_everyone_who_looks_keeps_the_same_one(self, read: bool) -> None:
        items = [listed_item(FILES, complete(FILES), data_id=n) for n in (1, 2, 3)]
        deleted = plan(wanted_item(FILES, read=read), *items)
        assert plan(wanted_item(FILES, read=read), *reversed(items)) == deleted[::-1]

    def test_an_item_of_someone_else_is_never_deleted(self) -> None:
        foreign = listed_item(FILES, {"by": "hand"}, data_id=1)
        ours = [listed_item(FILES, pending(), data_id=n) for n in (2, 3)]
        assert plan(wanted_item(FILES), foreign, *ours) == [DeleteDouble(ours[0])]

    @pytest.mark.parametrize("if_exists", ["skip", "fail"])
    def test_pending_one_does_not_let_skip_or_fail_touch_the_complete_one(self, if_exists: IfExists) -> None:
        items = listed_item(FILES, complete(FILES), data_id=1), listed_item(FILES, pending(), data_id=2)
        if if_exists == "skip":
            assert plan(wanted_item(FILES), *items, if_exists=if_exists) == [Done(items[0], "skipped")]
        else:
            with pytest.raises(EdgeImpulseConflictError):
                plan(wanted_item(FILES), *items, if_exists=if_exists)


class TestBatches:
    def split(self, sizes: Sequence[int], files: int, size: int) -> list[list[int]]:
        sources = [MadeUpFile(f"{n}", stated_size=each) for n, each in enumerate(sizes)]
        found = list(batches(sources, Limits(files, size)))
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
        (create,) = plan(item, limits=Limits(10_000, 10**9))
        assert isinstance(create, Create)
        assert not create.complete
        assert len(create.files) == 10_000
        there = {file.name: 1 for file in create.files}
        progress = this_run("created", data_id=1, sent=set(there))
        (adding,) = plan(item, listed_item(there, pending()), progress=progress, limits=Limits(10_000, 10**9))
        assert isinstance(adding, AddFiles)
        assert names(adding.files) == [f"{n:05}" for n in range(10_000, 12_000)]

    def test_exactly_10000_files_are_one_request(self) -> None:
        item = wanted_item([MadeUpFile(f"{n:05}", b"") for n in range(10_000)], read=True)
        (create,) = plan(item, limits=Limits(10_000, 10**9))
        assert isinstance(create, Create)
        assert create.complete

    def test_an_update_is_marked_once_and_sent_in_batches(self) -> None:
        item = listed_item({"x": 1}, complete({"x": b"y"}))
        mark, *adding = plan(wanted_item({f"{n}": b"1" for n in range(5)}), item, limits=Limits(2, 1000))
        assert mark == MarkPending(item)
        assert [names(step.files) for step in adding if isinstance(step, AddFiles)] == [["0", "1"], ["2", "3"], ["4"]]


class TestPlanningToTheEnd:
    """Carrying the steps out on paper ends at the wanted item, from every state and in few rounds."""

    OTHER = {"2.csv": b"SECOND", "3.csv": b"three"}
    STATES = {
        "nothing": [],
        "complete": [listed_item(FILES, complete(FILES, {"a": "1"}), data_id=1)],
        "other content": [listed_item(OTHER, complete(OTHER, {"b": "1"}), data_id=1)],
        "pending": [listed_item(OTHER, pending({"b": "1"}), data_id=1)],
        "pending, empty": [listed_item({}, pending(), data_id=1)],
        "doubles": [
            listed_item(OTHER, complete(OTHER), data_id=1),
            listed_item(FILES, pending(), data_id=2),
            listed_item(FILES, complete(FILES), data_id=3),
        ],
        "someone's": [listed_item(OTHER, {"by": "hand"}, data_id=1)],
    }

    @pytest.mark.parametrize("state", STATES)
    @pytest.mark.parametrize("limits", [ROOM, Limits(1, 1)], ids=["one request", "several requests"])
    @pytest.mark.parametrize("merges", [False, True], ids=["replace", "merge"])
    def test_ends_at_what_is_wanted(self, state: str, limits: Limits, merges: bool) -> None:
        wanted = wanted_item(FILES, {"a": "1"})
        there = {item.id: item for item in self.STATES[state]}
        progress = this_run()
        for _ in range(12):
            for step in plan(wanted, *there.values(), progress=progress, if_exists="overwrite", limits=limits):
                if isinstance(step, Done):
                    (item,) = there.values()
                    assert wanted.difference(item) is None
                    assert {key: v for key, v in item.metadata.items() if key in "ab" and v} == {"a": "1"}
                    return
                self.carry_out(step, wanted, there, progress, merges)
        pytest.fail("the plan has no end")

    def carry_out(
        self, step: Step, wanted: WantedItem, there: dict[int, DataItem], progress: Progress, merges: bool
    ) -> None:
        hashes = wanted_item(FILES, read=True).hashes
        match step:
            case ReadFiles():
                wanted.hashes.update(hashes)
            case Create(files, whole):
                marks = complete(FILES, wanted.metadata) if whole else pending(wanted.metadata)
                there[9] = listed_item({file.name: file.size for file in files}, marks, data_id=9)
                progress.outcome, progress.data_id = "created", 9
                self.sent(files, wanted, progress)
            case DeleteDouble(item):
                del there[item.id]
            case AddFiles(item, files):
                old = {file.name: file.size for file in there[item.id].files or ()}
                there[item.id] = listed_item(
                    old | {file.name: file.size for file in files}, there[item.id].metadata, data_id=item.id
                )
                self.begun(item, progress)
                self.sent(files, wanted, progress)
            case RemoveFile(item, name):
                left = {file.name: file.size for file in there[item.id].files or () if file.name != name}
                there[item.id] = listed_item(left, there[item.id].metadata, data_id=item.id)
            case MarkPending(item) | WriteDigest(item):
                if isinstance(step, MarkPending):
                    new = pending_metadata(item.metadata, wanted.metadata, run=RUN)
                else:
                    new = complete_metadata(
                        item.metadata, wanted.metadata, state=wanted.digest, files=wanted.files_digest
                    )
                self.begun(item, progress)
                sizes = {file.name: file.size for file in there[item.id].files or ()}
                new = {**there[item.id].metadata, **new} if merges else new
                there[item.id] = listed_item(sizes, new, data_id=item.id)

    @staticmethod
    def begun(item: DataItem, progress: Progress) -> None:
        if progress.data_id != item.id:
            progress.data_id, progress.sent = item.id, set()

    @staticmethod
    def sent(files: Sequence[Any], wanted: WantedItem, progress: Progress) -> None:
        progress.sent.update(file.name for file in files)
        hashes = wanted_item(FILES, read=True).hashes
        wanted.hashes.update({file.name: hashes[file.name] for file in files})
