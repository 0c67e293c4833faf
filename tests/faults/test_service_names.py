"""Services that make other names of those that they are given: no second item, and an idle second run or a permanent
error.

Every way of the emulator's switches for names alone and in pairs, with names that are made for trouble, for single
uploads and syncs, small items and large ones; and random names under random ways.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_ei.emulator.emulator_settings import CHOICES
from airflow_provider_ei.emulator.name_rules import stored_file_name
from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseSyncError
from airflow_provider_ei.sync.dataset.options import SyncOptions
from airflow_provider_ei.sync.dataset.source import SourceItem
from airflow_provider_ei.sync.dataset.source_index import SourceIndex
from airflow_provider_ei.sync.dataset.sync import DatasetSync
from airflow_provider_ei.sync.dataset.tree import Tree
from airflow_provider_ei.sync.item import plan as plan_module
from airflow_provider_ei.sync.item.upload import ItemUpload
from airflow_provider_ei.sync.item.wanted import WantedItem
from tests.support.files import made_up
from tests.support.items import state_of, users_metadata
from tests.support.studio import changes

from .lab import DATASET, FaultLab
from .trees import VersionedFile

#: The switches, with the ways that are not their first one.
WAYS = {
    name: CHOICES[name][1:] for name in ("file_names", "file_folders", "file_quotes", "trailing_backslash", "name_form")
}
SINGLES = [{name: way} for name, ways in WAYS.items() for way in ways]
PAIRS = [
    {one: way, other: other_way}
    for one, other in combinations(WAYS, 2)
    for way, other_way in product(WAYS[one], WAYS[other])
]
NFD = unicodedata.normalize("NFD", "größe")

#: Files by what is special about their names.
FILES: Mapping[str, Mapping[str, bytes]] = {
    "plain": {"a.csv": b"a1", "b.csv": b"b22"},
    "folders": {"p/a.csv": b"a1", "q/b.csv": b"b22", "c.csv": b""},
    "the same in two folders": {"p/x.csv": b"p1", "q/x.csv": b"q22"},
    "a folder's like one above": {"x.csv": b"1", "p/x.csv": b"22"},
    "quotes": {'say "a".csv': b"a1", "50%22 off.csv": b"b22"},
    "not ASCII": {"größe.csv": b"a1", "測定.csv": b"b22"},
    "NFD": {f"{NFD}.csv": b"a1", "b.csv": b"b22"},
    "white space": {"a  b.csv": b"a1", " c.csv": b"b22", "p / d.csv": b"d333"},
    "a trailing backslash": {"a\\": b"a1", "b.csv": b"b22"},
    "a backslash": {"back\\slash.csv": b"a1", "b.csv": b"b22"},
    "all of it": {f"p q/{NFD}  1.csv": b"a1", 'q/"2".csv': b"b22", "r/3 .csv": b"c333"},
}


def label(switches: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={way}" for name, way in switches.items())


@pytest.fixture(params=[1000, 3], ids=["small", "large"])
def small_item_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", request.param)
    yield request.param


def upload(lab: FaultLab, files: Mapping[str, bytes], name: str) -> EdgeImpulseError | None:
    with lab.api(batch_files=2) as api:
        try:
            ItemUpload(api, WantedItem(name, DATASET, made_up(files), {"site": "a"})).run()
        except EdgeImpulseError as error:
            return error
    return None


def sync(lab: FaultLab, files: Mapping[str, bytes], name: str) -> EdgeImpulseError | None:
    """Of two items: this one, and one without any trouble."""
    items = [
        SourceItem(one, [VersionedFile(file, data, version="1") for file, data in its.items()], {"site": "a"})
        for one, its in sorted({name: files, "zz": FILES["plain"]}.items())
    ]
    options = SyncOptions(dataset=DATASET, sync_id="nightly", delete="extra", max_delete="100%", workers=2)
    with lab.api(batch_files=2) as api:
        try:
            DatasetSync(api, SourceIndex.of(Tree(items)), options).run()
        except EdgeImpulseSyncError as error:
            assert [failure["name"] for failure in error.summary["failures"]] == [name]
            return error
    return None


RUNS = {"upload": upload, "sync": sync}


def check(lab: FaultLab, how: str, files: Mapping[str, bytes], name: str = "run 1") -> None:
    """Run it three times."""
    first = RUNS[how](lab, files, name)
    items = [item for item in lab.server.items() if item.name != "zz"]
    assert len(items) == 1, "a second item, or none"
    stored = {
        stored_file_name(file.replace('"', "%22").encode(), lab.server.settings): data for file, data in files.items()
    }
    kept = stored.keys() - {""}
    if first is None:
        assert len(kept) == len(files), "called complete, and a file is missing"
        assert lab.files(items[0]) == stored
        assert users_metadata(items[0].metadata) == {"site": "a"}
        state = state_of(items[0])
        assert state is not None and state.complete
    else:
        assert not first.retryable, first
        assert len(kept) < len(files), f"failed without need: {first}"
        assert lab.files(items[0]).keys() <= kept, "something was put there that is not ours"
    for _ in range(2):
        lab.server.clear_requests()
        again = RUNS[how](lab, files, name)
        assert len([item for item in lab.server.items() if item.name != "zz"]) == 1, "a second item"
        assert type(again) is type(first)
        if again is None:
            assert changes(lab.server) == [], "not idle"
        else:
            assert not again.retryable


@pytest.mark.parametrize("how", RUNS)
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("switches", SINGLES, ids=label)
def test_each_way_alone(lab: FaultLab, small_item_bytes: int, switches: Mapping[str, Any], kind: str, how: str) -> None:
    lab.server.settings.change(switches)
    check(lab, how, FILES[kind])


@pytest.mark.slow
@pytest.mark.parametrize("how", RUNS)
@pytest.mark.parametrize("switches", PAIRS, ids=label)
def test_two_ways_at_once(
    lab: FaultLab, monkeypatch: pytest.MonkeyPatch, switches: Mapping[str, Any], how: str
) -> None:
    """Large items by a sync, small ones by uploads; how large they are matters to each way alone, above."""
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", 3 if how == "sync" else 1000)
    for files in FILES.values():
        lab.reset(**switches)
        check(lab, how, files)


@pytest.mark.parametrize("how", RUNS)
@pytest.mark.parametrize("duplicate_names", CHOICES["duplicate_names"])
@pytest.mark.parametrize("name_form", CHOICES["name_form"])
@pytest.mark.parametrize("name", ["run  1", NFD, f"{NFD}  2 x", "größe"])
def test_names_of_items(lab: FaultLab, name: str, name_form: str, duplicate_names: str, how: str) -> None:
    lab.server.settings.change({"name_form": name_form, "duplicate_names": duplicate_names})
    check(lab, how, FILES["folders"], name)


characters = st.sampled_from([*"ab.", "/", " ", "  ", '"', "%22", "\\", "é", "e\u0301", "測"])
file_names = st.lists(characters, min_size=1, max_size=6).map("".join)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_random_names_under_random_ways(lab: FaultLab) -> None:
    """Those that the package takes at all."""
    from airflow_provider_ei.exceptions import EdgeImpulseInputError
    from airflow_provider_ei.sources.names import check_collisions, check_file_name

    @settings(derandomize=True, database=None, deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
    @given(
        names=st.lists(file_names, min_size=1, max_size=4, unique=True),
        switches=st.fixed_dictionaries({name: st.sampled_from(CHOICES[name]) for name in WAYS}),
        how=st.sampled_from(list(RUNS)),
    )
    def try_it(names: list[str], switches: Mapping[str, Any], how: str) -> None:
        try:
            check_collisions((check_file_name(name, name), name) for name in names)
        except EdgeImpulseInputError:
            return
        lab.reset(**switches)
        check(lab, how, {name: b"x" * (number + 1) for number, name in enumerate(names)})

    try_it()
