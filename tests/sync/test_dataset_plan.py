"""What a sync is to do, item by item, and what it must not delete."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from msgspec import structs

from airflow_provider_ei.exceptions import (
    EdgeImpulseConflictError,
    EdgeImpulseDeleteLimitError,
    EdgeImpulseFileError,
)
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset.comparison import Comparison
from airflow_provider_ei.sync.dataset.extra_item import ExtraItem, own_state
from airflow_provider_ei.sync.dataset.options import Shard, SyncOptions
from airflow_provider_ei.sync.dataset.plan import DatasetPlan, PlannedItem, check_deletes, plan_read_item
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.dataset.tree import Tree
from airflow_provider_ei.sync.item.wanted import hash_files
from tests.support.files import LookedAt
from tests.support.items import changed_state, complete, listed_item, pending

OPTIONS = SyncOptions(dataset="d", sync_id="nightly")
DELETE = replace(OPTIONS, delete="extra")
A = {"x.csv": b"1", "y.csv": b"22"}
METADATA = {"subject": "s17"}


def source(
    name: str = "a", files: Mapping[str, bytes] = A, metadata: Mapping[str, str] = METADATA, version: str = "1"
) -> SourceItem:
    return SourceItem(name, [LookedAt(file, data, version=version) for file, data in files.items()], dict(metadata))


def read(item: SourceItem, options: SyncOptions = OPTIONS) -> SourceItem:
    """The same, after its files were read."""
    for file in item.files:
        file.closed = False  # type: ignore[attr-defined]
    hash_files(item.resolve(options), lambda: None)
    return item


def there(
    name: str = "a",
    files: Mapping[str, bytes] = A,
    metadata: Mapping[str, str] = METADATA,
    *,
    data_id: int = 1,
    sync: str | None = "nightly",
    version: str | None = "1",
) -> DataItem:
    """The item as a sync has left it."""
    fingerprint = source(name, files, metadata, version).fingerprint() if version else None
    stored = complete(files, metadata, name=name, sync=sync, fingerprint=fingerprint)
    return structs.replace(listed_item(files, stored, data_id=data_id), name=name)


def with_files(files: Mapping[str, bytes]) -> DataItem:
    """The same after a person has added or removed files."""
    return structs.replace(listed_item(files, there().metadata), name="a")


def foreign(name: str = "a", data_id: int = 1) -> DataItem:
    return structs.replace(listed_item(A, {"by": "hand"}, data_id=data_id), name=name)


def unfinished(sync: str | None = "nightly", data_id: int = 1) -> DataItem:
    metadata = pending(METADATA, name="a", sync=sync)
    return structs.replace(listed_item({"x.csv": b"1"}, metadata, data_id=data_id), name="a")


def changed(item: DataItem, **metadata: str) -> DataItem:
    return structs.replace(item, metadata={**item.metadata, **metadata})


def restated(item: DataItem, **facts: object) -> DataItem:
    """The item with other facts in the state that we keep there."""
    return structs.replace(item, metadata=changed_state(item.metadata, **facts))


def placed(item: DataItem, **place: str) -> DataItem:
    """The item after a person has renamed or moved it."""
    return structs.replace(item, **place)


def plan(
    items: Sequence[SourceItem],
    listed: Sequence[DataItem],
    options: SyncOptions = OPTIONS,
    empty: Sequence[str] = (),
) -> DatasetPlan:
    """Compare, and plan those items to the end that were read."""
    comparison = Comparison(SourceIndex.of(Tree(list(items), list(empty))), options)
    for item in listed:  # each on a page of its own
        comparison.add([item])
    seen = comparison.plan()
    were_read = {item.name: item for item in items if item.wanted is not None}
    by_id = {item.id: item for item in listed}

    def planned(item: PlannedItem) -> PlannedItem:
        if item.action != "look" or item.name not in were_read:
            return item
        dropped = [] if item.dropped is None else [by_id[item.dropped]]
        return plan_read_item(were_read[item.name], [*item.listed, *dropped], options)

    return replace(seen, items=[planned(item) for item in seen.items])


def only(item: SourceItem, listed: Sequence[DataItem], options: SyncOptions = OPTIONS) -> PlannedItem:
    whole = plan([item], listed, options)
    (planned,) = whole.items or [PlannedItem(item.name, "unchanged")]
    assert len(whole.items) + whole.unchanged == 1
    return planned


class TestComparison:
    """Nothing was read yet."""

    def test_an_unchanged_item_is_left_alone(self) -> None:
        planned = only(source(), [there()])
        assert (planned.action, planned.changes) == ("unchanged", False)

    @pytest.mark.parametrize(
        "listed",
        [
            pytest.param([], id="not there"),
            pytest.param([there(version="2")], id="another time"),
            pytest.param([there(version=None)], id="no fingerprint"),
            pytest.param([there(metadata={})], id="other metadata"),
            pytest.param([there(files={"x.csv": b"1"})], id="fewer files"),
            pytest.param([changed(there(), subject="s18")], id="metadata changed in Studio"),
            pytest.param([there(sync="hourly")], id="another sync"),
            pytest.param([there(sync=None)], id="no sync"),
            pytest.param([foreign()], id="someone else's"),
            pytest.param([unfinished()], id="unfinished"),
            pytest.param([there(), there(data_id=2)], id="twice"),
            pytest.param([there(), foreign(data_id=2)], id="next to someone else's"),
        ],
    )
    def test_an_item_that_may_have_changed_is_looked_at(self, listed: list[DataItem]) -> None:
        planned = only(source(), listed)
        assert (planned.action, planned.changes) == ("look", False)

    def test_every_item_is_looked_at_when_comparing_by_size(self) -> None:
        assert only(source(), [there()], replace(OPTIONS, comparison="size")).action == "look"

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
            pytest.param([there()], "unchanged", id="unchanged"),
            pytest.param([there(version="2")], "renew", id="only touched"),
            pytest.param([there(version=None)], "renew", id="no fingerprint yet"),
            pytest.param([there(sync=None)], "renew", id="of a single upload, and equal"),
            pytest.param([placed(there(), name="b")], "create", id="renamed in Studio"),
            pytest.param([placed(there(), dataset="archive")], "create", id="moved to another dataset"),
            pytest.param([there("b")], "create", id="of another name"),
            pytest.param([there(metadata={"subject": "s16"})], "metadata", id="other metadata"),
            pytest.param([changed(there(), subject="s18")], "metadata", id="metadata changed in Studio"),
            pytest.param([there(files={"x.csv": b"2", "y.csv": b"22"}, version="2")], "update", id="other bytes"),
            pytest.param([there(files={"x.csv": b"1"}, version="2")], "update", id="one file more"),
            pytest.param([there(files=A | {"z.csv": b""}, version="2")], "update", id="one file less"),
            pytest.param([unfinished()], "repair", id="unfinished"),
            pytest.param([with_files({"x.csv": b"1"})], "repair", id="a file is gone in Studio"),
            pytest.param([with_files(A | {"z": b""})], "repair", id="a file has come in Studio"),
            pytest.param([restated(there(), state="pending")], "repair", id="said to be unfinished"),
        ],
    )
    def test_the_action_of_an_item_that_was_read(self, listed: list[DataItem], action: str) -> None:
        planned = only(read(source()), listed)
        assert planned.action == action
        assert planned.changes == (action != "unchanged")
        assert planned.problem is None

    def test_other_bytes_of_the_same_size_are_the_same_when_comparing_by_size(self) -> None:
        options = replace(OPTIONS, comparison="size")
        item = source()
        item.resolve(options)
        assert only(item, [there(files={"x.csv": b"2", "y.csv": b"22"})], options).action == "unchanged"
        assert only(item, [there(files={"x.csv": b"11", "y.csv": b"22"})], options).action == "update"


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
            pytest.param(
                [there(files=A | {"z.csv": b""}, sync=None)],
                "(id 1) in Studio if this sync is to have it: a single upload has put other content",
                id="a single upload's, other files",
            ),
            pytest.param(
                [there(metadata={}, sync=None)], "a single upload has put", id="a single upload's, other metadata"
            ),
            pytest.param([unfinished(None)], "a single upload has put", id="a single upload's, unfinished"),
            pytest.param(
                [placed(there("b"), name="a")],
                "was not uploaded by this package (id 1)",
                id="with metadata of another item",
            ),
            pytest.param([restated(there(), version=2)], "was not uploaded by this package", id="of a later version"),
        ],
    )
    @pytest.mark.parametrize("options", [OPTIONS, DELETE], ids=["never", "extra"])
    def test_an_item_that_this_sync_has_not_made_fails(
        self, options: SyncOptions, listed: list[DataItem], words: str
    ) -> None:
        whole = plan([read(source())], listed, options)
        (planned,) = whole.items
        assert (planned.action, planned.changes, planned.duplicates) == ("fail", False, 0)
        assert isinstance(planned.problem, EdgeImpulseConflictError)
        assert words in str(planned.problem)
        assert (list(whole.deletes), whole.foreign) == ([], len(listed))

    @pytest.mark.parametrize("ours_first", [True, False])
    @pytest.mark.parametrize("other", [A, {"x.csv": b"other"}], ids=["same bytes", "other bytes"])
    def test_an_item_of_another_sync_is_not_a_duplicate(self, ours_first: bool, other: Mapping[str, bytes]) -> None:
        """Two syncs have created it at once: neither deletes what is the other's."""
        ids = (1, 2) if ours_first else (2, 1)
        listed = [there(data_id=ids[0]), there(files=other, data_id=ids[1], sync="hourly")]
        planned = only(read(source()), listed)
        assert (planned.action, planned.duplicates) == ("fail", 0)
        assert f"(id {ids[1]}) belongs to the sync 'hourly'" in str(planned.problem)

    def test_an_item_of_somebody_else_does_not_stop_ours(self) -> None:
        planned = only(read(source()), [foreign(), there(data_id=2), foreign(data_id=3)])
        assert (planned.action, planned.duplicates) == ("unchanged", 0)

    def test_items_of_other_datasets_are_ignored(self) -> None:
        elsewhere = structs.replace(there(), dataset="D")
        whole = plan([read(source())], [elsewhere], DELETE)
        assert whole.names("create") == ["a"]
        assert list(plan([read(source("b"))], [elsewhere], DELETE).deletes) == []


