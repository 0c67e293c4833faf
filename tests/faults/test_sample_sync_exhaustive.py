"""Every fault, and pairs of faults, at every request of syncs of samples that follow one another; see ``explorer``.

From a project with samples of others to a folder, and on to another one, with faults; then quietly to that once more,
or back to the first. From one to the other, the content of a file changes and not its size; one is moved to another
category; one is gone, one new, one only touched, one stays as it is.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, StoredSample
from airflow_provider_ei.exceptions import EdgeImpulseError, EdgeImpulseSyncError
from airflow_provider_ei.studio.api import samples as samples_module
from airflow_provider_ei.studio.api.samples import Sample
from airflow_provider_ei.sync.metadata import STATE_KEY
from airflow_provider_ei.sync.samples.sample_state import SampleState
from tests.support.sample_syncs import SYNC_ID, add, run, write
from tests.support.samples import clients, csv

from .explorer import Explorer
from .kinds import KINDS, Kind, Place
from .lab import SETTLE_SECONDS, FaultLab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Files = Mapping[str, bytes]

#: Contents by path. ``touched`` has the same content in both, at another time.
FOLDERS: Mapping[str, Files] = {
    "A": {
        "training/a/changed.csv": csv(1),
        "training/a/gone.csv": csv(2),
        "training/a/moved.csv": csv(3),
        "training/a/same.csv": csv(4),
        "training/a/touched.csv": csv(5),
    },
    "B": {
        "training/a/changed.csv": csv(6),
        "testing/b/moved.csv": csv(3),
        "training/a/new.csv": csv(7),
        "training/a/same.csv": csv(4),
        "training/a/touched.csv": csv(5),
    },
}
METADATA = {"A": {"site": "a", "only_a": "1"}, "B": {"site": "b"}}
PATHS = {path for files in FOLDERS.values() for path in files}


@dataclass(frozen=True)
class Stored:
    """A sample as the server has it, but for its id."""

    file_name: str
    category: str
    label: str
    metadata: tuple[tuple[str, str], ...]
    data: bytes


State = tuple[Stored, ...]

_OTHERS_STATE = SampleState(
    "training/a/weekly.csv", "weekly", "training", "a", "0" * 64, "0" * 32, frozenset(), ""
).text()
FOREIGN: State = (
    Stored("hand.csv", "training", "a", (("who", "Eva"),), csv(100)),
    Stored("weekly.csv", "training", "a", ((STATE_KEY, _OTHERS_STATE),), csv(101)),
)


class SampleLab(FaultLab):
    """The same for samples."""

    def state(self) -> Any:
        return tuple(self._of(sample) for sample in self.server.samples.list())

    def put(self, state: Any) -> None:
        for one in state:
            self.server.samples.put(
                one.file_name, one.data, label=one.label, category=one.category, metadata=dict(one.metadata)
            )

    def _of(self, sample: StoredSample) -> Stored:
        metadata = tuple(sorted(sample.metadata.items()))
        return Stored(sample.file_name, sample.category, sample.label, metadata, self.server.samples.read(sample.id))


@dataclass(frozen=True)
class Variant:
    """How the server behaves, and the sync."""

    name: str
    attempts: int = 2
    workers: int = 1
    switches: Mapping[str, Any] = field(default_factory=dict)
    page_samples: int = samples_module.PAGE_SAMPLES


SAMPLE_KINDS = (
    *(replace(kind, in_pairs=kind.in_pairs and kind.name != "429") for kind in KINDS),
    Kind("401", "status", {"status": 401}, at=None, in_pairs=False),  # ends everything at once
)
SINGLES = [
    Variant("two tries"),
    Variant("one try, metadata merge", attempts=1, switches={"metadata_update": "merge"}),
    Variant("in pages", page_samples=4),
    Variant("names as sent, oldest first", switches={"sample_names": "as_sent", "sample_order": "oldest"}),
    Variant("other hashes, JSON errors", switches={"sample_hashes": "other", "ingestion_errors": "json"}),
]


class SampleSyncs(Explorer):
    """Syncs of a project with samples of others in it."""

    kinds = SAMPLE_KINDS

    def __init__(self, lab: SampleLab, variant: Variant, folders: Mapping[str, Path]) -> None:
        super().__init__(lab, FOREIGN, variant.switches)  # type: ignore[arg-type]
        self.variant = variant
        self.folders = folders

    def upload(self, letter: str) -> None:
        settings = {"retry_attempts": self.variant.attempts, "settle_seconds": SETTLE_SECONDS}
        with clients(self.lab.server, sleep=self.lab.sleep, **settings) as (api, ingestion):
            run(
                api,
                ingestion,
                str(self.folders[letter]),
                metadata=METADATA[letter],
                delete="extra",
                max_delete="100%",
                workers=self.variant.workers,
            )

    def problem(self, letter: str) -> str | None:
        ours: dict[str, list[StoredSample]] = {}
        for sample, state in _ours(self.lab.server):
            ours.setdefault(state.path, []).append(sample)
        for path, data in FOLDERS[letter].items():
            there = ours.pop(path, [])
            if not there:
                return f"lost: {path}"
            if len(there) > 1:
                return f"doubled: {path}"
            if what := self._difference(there[0], path, data, METADATA[letter]):
                return f"{what}: {path}"
        return f"not deleted: {sorted(ours)}" if ours else self._changed_foreign()

    def _difference(self, sample: StoredSample, path: str, data: bytes, metadata: Mapping[str, str]) -> str | None:
        category, label, name = path.split("/")
        if self.lab.server.samples.read(sample.id) != data:
            return "wrong content"
        if (sample.category, sample.label, sample.file_name) != (category, label, name):
            return f"wrong place ({sample.category}, {sample.label})"
        theirs = {key: value for key, value in sample.metadata.items() if key != STATE_KEY and value}
        return None if theirs == metadata else f"wrong metadata ({theirs})"

    def damage(self, letter: str, before: Any, error: EdgeImpulseError | None) -> str | None:
        """A file of the new folder that had a sample still has one; deletes only after everything else."""
        contents = {stored.data for stored in self.lab.state()}
        had = {stored.data for stored in before}
        wanted = FOLDERS[letter]
        if lost := [path for path, data in wanted.items() if data in had and data not in contents]:
            return f"lost: {lost}"
        extra = {data for data in had if data not in wanted.values() and data not in _EARLIER}
        if error is not None and extra - contents - {stored.data for stored in FOREIGN}:
            failures = error.summary["failures"] if isinstance(error, EdgeImpulseSyncError) else None
            if failures is None or {failure["name"] for failure in failures} & wanted.keys():
                return "deleted in a run with failures"
        for sample, state in _ours(self.lab.server):
            if state.sha256 != sample.sha256:
                return f"wrong content: {state.path}"
        return self._changed_foreign()

    def _changed_foreign(self) -> str | None:
        there = [stored for stored in self.lab.state() if stored in FOREIGN]
        return None if len(there) == len(FOREIGN) else "foreign changed"


#: Contents that another content of the same file replaces: they go before the run ends.
_EARLIER = {FOLDERS[letter]["training/a/changed.csv"] for letter in "AB"}


def _ours(server: EmulatorServer) -> Iterator[tuple[StoredSample, SampleState]]:
    for sample in server.samples.list():
        shown = Sample(id=sample.id, filename=sample.name, category=sample.category, metadata=dict(sample.metadata))
        state = SampleState.of(shown)
        if state is not None and state.sync == SYNC_ID:
            yield sample, state


Explore = Callable[[Variant], SampleSyncs]


@pytest.fixture
def explore(
    one_lab: FaultLab,
    counted: Callable[[SampleSyncs], SampleSyncs],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Explore:
    one_lab.reset()
    folders = {letter: write(tmp_path / letter, files) for letter, files in FOLDERS.items()}
    add(folders["B"], "training/a/touched.csv", csv(5))
    touched = folders["B"] / "training/a/touched.csv"
    os.utime(touched, (1_600_000_000, 1_600_000_000))

    def begin(variant: Variant) -> SampleSyncs:
        monkeypatch.setattr(samples_module, "PAGE_SAMPLES", variant.page_samples)
        return counted(SampleSyncs(SampleLab(one_lab.server), variant, folders))

    return begin


def named(variants: Sequence[Variant]) -> list[Any]:
    return [pytest.param(variant, id=variant.name) for variant in variants]


class TestOneFault:
    @pytest.mark.parametrize("variant", named(SINGLES))
    def test_the_next_run_makes_it_right(self, explore: Explore, variant: Variant) -> None:
        explorer = explore(variant)
        explorer.follow_all(["AB"], 1, last="AB")
        explorer.check()

    def test_on_the_way_back(self, explore: Explore) -> None:
        explorer = explore(Variant("one try", attempts=1))
        explorer.follow_all(["ABA", "ABB"], 1)
        explorer.check()


class TestTwoFaults:
    """Kinds of which each stands for others."""

    @pytest.fixture(autouse=True)
    def fewer_kinds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(SampleSyncs, "kinds", [kind for kind in SAMPLE_KINDS if kind.in_pairs])

    def test_in_one_run(self, explore: Explore) -> None:
        explorer = explore(Variant("one try", attempts=1))
        explorer.follow_each("AB", 2, last="AB")
        explorer.check()


class TestManyWorkers:
    """In whatever order their requests come."""

    def test_the_next_run_makes_it_right(self, explore: Explore) -> None:
        explorer = explore(Variant("one try", attempts=1, workers=4))
        (begin,) = explorer.follow(FOREIGN, "A", 0)  # type: ignore[arg-type]
        counts = Counter(request.operation for request in explorer.run(begin, "B", []))
        for operation, count in sorted(counts.items()):
            assert operation is not None
            for at, kind in product(range(count), explorer.kinds):
                if kind.at is None or operation in kind.at:
                    explorer.restore(begin)
                    explorer.run(begin, "B", [Place(at, kind, operation)], may_miss=True)
                    after = explorer.lab.state()
                    for letter in "AB":
                        explorer.end(after, letter)
        explorer.check()


def test_the_states_of_others_are_valid() -> None:
    """Otherwise the samples of others would be taken for samples without a state."""
    assert json.loads(_OTHERS_STATE)["sync"] == "weekly"
