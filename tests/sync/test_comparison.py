"""A source compared with a listing page by page: what is kept of it, and that its order and its pages do not matter."""

from __future__ import annotations

import random
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from airflow_provider_ei.exceptions import EdgeImpulseFileError
from airflow_provider_ei.studio.models import DataItem
from airflow_provider_ei.sync.dataset.comparison import Comparison
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.plan import DatasetPlan
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.dataset.tree import Tree
from tests.support.files import LookedAt
from tests.support.items import complete, listed_item

OPTIONS = SyncOptions(dataset="d", sync_id="nightly", delete="extra")
FILES = {"x.csv": b"1", "y.csv": b"22"}


def source(name: str, version: str = "1") -> SourceItem:
    return SourceItem(name, [LookedAt(file, data, version=version) for file, data in FILES.items()], {"n": "1"})


def there(name: str, data_id: int, *, version: str = "1", sync: str | None = "nightly") -> DataItem:
    state = complete(FILES, {"n": "1"}, name=name, sync=sync, fingerprint=source(name, version).fingerprint())
    return structs.replace(listed_item(FILES, state, data_id=data_id), name=name)


def compare(index: SourceIndex, listed: list[DataItem], page: int = 3, options: SyncOptions = OPTIONS) -> DatasetPlan:
    comparison = Comparison(index, options)
    for start in range(0, len(listed), page):
        comparison.add(listed[start : start + page])
    return comparison.plan()


def sortable(plan: DatasetPlan) -> tuple[object, ...]:
    """All that a plan says, without the order in which items of one name were listed."""
    items = [
        (item.name, item.action, sorted([*(one.id for one in item.listed), *filter(None, [item.dropped])]))
        for item in plan.items
    ]
    return items, list(plan.deletes), plan.unchanged, plan.listed, plan.own, plan.foreign


kinds = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["1", "2"]), st.sampled_from(["nightly", "other", None])),
    max_size=14,
)


@settings(max_examples=200, deadline=None)
@given(kinds, st.sets(st.sampled_from("abcdef")), st.integers(1, 5), st.randoms(use_true_random=False))
def test_neither_order_nor_pages_matter(
    listed: list[tuple[str, str, str | None]], names: set[str], page: int, rng: random.Random
) -> None:
    index = SourceIndex.of(Tree([source(name) for name in sorted(names)], ["g"]))
    items = [there(name, n, version=version, sync=sync) for n, (name, version, sync) in enumerate(listed, 1)]
    expected = sortable(compare(index, items, page=100))
    rng.shuffle(items)
    assert sortable(compare(index, items, page)) == expected


def test_nothing_is_kept_of_an_item_that_has_not_changed() -> None:
    comparison = Comparison(SourceIndex.of(Tree([source("a"), source("b")])), OPTIONS)
    page = [there("a", 1), there("b", 2, version="2")]
    before = [sys.getrefcount(page[0]), sys.getrefcount(page[1])]
    comparison.add(page)
    assert [sys.getrefcount(page[0]), sys.getrefcount(page[1])] == [before[0], before[1] + 1]


def test_of_several_of_one_name_the_one_that_was_not_kept_is_known_by_its_id() -> None:
    index = SourceIndex.of(Tree([source("a")]))
    (planned,) = compare(index, [there("a", 1), there("a", 2), there("a", 3)], page=1).items
    assert (planned.action, planned.dropped, [item.id for item in planned.listed]) == ("look", 1, [2, 3])


def test_an_item_is_read_again_only_when_it_is_looked_at() -> None:
    read: list[str] = []

    def read_again(name: str) -> SourceItem:
        read.append(name)
        return source(name, "3")

    index = SourceIndex()
    index.set_tree(Tree(read_item=read_again))
    for name in "abc":
        index.add(source(name))
    plan = compare(index, [there("a", 1), there("b", 2, version="2")])
    assert (plan.unchanged, plan.names("look"), read) == (1, ["b", "c"], [])
    item = index.item("b")
    assert item is not None
    assert item.fingerprint() == source("b", "3").fingerprint()


def test_a_problem_of_an_item_protects_it_and_is_not_read_again() -> None:
    bad = replace(source("bad"), problem=EdgeImpulseFileError("gone"))
    index = SourceIndex()
    index.set_tree(Tree(read_item=lambda name: pytest.fail("read")))
    index.add(bad)
    plan = compare(index, [there("bad", 1), there("gone", 2)])
    assert [(item.name, item.problem) for item in plan.items] == [("bad", bad.problem)]
    assert ([item.id for item in plan.deletes], plan.own) == ([2], 1)
    assert index.item("bad") is bad


def test_items_that_are_not_to_be_deleted_are_not_kept() -> None:
    index = SourceIndex.of(Tree([source("a")]))
    plan = compare(index, [there("gone", 1)], options=replace(OPTIONS, delete="never"))
    assert (list(plan.deletes), plan.listed, plan.foreign) == ([], 1, 0)
