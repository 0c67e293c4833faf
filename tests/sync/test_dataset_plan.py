"""What a sync is to do, item by item, and what it must not delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from airflow_provider_ei.exceptions import (
    EdgeImpulseConflictError,
    EdgeImpulseDeleteLimitError,
    EdgeImpulseFileError,
)
from airflow_provider_ei.studio.answers import DataItem
from airflow_provider_ei.sync.dataset.plan import DatasetPlan, PlannedItem, check_deletes, plan_dataset
from airflow_provider_ei.sync.dataset.rules import Shard, SyncRules
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.item import hash_files
from airflow_provider_ei.sync.metadata import STATE_MARK, SYNC_MARK, complete_metadata, pending_metadata

from .support import RUN, LookedAt, listed_item, wanted_item

RULES = SyncRules("nightly")
DELETE = replace(RULES, delete=True)
A = {"x.csv": b"1", "y.csv": b"22"}
TEXTS = {"subject": "s17"}


def source(
    name: str = "a", files: Mapping[str, bytes] = A, texts: Mapping[str, str] = TEXTS, version: str = "1"
) -> SourceItem:
    return SourceItem(name, [LookedAt(file, data, version=version) for file, data in files.items()], dict(texts))


def read(item: SourceItem, rules: SyncRules = RULES) -> SourceItem:
    """The same, after its files were read."""
    for file in item.files:
        file.closed = False  # type: ignore[attr-defined]
    hash_files(item.look("d", rules), lambda: None)
    return item


def there(
    name: str = "a",
    files: Mapping[str, bytes] = A,
    texts: Mapping[str, str] = TEXTS,
    *,
    data_id: int = 1,
    sync: str | None = "nightly",
    version: str | None = "1",
) -> DataItem:
    """The item as a sync has left it."""
    wanted = wanted_item(files, texts, read=True)
    fingerprint = source(name, files, texts, version).fingerprint() if version else None
    metadata = complete_metadata(
        {}, texts, state=wanted.digest, files=wanted.files_digest, sync=sync, fingerprint=fingerprint
    )
    return listed_item(files, metadata, data_id=data_id).model_copy(update={"name": name})


def foreign(name: str = "a", data_id: int = 1) -> DataItem:
    return listed_item(A, {"by": "hand"}, data_id=data_id).model_copy(update={"name": name})


def unfinished(sync: str = "nightly") -> DataItem:
    metadata = pending_metadata({}, TEXTS, run=RUN, sync=sync)
    return listed_item({"x.csv": b"1"}, metadata).model_copy(update={"name": "a"})


def changed(item: DataItem, **metadata: str) -> DataItem:
    return item.model_copy(update={"metadata": {**item.metadata, **metadata}})


def plan(
    items: Sequence[SourceItem],
    listed: Sequence[DataItem],
    rules: SyncRules = RULES,
    empty: Sequence[str] = (),
    dataset: str = "d",
) -> DatasetPlan:
    return plan_dataset(items, empty, listed, dataset, rules)


def only(item: SourceItem, listed: Sequence[DataItem], rules: SyncRules = RULES) -> PlannedItem:
    (planned,) = plan([item], listed, rules).items
    return planned


class TestByLooks:
    """Nothing was read yet."""

    def test_as_it_was(self) -> None:
        planned = only(source(), [there()])
        assert (planned.action, planned.changes) == ("unchanged", False)

    @pytest.mark.parametrize(
        "listed",
        [
            pytest.param([], id="not there"),
            pytest.param([there(version="2")], id="another time"),
            pytest.param([there(version=None)], id="no fingerprint"),
            pytest.param([there(texts={})], id="other metadata"),
            pytest.param([there(files={"x.csv": b"1"})], id="fewer files"),
            pytest.param([changed(there(), subject="s18")], id="metadata changed in Studio"),
            pytest.param([there(sync="hourly")], id="another sync"),
            pytest.param([there(sync=None)], id="no sync"),
            pytest.param([foreign()], id="someone else's"),
            pytest.param([unfinished()], id="unfinished"),
            pytest.param([there(), there(data_id=2)], id="twice"),
            pytest.param([there(), foreign(data_id=2)], id="beside someone else's"),
        ],
    )
    def test_all_else_takes_a_look(self, listed: list[DataItem]) -> None:
        planned = only(source(), listed)
        assert (planned.action, planned.changes) == ("look", False)

    def test_by_size_everything_takes_a_look(self) -> None:
        assert only(source(), [there()], replace(RULES, sizes_only=True)).action == "look"

    def test_an_item_with_a_problem_fails(self) -> None:
        item = replace(source(), problem=EdgeImpulseFileError("gone"))
        planned = only(item, [there()])
        assert (planned.action, planned.changes, planned.problem) == ("fail", False, item.problem)


class TestRead:
    """What looked new was read."""

    @pytest.mark.parametrize(
        ("listed", "action"),
        [
            pytest.param([], "create", id="not there"),
            pytest.param([there()], "unchanged", id="as it was"),
            pytest.param([there(version="2")], "renew", id="only touched"),
            pytest.param([there(version=None)], "renew", id="no fingerprint yet"),
            pytest.param([there(sync=None)], "renew", id="of the operator for one item"),
            pytest.param([there(texts={"subject": "s16"})], "metadata", id="other metadata"),
            pytest.param([changed(there(), subject="s18")], "metadata", id="metadata changed in Studio"),
            pytest.param([there(files={"x.csv": b"2", "y.csv": b"22"}, version="2")], "update", id="other bytes"),
            pytest.param([there(files={"x.csv": b"1"}, version="2")], "update", id="one file more"),
            pytest.param([there(files=A | {"z.csv": b""}, version="2")], "update", id="one file less"),
            pytest.param([there(files=A | {"z.csv": b""}, sync=None)], "update", id="of the operator, and other files"),
            pytest.param([unfinished()], "repair", id="unfinished"),
            pytest.param([listed_item({"x.csv": b"1"}, there().metadata)], "repair", id="a file is gone in Studio"),
            pytest.param([listed_item(A | {"z": b""}, there().metadata)], "repair", id="a file has come in Studio"),
            pytest.param([changed(there(), **{STATE_MARK: "pending"})], "repair", id="marked as unfinished"),
        ],
    )
    def test_what_is_done(self, listed: list[DataItem], action: str) -> None:
        named = [item.model_copy(update={"name": "a"}) for item in listed]
        planned = only(read(source()), named)
        assert planned.action == action
        assert planned.changes == (action != "unchanged")
        assert planned.problem is None

    def test_by_size_other_bytes_are_the_same(self) -> None:
        rules = replace(RULES, sizes_only=True)
        item = source()
        item.look("d", rules)
        assert only(item, [there(files={"x.csv": b"2", "y.csv": b"22"})], rules).action == "unchanged"
        assert only(item, [there(files={"x.csv": b"11", "y.csv": b"22"})], rules).action == "update"


class TestConflicts:
    """What this sync has not made is not touched."""

    @pytest.mark.parametrize(
        ("listed", "words"),
        [
            pytest.param([foreign()], "was not uploaded by this package (id 1)", id="someone else's"),
            pytest.param([foreign(), foreign(data_id=2)], "several times (ids 1, 2)", id="twice"),
            pytest.param(
                [there(sync="hourly")], "belongs to the sync 'hourly', and this is 'nightly'", id="another sync"
            ),
            pytest.param([unfinished("hourly")], "belongs to the sync 'hourly'", id="another sync's, unfinished"),
        ],
    )
    @pytest.mark.parametrize("rules", [RULES, DELETE], ids=["never", "extra"])
    def test_fail(self, rules: SyncRules, listed: list[DataItem], words: str) -> None:
        whole = plan([read(source())], listed, rules)
        (planned,) = whole.items
        assert (planned.action, planned.changes, planned.doubles) == ("fail", False, 0)
        assert isinstance(planned.problem, EdgeImpulseConflictError)
        assert words in str(planned.problem)
        assert (list(whole.deletes), whole.foreign) == ([], len(listed))

    @pytest.mark.parametrize("ours_first", [True, False])
    @pytest.mark.parametrize("other", [A, {"x.csv": b"other"}], ids=["same bytes", "other bytes"])
    def test_an_item_of_another_sync_is_no_double(self, ours_first: bool, other: Mapping[str, bytes]) -> None:
        """Two syncs have created it at once: neither deletes what is the other's."""
        ids = (1, 2) if ours_first else (2, 1)
        listed = [there(data_id=ids[0]), there(files=other, data_id=ids[1], sync="hourly")]
        planned = only(read(source()), listed)
        assert (planned.action, planned.doubles) == ("fail", 0)
        assert f"(id {ids[1]}) belongs to the sync 'hourly'" in str(planned.problem)

    def test_beside_someone_elses_ours_goes_on(self) -> None:
        planned = only(read(source()), [foreign(), there(data_id=2), foreign(data_id=3)])
        assert (planned.action, planned.doubles) == ("unchanged", 0)

    def test_items_of_other_datasets_are_none_of_ours(self) -> None:
        elsewhere = there().model_copy(update={"dataset": "D"})
        whole = plan([read(source())], [elsewhere], DELETE)
        assert whole.names("create") == ["a"]
        assert list(plan([read(source("b"))], [elsewhere], DELETE).deletes) == []


