"""Every fault, and pairs of faults, at every request of syncs that follow one another; how, see ``explorer``.

From an empty dataset to a tree, and on to another one, with faults; then quietly to that once more, or back to the
first. A sync is many items, so all pairs within a run are too many. Of them are tried those at requests of the same
item, and those of which one is at the last listing of the dataset or at a deletion: the items meet nowhere else. 429
stands aside in pairs, since it is tried again as ``drop_before`` is, and earlier.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any
from urllib.parse import parse_qs

import pytest

from airflow_provider_ei.emulator import RequestRecord
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.studio.api import pages as pages_module
from airflow_provider_ei.sync.dataset import send as send_module
from airflow_provider_ei.sync.item import plan as plan_module
from tests.support.studio import CREATE, DELETE

from . import trees
from .explorer import Explorer
from .kinds import KINDS, Kind, Place
from .lab import FaultLab, State
from .trees import FOREIGN, SMALL_ITEM_BYTES, TREES, Folders, sync

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SYNC_KINDS = (
    *(replace(kind, in_pairs=kind.in_pairs and kind.name != "429") for kind in KINDS),
    Kind("401", "status", {"status": 401}, at=None, in_pairs=False),  # ends everything at once
)


@dataclass(frozen=True)
class Variant:
    """How the server behaves, and the sync.

    :ivar page_items: data items in one page of a listing.
    :ivar looks_at_each: look at each item that was sent, and not at all with one listing.
    :ivar versions: whether the source tells files apart without reading them.
    """

    name: str
    attempts: int = 2
    workers: int = 1
    switches: Mapping[str, Any] = field(default_factory=dict)
    page_items: int = pages_module.PAGE_ITEMS
    looks_at_each: bool = False
    versions: bool = True

    def folders(self, letter: str) -> Folders:
        folders = TREES[letter]
        return folders if self.versions else {name: replace(each, version=None) for name, each in folders.items()}


MERGES = {"duplicate_names": "merge", "metadata_update": "merge"}
REJECTS = {"duplicate_names": "reject", "metadata_update": "merge"}
NO_TOTALS = {"listing_order": "name", "listing_totals": False}
SINGLES = [
    Variant("two tries"),
    Variant("one try, metadata merge", attempts=1, switches={"metadata_update": "merge"}),
    Variant("looks at each, in pages, names reject", page_items=3, looks_at_each=True, switches=REJECTS),
    Variant("one try, names reject", attempts=1, switches={"duplicate_names": "reject"}),
    Variant("one try, names merge", attempts=1, switches={"duplicate_names": "merge"}),
    Variant("two tries, names and metadata merge", switches=MERGES),
    Variant("no versions", versions=False),
    Variant("newest first, in pages", page_items=4, switches={"listing_order": "newest"}),
    Variant("by name, in pages, without totals", page_items=4, switches=NO_TOTALS),
    Variant("without filters and a listing of files", switches={"filters": "rejected", "file_listing": "missing"}),
]
WORKERS = [
    Variant("two tries, names and metadata merge", workers=4, switches=MERGES),
    Variant("one try", attempts=1, workers=4),
]


class Syncs(Explorer):
    """Of a dataset with what is foreign in it."""

    kinds = SYNC_KINDS

    def __init__(self, lab: FaultLab, variant: Variant) -> None:
        super().__init__(lab, FOREIGN, variant.switches)
        self.variant = variant
        self._names: dict[int, str] = {}

    def upload(self, letter: str) -> None:
        variant = self.variant
        settings = {"retry_attempts": variant.attempts, "batch_files": 2}
        with self.lab.api(connections=variant.workers, **settings) as api:
            sync(api, variant.folders(letter), variant.workers)

    def problem(self, letter: str) -> str | None:
        return trees.problem(self.lab, TREES[letter])

    def damage(self, letter: str, before: State, error: EdgeImpulseError | None) -> str | None:
        return trees.damage(self.lab, TREES[letter], before, error)

    def restore(self, state: State) -> None:
        super().restore(state)
        self._names = {item.id: item.name for item in self.lab.server.items()}

    def may_follow(self, first: Place, second: Place, log: Sequence[RequestRecord]) -> bool:
        one, other = self._item(log[first.at]), self._item(log[second.at])
        return first.at > 0 and (one is None or other is None or one == other)

    def _item(self, request: RequestRecord) -> str | None:
        """The item that a request is about; None when it is about all of them, or a deletion."""
        if request.operation == CREATE:
            return str(request.fields["name"])
        if request.operation == DELETE:
            return None
        if by_id := re.search(r"/data/(\d+)", request.path):
            data_id = int(by_id[1])
            if data_id not in self._names:
                self._names |= {item.id: item.name for item in self.lab.server.items()}
            return self._names[data_id]
        by_name = re.fullmatch("name = '(.+)'", parse_qs(request.query).get("filter", [""])[0])
        return by_name and by_name[1]


Explore = Callable[[FaultLab, Variant], Syncs]


@pytest.fixture
def explore(counted: Callable[[Syncs], Syncs], monkeypatch: pytest.MonkeyPatch) -> Explore:
    def begin(lab: FaultLab, variant: Variant) -> Syncs:
        monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", SMALL_ITEM_BYTES)
        monkeypatch.setattr(pages_module, "PAGE_ITEMS", variant.page_items)
        if variant.looks_at_each:
            monkeypatch.setattr(send_module, "PAGE_ITEMS", 1)
        return counted(Syncs(lab, variant))

    return begin


def named(variants: Sequence[Variant]) -> list[Any]:
    return [pytest.param(variant, id=variant.name) for variant in variants]


class TestOneFault:
    @pytest.mark.parametrize("variant", named(SINGLES))
    def test_the_next_run_makes_it_right(self, lab: FaultLab, explore: Explore, variant: Variant) -> None:
        explorer = explore(lab, variant)
        explorer.follow_all(["AB"], 1, last="AB")
        explorer.check()

    def test_on_the_way_back(self, lab: FaultLab, explore: Explore) -> None:
        explorer = explore(lab, Variant("one try", attempts=1))
        explorer.follow_all(["ABA", "ABB"], 1)
        explorer.check()

    def test_duplicates_are_cleaned_up(self, lab: FaultLab, explore: Explore) -> None:
        """Every item has a duplicate, even the one to delete; no fault has caused this so far."""
        explorer = explore(lab, Variant("one try", attempts=1))
        (once,) = explorer.follow(FOREIGN, "A", 0)
        twice = once + once[len(FOREIGN) :]
        explorer.came[twice] = "A twice"
        for after, letter in product(explorer.follow(twice, "B", 1), "AB"):
            explorer.end(after, letter)
        explorer.check()

    @pytest.mark.parametrize("either_lab", ["tls"], indirect=True)
    def test_over_tls(self, either_lab: FaultLab, explore: Explore) -> None:
        explorer = explore(either_lab, Variant("two tries"))
        explorer.follow_all(["AB"], 1, last="AB")
        explorer.check()


class TestTwoFaults:
    """Kinds of which each stands for others."""

    @pytest.fixture(autouse=True)
    def fewer_kinds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Syncs, "kinds", [kind for kind in SYNC_KINDS if kind.in_pairs])

    def test_in_one_run_or_two(self, lab: FaultLab, explore: Explore) -> None:
        explorer = explore(lab, Variant("one try", attempts=1))
        explorer.follow_all(["AB"], 2, last="AB")
        explorer.check()

    def test_in_one_run_that_tries_again(self, lab: FaultLab, explore: Explore) -> None:
        explorer = explore(lab, Variant("two tries"))
        explorer.follow_each("AB", 2, last="AB")
        explorer.check()


class TestManyWorkers:
    """In whatever order their requests come."""

    @pytest.mark.parametrize("variant", named(WORKERS))
    def test_the_next_run_makes_it_right(self, lab: FaultLab, explore: Explore, variant: Variant) -> None:
        explorer = explore(lab, variant)
        (begin,) = explorer.follow(FOREIGN, "A", 0)
        counts = Counter(request.operation for request in explorer.run(begin, "B", []))
        for operation, count in sorted(counts.items()):
            for at, kind in product(range(count), explorer.kinds):
                if kind.at is None or operation in kind.at:
                    explorer.restore(begin)
                    explorer.run(begin, "B", [Place(at, kind, operation)], may_miss=True)
                    after = lab.state()
                    for letter in "AB":
                        explorer.end(after, letter)
        explorer.check()