class TestDuplicates:
    @pytest.mark.parametrize(
        ("listed", "action"),
        [
            pytest.param([there(), there(data_id=2), there(data_id=3)], "unchanged", id="all the same"),
            pytest.param([there(), unfinished(data_id=2)], "unchanged", id="the other is unfinished"),
            pytest.param([unfinished(), there(data_id=2)], "repair", id="the oldest is unfinished"),
            pytest.param([there(version="2"), there(version="3", data_id=2)], "renew", id="touched"),
            pytest.param([unfinished(), unfinished(data_id=2)], "repair", id="all unfinished"),
            pytest.param(
                [there(files={"x.csv": b""}, version="2"), there(data_id=2)], "update", id="the oldest is not right"
            ),
            pytest.param(
                [there(files={"x.csv": b""}, version="2"), there(files={}, version="2", data_id=2)],
                "update",
                id="none is right",
            ),
        ],
    )
    def test_the_oldest_is_kept_and_the_others_may_go(self, listed: list[DataItem], action: str) -> None:
        for order in (listed, listed[::-1]):
            planned = only(read(source()), order)
            assert planned.duplicates == len(listed) - 1
            assert planned.changes
            assert planned.action == action
            assert planned.problem is None

    @pytest.mark.parametrize("options", [OPTIONS, DELETE], ids=["never", "extra"])
    def test_more_than_repeated_requests_can_leave_are_an_error(self, options: SyncOptions) -> None:
        assert only(read(source()), [there(data_id=n) for n in range(1, 5)], options).duplicates == 3
        for count in (5, 20):
            planned = only(read(source()), [there(data_id=n) for n in range(1, count + 1)], options)
            assert (planned.action, planned.changes, planned.duplicates) == ("fail", False, 0)
            assert ", ".join(map(str, range(1, count + 1))) in str(planned.problem)