class TestDoubles:
    @pytest.mark.parametrize(
        ("listed", "action"),
        [
            pytest.param([there(), there(data_id=2), there(data_id=3)], "unchanged", id="all the same"),
            pytest.param([there(), unfinished().model_copy(update={"id": 2})], "unchanged", id="one is unfinished"),
            pytest.param([there(version="2"), there(version="3", data_id=2)], "renew", id="touched"),
            pytest.param([unfinished(), unfinished().model_copy(update={"id": 2})], "repair", id="all unfinished"),
            pytest.param(
                [there(files={"x.csv": b""}, version="2"), there(files={}, version="2", data_id=2)],
                "update",
                id="none is right",
            ),
        ],
    )
    def test_all_but_one_go(self, listed: list[DataItem], action: str) -> None:
        planned = only(read(source()), listed)
        assert planned.doubles == len(listed) - 1
        assert planned.changes
        assert planned.action == action
        assert planned.problem is None


class TestDeletes:
    def test_what_the_source_no_longer_has_in_the_order_of_names(self) -> None:
        listed = [there("c", data_id=1), there("b", data_id=3), there("b", data_id=2), there("a", data_id=4)]
        whole = plan([source()], listed, DELETE)
        assert [(item.name, item.id) for item in whole.deletes] == [("b", 2), ("b", 3), ("c", 1)]
        assert str(whole) == "3 delete, 1 unchanged"

    def test_never_unless_asked_for(self) -> None:
        assert plan([source()], [there(), there("b", data_id=2)]).deletes == ()

    def test_only_what_is_of_this_sync(self) -> None:
        others = [
            there("b", sync="hourly"),
            there("c", sync=None),
            foreign("e"),
            changed(foreign("f"), **{SYNC_MARK: "nightly"}),
        ]
        whole = plan([source()], [there(), *others], DELETE)
        assert list(whole.deletes) == []
        assert whole.foreign == 4

    def test_an_unfinished_one_too(self) -> None:
        assert [item.id for item in plan([source("b")], [unfinished()], DELETE).deletes] == [1]

    def test_not_what_has_no_files_now(self) -> None:
        listed = [there(), there("b", data_id=2), there("c", data_id=3)]
        assert [item.name for item in plan([source()], listed, DELETE, empty=["b"]).deletes] == ["c"]

    def test_not_what_fails(self) -> None:
        item = replace(source(), problem=EdgeImpulseFileError("gone"))
        assert list(plan([item], [there()], DELETE).deletes) == []

    @pytest.mark.parametrize("number", range(4))
    def test_not_what_is_in_another_shard(self, number: int) -> None:
        names = [f"item {n}" for n in range(20)]
        rules = replace(DELETE, shard=Shard(number, 4))
        whole = plan([source(name) for name in names], [there(name, data_id=n) for n, name in enumerate(names)], rules)
        assert list(whole.deletes) == []
        assert 0 < len(whole.items) < 20


