"""Every fault and every pair of faults, at every request of uploads of samples that follow one another.

How it is complete and still quick, see ``explorer``. The project also has samples of others, which no run may touch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.samples import stored as stored_module
from airflow_provider_ei.studio.api import samples as samples_module
from tests.support.samples import csv
from tests.support.studio import KEY, ORGANIZATION

from .explorer import Explorer
from .kinds import KINDS, Kind, Place
from .lab import State
from .sample_lab import FILES, Kept, SampleLab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OTHERS = (
    Kept("1.csv", csv(100), "of others", "training", (("by", "others"),)),
    Kept("x.csv", csv(9), "", "testing", ()),
)
SAMPLE_KINDS = (*KINDS, Kind("401", "status", {"status": 401}, at=None, in_pairs=False))


@dataclass(frozen=True)
class Variant:
    """How the server behaves, and the upload.

    :ivar listed: whether the project is listed before anything is sent.
    :ivar page_samples: samples in one page of a listing.
    """

    name: str
    attempts: int = 2
    workers: int = 1
    switches: Mapping[str, Any] = field(default_factory=dict)
    listed: bool = True
    page_samples: int = 1000

    @property
    def rests(self) -> bool:
        """Whether an upload can know without sending anything that nothing is left to do."""
        return self.listed and self.switches.get("sample_hashes") != "other"


SINGLES = [
    Variant("two tries"),
    Variant("one try", attempts=1),
    Variant("one try, other hashes", attempts=1, switches={"sample_hashes": "other"}),
    Variant("two tries, other hashes, metadata merge", switches={"sample_hashes": "other", "metadata_update": "merge"}),
    Variant("not listed, names as sent", listed=False, switches={"sample_names": "as_sent"}),
    Variant("one try, in pages, oldest first", attempts=1, page_samples=2, switches={"sample_order": "oldest"}),
    Variant("errors as JSON", switches={"ingestion_errors": "json"}),
]
PAIRS = [
    Variant("one try", attempts=1),
    Variant("two tries"),
    Variant(
        "one try, other hashes, metadata merge",
        attempts=1,
        switches={"sample_hashes": "other", "metadata_update": "merge"},
    ),
]
WORKERS = [
    Variant("two tries", workers=4),
    Variant("one try, other hashes", attempts=1, workers=4, switches={"sample_hashes": "other"}),
]


class Uploads(Explorer):
    """Of samples to a project that has some of others."""

    kinds = SAMPLE_KINDS
    lab: SampleLab

    def __init__(self, lab: SampleLab, variant: Variant) -> None:
        super().__init__(lab, OTHERS, variant.switches)  # type: ignore[arg-type]
        self.variant = variant

    def upload(self, letter: str) -> None:
        variant = self.variant
        self.lab.upload_samples(FILES[letter], workers=variant.workers, retry_attempts=variant.attempts)

    def problem(self, letter: str) -> str | None:
        return self.lab.sample_problem(FILES[letter], OTHERS)

    def damage(self, letter: str, before: State, error: EdgeImpulseError | None) -> str | None:
        state = self.lab.state()
        contents = Counter(one.data for one in state)
        if doubled := [data for data, count in contents.items() if count > 1]:
            return f"doubled: {doubled}"
        if not {one.data for one in before} <= set(contents):  # type: ignore[attr-defined]
            return "lost"
        return None if set(OTHERS) <= set(state) else "damage to what others have"

    def end_here(self, letter: str, told: str) -> None:
        if self.variant.rests:
            super().end_here(letter, told)
            return
        for _ in range(2):  # it must send again to know, and changes nothing by it
            self.upload(letter)
            self.tally["runs"] += 1
            if problem := self.problem(letter):
                self.note(problem, f"after a quiet run: {told}")
                return
            state = self.lab.state()
        if self.lab.state() != state:
            self.note("not at rest", told)


Explore = Callable[[Variant], Uploads]


@pytest.fixture(scope="module")
def one_sample_lab() -> Iterator[SampleLab]:
    with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=ORGANIZATION)) as server:
        yield SampleLab(server)


@pytest.fixture
def explore(
    one_sample_lab: SampleLab, counted: Callable[[Uploads], Uploads], monkeypatch: pytest.MonkeyPatch
) -> Explore:
    def begin(variant: Variant) -> Uploads:
        monkeypatch.setattr(samples_module, "PAGE_SAMPLES", variant.page_samples)
        if not variant.listed:
            monkeypatch.setattr(stored_module, "SMALL_PROJECT", 0)
        return counted(Uploads(one_sample_lab, variant))

    return begin


def named(variants: list[Variant]) -> list[Any]:
    return [pytest.param(variant, id=variant.name) for variant in variants]


class TestOneFault:
    @pytest.mark.parametrize("variant", named(SINGLES))
    def test_the_next_run_makes_it_right(self, explore: Explore, variant: Variant) -> None:
        explorer = explore(variant)
        explorer.follow_all(["AB"], 1, last="AB")
        explorer.check()

    def test_on_the_way_back(self, explore: Explore) -> None:
        explorer = explore(Variant("one try", attempts=1))
        explorer.follow_all(["ABB"], 1)
        explorer.check()


class TestTwoFaults:
    @pytest.mark.parametrize("variant", named(PAIRS))
    def test_in_one_run_or_two(self, explore: Explore, variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Uploads, "kinds", [kind for kind in SAMPLE_KINDS if kind.in_pairs])
        explorer = explore(variant)
        explorer.follow_all(["AB"], 2)
        explorer.check()


class TestManyWorkers:
    """In whatever order their requests come."""

    @pytest.mark.parametrize("variant", named(WORKERS))
    def test_the_next_run_makes_it_right(self, explore: Explore, variant: Variant) -> None:
        explorer = explore(variant)
        lab = explorer.lab
        (begin,) = explorer.follow(explorer.begin, "A", 0)
        counts = Counter(request.operation for request in explorer.run(begin, "B", []))
        for operation, count in sorted(counts.items(), key=str):
            for at, kind in product(range(count), explorer.kinds):
                if kind.at is None or operation in kind.at:
                    explorer.restore(begin)
                    explorer.run(begin, "B", [Place(at, kind, str(operation))], may_miss=True)
                    explorer.end(lab.state(), "B")
        explorer.check()
