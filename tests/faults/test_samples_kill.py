"""A process that is killed while it uploads samples, at each of its requests: the next run makes it right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from tests.support.studio import CHANGING, KEY, ORGANIZATION, UPLOAD_SAMPLES, changes

from .sample_lab import FILES, SampleLab
from .stepping import Stepping, stepping

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def one_sample_lab() -> Iterator[SampleLab]:
    with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=ORGANIZATION)) as server:
        yield SampleLab(server)


@pytest.fixture(params=["file", "other"])
def sample_lab(request: pytest.FixtureRequest, one_sample_lab: SampleLab) -> SampleLab:
    """A project with what "A" uploads, of which the service reports the hashes or not."""
    one_sample_lab.reset(sample_hashes=request.param)
    one_sample_lab.upload_samples(FILES["A"])
    one_sample_lab.server.clear_requests()
    return one_sample_lab


def uploading(lab: SampleLab, steps: str = "requests") -> AbstractContextManager[Stepping]:
    """Upload "B"."""
    server = lab.server
    given = {"key": server.project_api_key, "ingestion": server.ingestion_url, "letter": "B"}
    return stepping(lab, "sample_uploading", steps, given)


def operations_of(lab: SampleLab) -> list[str]:
    """The requests that an upload of "B" takes."""
    state = lab.state()
    lab.upload_samples(FILES["B"])
    operations = [str(request.operation) for request in lab.server.requests()]
    hashes = lab.server.settings.sample_hashes
    lab.reset(sample_hashes=hashes)
    lab.put(state)
    return operations


def assert_made_right(lab: SampleLab) -> None:
    lab.upload_samples(FILES["B"])
    assert lab.sample_problem(FILES["B"]) is None
    lab.server.clear_requests()
    state = lab.state()
    assert lab.upload_samples(FILES["B"])["unchanged"] == len(FILES["B"].contents)
    assert lab.state() == state
    if lab.server.settings.sample_hashes == "file":
        assert changes(lab.server) == []


def test_before_each_request(sample_lab: SampleLab) -> None:
    lab = sample_lab
    state, operations = lab.state(), operations_of(lab)
    for at in range(len(operations)):
        lab.reset(sample_hashes=lab.server.settings.sample_hashes)
        lab.put(state)
        with uploading(lab) as process:
            process.pass_by(at)
            process.kill()
        assert len(lab.server.requests()) == at
        assert_made_right(lab)


def test_after_each_change_whose_answer_is_lost(sample_lab: SampleLab) -> None:
    lab = sample_lab
    state, operations = lab.state(), operations_of(lab)
    hit = [at for at, operation in enumerate(operations) if operation in CHANGING]
    assert UPLOAD_SAMPLES in operations
    for at in hit:
        lab.reset(sample_hashes=lab.server.settings.sample_hashes)
        lab.put(state)
        lab.inject("drop_after", at)
        with uploading(lab) as process:
            process.pass_by(at + 1)
            process.kill()
        assert_made_right(lab)


def test_in_the_middle_of_a_body(sample_lab: SampleLab) -> None:
    lab = sample_lab
    hashes = lab.server.settings.sample_hashes
    for block in range(2):
        lab.reset(sample_hashes=hashes)
        with uploading(lab, "blocks") as process:
            asked = [process.asks()]
            while asked.count("block") <= block:
                process.go_on()
                asked.append(process.asks())
            process.kill()
        assert lab.server.samples.list() == []
        assert_made_right(lab)