class TestLimits:
    """Held against the plan, before anything is changed."""

    def check(self, kept: int, deletes: int, rules: SyncRules = DELETE, *, fresh: int = 0) -> None:
        """So many items of the source are there, so many are no longer in it, and so many are new."""
        items = [source(f"kept {n}") for n in range(kept)] + [source(f"new {n}") for n in range(fresh)]
        listed = [there(f"kept {n}", data_id=n) for n in range(kept)]
        listed += [there(f"gone {n}", data_id=1000 + n) for n in range(deletes)]
        whole = plan(items, listed, rules)
        assert len(whole.deletes) == deletes
        check_deletes(whole, rules)

    def refused(self, *words: str, kept: int, deletes: int, rules: SyncRules = DELETE, fresh: int = 0) -> None:
        with pytest.raises(EdgeImpulseDeleteLimitError) as caught:
            self.check(kept, deletes, rules, fresh=fresh)
        assert caught.value.permanent
        for word in (*words, f"{deletes} of the sync's data items", "such as 'gone 0'", "Nothing was changed."):
            assert word in str(caught.value)

    @pytest.mark.parametrize(("kept", "deletes"), [(1, 0), (0, 0), (1, 1), (5, 5), (10, 3)])
    def test_half_may_go(self, kept: int, deletes: int) -> None:
        self.check(kept, deletes)

    @pytest.mark.parametrize(("kept", "deletes"), [(1, 2), (5, 6), (1, 100)])
    def test_more_than_half_may_not(self, kept: int, deletes: int) -> None:
        part = f"{deletes / (kept + deletes):.0%} of the {kept + deletes} that are there; 50% may be deleted"
        self.refused(part, kept=kept, deletes=deletes)

    def test_new_items_do_not_make_up_for_it(self) -> None:
        """As when all folders were renamed: what is new does not count as there."""
        self.refused("100% of the 5 that are there", kept=0, deletes=5, fresh=5)
        self.refused("67% of the 9 that are there", kept=3, deletes=6, fresh=100)

    def test_items_of_others_do_not_make_up_for_it(self) -> None:
        items = [source("kept"), source("hand"), source("other")]
        listed = [there("kept"), foreign("hand", 2), there("other", data_id=3, sync="hourly")]
        listed += [there(f"gone {n}", data_id=10 + n) for n in range(2)]
        with pytest.raises(EdgeImpulseDeleteLimitError, match="67% of the 3 that are there"):
            check_deletes(plan(items, listed, DELETE), DELETE)

    def test_a_number(self) -> None:
        rules = replace(DELETE, most_deletes=3)
        self.check(10, 3, rules)
        self.refused("max_delete allows 3", "raise max_delete", kept=10, deletes=4, rules=rules)
        self.refused("75%", "50% may be deleted", kept=1, deletes=3, rules=rules)
        self.refused("max_delete allows 0", kept=10, deletes=1, rules=replace(DELETE, most_deletes=0))

    @pytest.mark.parametrize("percent", range(1, 100))
    def test_exactly_a_percentage(self, percent: int) -> None:
        rules = replace(DELETE, largest_part=percent / 100)
        self.check(100 - percent, percent, rules)
        if percent < 99:
            self.refused(f"{percent}% may be deleted", kept=99 - percent, deletes=percent + 1, rules=rules)

    def test_all_when_it_is_said(self) -> None:
        rules = replace(DELETE, largest_part=1.0)
        self.check(1, 100, rules)
        self.check(0, 100, rules, fresh=1)

    @pytest.mark.parametrize("part", [0.5, 1.0])
    def test_never_from_an_empty_source(self, part: float) -> None:
        self.refused("the source has no data item at all", kept=0, deletes=1, rules=replace(DELETE, largest_part=part))

    def test_an_empty_shard_refuses_too(self) -> None:
        shard = next(shard for shard in Shard.all(8) if not shard.has("kept 0"))
        with pytest.raises(EdgeImpulseDeleteLimitError):
            self.check_shard(replace(DELETE, shard=shard, largest_part=1.0))

    def check_shard(self, rules: SyncRules) -> None:
        check_deletes(plan([source("kept 0")], [there("kept 0"), there("gone", data_id=2)], rules), rules)


def test_what_is_said_of_a_plan() -> None:
    items = [source("same"), read(source("new")), replace(source("bad"), problem=EdgeImpulseFileError("x"))]
    whole = plan(items, [there("same"), there("gone", data_id=2)], DELETE)
    assert str(whole) == "1 create, 1 delete, 1 fail, 1 unchanged"
    assert whole.names("create") == ["new"]
    assert str(plan([], [])) == "nothing to do"