class TestDeletes:
    def test_items_that_the_source_no_longer_has_are_deleted_in_the_order_of_names(self) -> None:
        listed = [there("c", data_id=1), there("b", data_id=3), there("b", data_id=2), there("a", data_id=4)]
        whole = plan([source()], listed, DELETE)
        assert [(item.name, item.id) for item in whole.deletes] == [("b", 2), ("b", 3), ("c", 1)]
        assert str(whole) == "3 delete, 1 unchanged"

    def test_nothing_is_deleted_by_default(self) -> None:
        assert plan([source()], [there(), there("b", data_id=2)]).deletes == ()

    def test_only_items_of_this_sync_are_deleted(self) -> None:
        others = [
            there("b", sync="hourly"),
            there("c", sync=None),
            foreign("e"),
            changed(foreign("f"), airflow_ei='{"sync": "nightly"}'),
            restated(there("g"), version=2),
        ]
        whole = plan([source()], [there(), *others], DELETE)
        assert list(whole.deletes) == []
        assert whole.foreign == len(others)

    @pytest.mark.parametrize("place", [{"name": "b good"}, {"name": "B"}, {"name": "b "}, {"dataset": "D"}], ids=str)
    def test_items_that_were_renamed_or_moved_are_not_deleted(self, place: dict[str, str]) -> None:
        """Not even to another spelling: whoever has done that may want to keep it."""
        whole = plan([source()], [there(), placed(there("b", data_id=2), **place)], DELETE)
        assert list(whole.deletes) == []
        assert whole.foreign == ("name" in place)  # an item of another dataset is not counted

    def test_an_item_that_the_service_spells_differently_goes_by_the_given_name(self) -> None:
        item = placed(restated(there("e\u0301", data_id=2), stored_name="é"), name="é")
        assert list(plan([source(), source("e\u0301")], [there(), item], DELETE).deletes) == []
        assert [extra.id for extra in plan([source()], [there(), item], DELETE).deletes] == [2]

    def test_an_unfinished_item_is_deleted(self) -> None:
        assert [item.id for item in plan([source("b")], [unfinished()], DELETE).deletes] == [1]

    def test_an_item_whose_folder_is_empty_is_not_deleted(self) -> None:
        listed = [there(), there("b", data_id=2), there("c", data_id=3)]
        assert [item.name for item in plan([source()], listed, DELETE, empty=["b"]).deletes] == ["c"]

    def test_an_item_with_a_problem_is_not_deleted(self) -> None:
        item = replace(source(), problem=EdgeImpulseFileError("gone"))
        assert list(plan([item], [there()], DELETE).deletes) == []

    @pytest.mark.parametrize("number", range(4))
    def test_items_of_other_shards_are_not_deleted(self, number: int) -> None:
        names = [f"item {n}" for n in range(20)]
        options = replace(DELETE, shard=Shard(number, 4))
        whole = plan(
            [source(name) for name in names], [there(name, data_id=n) for n, name in enumerate(names, 1)], options
        )
        assert list(whole.deletes) == []
        assert 0 < whole.unchanged < 20


