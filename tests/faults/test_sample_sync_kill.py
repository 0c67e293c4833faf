"""A process that is killed while it syncs samples, before each of its requests; the next run makes it right."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.sample_syncs import SYNC_ID, run, write
from tests.support.samples import clients
from tests.support.studio import changes

from .lab import FaultLab
from .stepping import Stepping, stepping
from .test_sample_sync_exhaustive import FOLDERS, FOREIGN, METADATA, SampleLab, SampleSyncs, Variant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

#: The requests of a sync of B, when A is there.
REQUESTS = {
    "listSamples": 3,
    "getSample": 9,
    "uploadSamples": 3,
    "editLabel": 1,
    "moveSample": 1,
    "setSampleMetadata": 3,
    "deleteSample": 2,
}


class Scene:
    """An emulator, and the folder that is synced to it."""

    def __init__(self, lab: FaultLab, folder: Path) -> None:
        self.lab = SampleLab(lab.server)
        self.folder = folder
        self.checks = SampleSyncs(self.lab, Variant("killed"), {})
        self.tally = Counter(runs=0, kills=0)
        self.lab.put(FOREIGN)
        self.quiet_run("A")

    def arguments(self, letter: str) -> dict[str, object]:
        write(self.folder, FOLDERS[letter])
        if letter == "B":
            os.utime(self.folder / "training/a/touched.csv", (1_600_000_000, 1_600_000_000))
        metadata = METADATA[letter]
        return {
            "source": str(self.folder),
            "metadata": metadata,
            "delete": "extra",
            "max_delete": "100%",
            "workers": 1,
            "sync_id": SYNC_ID,
        }

    def quiet_run(self, letter: str) -> None:
        self.tally["runs"] += 1
        with clients(self.lab.server) as (api, ingestion):
            run(api, ingestion, **self.arguments(letter))

    def syncing(self) -> object:
        """The process that goes from A to B."""
        server = self.lab.server
        arguments = self.arguments("B")
        server.clear_requests()
        self.tally["runs"] += 1
        given = {"key": server.project_api_key, "ingestion_url": server.ingestion_url, "arguments": arguments}
        return stepping(self.lab, "sample_syncing", "requests", given)

    def assert_made_right(self, letter: str) -> None:
        """A quiet run makes it right, and one more has nothing to do."""
        self.quiet_run(letter)
        assert self.checks.problem(letter) is None
        self.lab.server.clear_requests()
        self.quiet_run(letter)
        assert changes(self.lab.server) == []
        assert self.checks.problem(letter) is None


@pytest.fixture
def scene(lab: FaultLab, tmp_path: Path, record_property: Callable[[str, object], None]) -> Iterator[Scene]:
    scene = Scene(lab, tmp_path / "source")
    yield scene
    record_property("faults", dict(scene.tally))


def test_these_are_the_requests(scene: Scene) -> None:
    """Those that the test below stops at."""
    with scene.syncing() as process:  # type: ignore[attr-defined]
        process.pass_by(sum(REQUESTS.values()) - 1)
        process.go_on()
        assert process.asks() == "done"
    assert Counter(request.operation for request in scene.lab.server.requests()) == REQUESTS
    assert scene.checks.problem("B") is None


@pytest.mark.parametrize("at", range(sum(REQUESTS.values())))
@pytest.mark.parametrize("letter", ["B", "A"], ids=["to the new", "back to the old"])
def test_before_a_request(scene: Scene, at: int, letter: str) -> None:
    process: Stepping
    before = scene.lab.state()
    with scene.syncing() as process:  # type: ignore[attr-defined]
        process.pass_by(at)
        process.kill()
        scene.tally["kills"] += 1
    assert len(scene.lab.server.requests()) <= at
    assert scene.checks.damage("B", before, None) is None
    scene.assert_made_right(letter)