class TestLimits:
    """Held against the plan, before anything is changed."""

    def check(self, kept: int, deletes: int, options: SyncOptions = DELETE, *, fresh: int = 0) -> None:
        """So many items of the source are there, so many are no longer in it, and so many are new."""
        items = [source(f"kept {n}") for n in range(kept)] + [source(f"new {n}") for n in range(fresh)]
        listed = [there(f"kept {n}", data_id=n + 1) for n in range(kept)]
        listed += [there(f"gone {n}", data_id=1000 + n) for n in range(deletes)]
        whole = plan(items, listed, options)
        assert len(whole.deletes) == deletes
        check_deletes(whole, options)

    def refused(self, *words: str, kept: int, deletes: int, options: SyncOptions = DELETE, fresh: int = 0) -> None:
        with pytest.raises(EdgeImpulseDeleteLimitError) as caught:
            self.check(kept, deletes, options, fresh=fresh)
        assert not caught.value.retryable
        for word in (*words, f"{deletes} of the sync's data items", "such as 'gone 0'", "Nothing was changed."):
            assert word in str(caught.value)

    @pytest.mark.parametrize(("kept", "deletes"), [(1, 0), (0, 0), (1, 1), (5, 5), (10, 3)])
    def test_half_of_the_items_may_be_deleted(self, kept: int, deletes: int) -> None:
        self.check(kept, deletes)

    @pytest.mark.parametrize(("kept", "deletes"), [(1, 2), (5, 6), (1, 100)])
    def test_more_than_half_of_the_items_may_not_be_deleted(self, kept: int, deletes: int) -> None:
        part = f"{deletes / (kept + deletes):.0%} of the {kept + deletes} that are there; 50% may be deleted"
        self.refused(part, kept=kept, deletes=deletes)

    def test_new_items_do_not_raise_the_limit(self) -> None:
        """As when all folders were renamed: what is new does not count as there."""
        self.refused("100% of the 5 that are there", kept=0, deletes=5, fresh=5)
        self.refused("67% of the 9 that are there", kept=3, deletes=6, fresh=100)

    def test_items_of_others_do_not_raise_the_limit(self) -> None:
        items = [source("kept"), source("hand"), source("other")]
        listed = [there("kept"), foreign("hand", 2), there("other", data_id=3, sync="hourly")]
        listed += [there(f"gone {n}", data_id=10 + n) for n in range(2)]
        with pytest.raises(EdgeImpulseDeleteLimitError, match="67% of the 3 that are there"):
            check_deletes(plan(items, listed, DELETE), DELETE)

    def test_max_delete_as_a_number_is_a_limit_beside_half(self) -> None:
        options = replace(DELETE, max_delete=3)
        self.check(10, 3, options)
        self.refused("max_delete allows 3", "raise max_delete", kept=10, deletes=4, options=options)
        self.refused("75%", "50% may be deleted", kept=1, deletes=3, options=options)
        self.refused("max_delete allows 0", kept=10, deletes=1, options=replace(DELETE, max_delete=0))

    @pytest.mark.parametrize("percent", range(1, 100))
    def test_max_delete_as_a_percentage_is_exact(self, percent: int) -> None:
        options = replace(DELETE, max_delete=f"{percent}%")
        self.check(100 - percent, percent, options)
        if percent < 99:
            self.refused(f"{percent}% may be deleted", kept=99 - percent, deletes=percent + 1, options=options)

    def test_max_delete_of_100_percent_allows_all(self) -> None:
        options = replace(DELETE, max_delete="100%")
        self.check(1, 100, options)
        self.check(0, 100, options, fresh=1)

    @pytest.mark.parametrize("part", [None, "100%"])
    def test_an_empty_source_never_deletes(self, part: str | None) -> None:
        self.refused("the source has no data item at all", kept=0, deletes=1, options=replace(DELETE, max_delete=part))

    def test_an_empty_shard_never_deletes(self) -> None:
        shard = next(shard for shard in Shard.all(8) if not shard.has("kept 0"))
        with pytest.raises(EdgeImpulseDeleteLimitError):
            self.check_shard(replace(DELETE, shard=shard, max_delete="100%"))

    def check_shard(self, options: SyncOptions) -> None:
        check_deletes(plan([source("kept 0")], [there("kept 0"), there("gone", data_id=2)], options), options)


def test_a_plan_as_text_counts_its_actions() -> None:
    items = [source("same"), read(source("new")), replace(source("bad"), problem=EdgeImpulseFileError("x"))]
    whole = plan(items, [there("same"), there("gone", data_id=2)], DELETE)
    assert str(whole) == "1 create, 1 delete, 1 fail, 1 unchanged"
    assert whole.names("create") == ["new"]
    assert str(plan([], [])) == "nothing to do"


def objection(planned: DataItem, now: DataItem) -> str | None:
    state = own_state(planned, DELETE)
    assert state is not None
    return ExtraItem.of(planned, state).objection(now, DELETE)


class TestObjections:
    """What is seen right before a delete, compared with what the plan saw."""

    def test_an_unchanged_item_may_be_deleted(self) -> None:
        for item in (there(), unfinished(), restated(placed(there("e\u0301"), name="é"), stored_name="é")):
            assert objection(item, copy.deepcopy(item)) is None

    @pytest.mark.parametrize(
        ("now", "words"),
        [
            pytest.param(
                placed(there(), name="a good"), "it was renamed or moved since, and is 'a good'", id="renamed"
            ),
            pytest.param(placed(there(), dataset="D"), "in dataset 'D' now", id="moved"),
            pytest.param(foreign(), "no longer belongs to this sync", id="its state is gone"),
            pytest.param(restated(there(), version=2), "no longer belongs to this sync", id="a later version"),
            pytest.param(there(sync="hourly"), "no longer belongs to this sync", id="taken by another sync"),
            pytest.param(there(sync=None), "no longer belongs to this sync", id="taken by a single upload"),
            pytest.param(placed(there("b"), name="a"), "no longer belongs to this sync", id="metadata of another item"),
            pytest.param(changed(there(), label="good"), "it was changed since", id="a key was added"),
            pytest.param(changed(there(), subject="s18"), "it was changed since", id="a value was changed"),
            pytest.param(restated(there(), state="pending"), "it was changed since", id="it is being uploaded"),
            pytest.param(restated(there(), run="another"), "it was changed since", id="another run was there"),
            pytest.param(with_files({"x.csv": b"1"}), "it was changed since", id="a file is gone"),
            pytest.param(with_files(A | {"z": b""}), "it was changed since", id="a file has come"),
            pytest.param(with_files(A | {"x.csv": b"123"}), "it was changed since", id="a file has another size"),
        ],
    )
    def test_an_item_that_has_changed_is_kept(self, now: DataItem, words: str) -> None:
        assert words in (objection(there(), now) or "")
