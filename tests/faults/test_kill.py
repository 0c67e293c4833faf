"""A process that is killed while it uploads, before, in and after each of its requests: the next run makes it right."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.sync.item import plan as plan_module
from tests.support.studio import ADD, CREATE, DELETE_FILE, LIST, ORGANIZATION, UPDATE, changes

from .lab import DATASET, NAME, Content, FaultLab, lies, upload
from .stepping import Stepping, stepping, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

OLD = Content({"1.csv": b"first, old\n", "2.csv": b"second, old\n", "old.csv": b"third, old\n"}, {"run": "old"})
NEW = Content({"1.csv": b"FIRST, NEW\n", "2.csv": b"SECOND, NEW\n", "new.csv": b"THIRD, NEW\n"}, {"run": "new"})

#: The requests of an upload of NEW, by whether OLD is there.
REQUESTS = {
    "creation": [LIST, CREATE, LIST, ADD, LIST, UPDATE, LIST],
    "update": [LIST, UPDATE, ADD, ADD, LIST, DELETE_FILE, LIST, UPDATE, LIST],
}
#: The blocks in which its files are read: two for each.
BLOCKS = 6

each_request = pytest.mark.parametrize(
    ("work", "at"),
    [
        pytest.param(work, at, id=f"{work} {at} {operation}")
        for work, operations in REQUESTS.items()
        for at, operation in enumerate(operations)
    ],
)
each_change = pytest.mark.parametrize(
    ("work", "at"),
    [
        pytest.param(work, at, id=f"{work} {at} {operation}")
        for work, operations in REQUESTS.items()
        for at, operation in enumerate(operations)
        if operation != LIST
    ],
)


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of this process take items for large as well."""
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", 10)


def quiet_run(lab: FaultLab, content: Content) -> str:
    with lab.api(batch_files=2) as api:
        return upload(api, content)["outcome"]


def prepare(lab: FaultLab, work: str) -> None:
    if work == "update":
        quiet_run(lab, OLD)
    lab.server.clear_requests()


def uploading(lab: FaultLab, content: Content, steps: str = "requests") -> AbstractContextManager[Stepping]:
    given = {
        "name": NAME,
        "dataset": DATASET,
        "organization": ORGANIZATION,
        "files": {name: data.decode() for name, data in content.files.items()},
        "metadata": dict(content.metadata),
    }
    return stepping(lab, "uploading", steps, given)


def assert_made_right(lab: FaultLab, content: Content) -> None:
    """Nothing is called complete that is not; a quiet run makes it right, and one more has nothing to do."""
    assert lies(lab.server, OLD, NEW) == []
    quiet_run(lab, content)
    assert lab.problem(content) is None
    lab.server.clear_requests()
    assert quiet_run(lab, content) == "unchanged"
    assert changes(lab.server) == []


class TestKilled:
    @pytest.mark.parametrize("work", REQUESTS)
    def test_these_are_the_requests(self, lab: FaultLab, work: str) -> None:
        """Those that the tests below stop at."""
        prepare(lab, work)
        with uploading(lab, NEW) as process:
            process.pass_by(len(REQUESTS[work]) - 1)
            process.go_on()
            assert process.asks() == "done"
        assert [request.operation for request in lab.server.requests()] == REQUESTS[work]
        assert lab.problem(NEW) is None

    @each_request
    @pytest.mark.parametrize("content", [NEW, OLD], ids=["to the new", "back to the old"])
    def test_before_a_request(self, lab: FaultLab, work: str, at: int, content: Content) -> None:
        prepare(lab, work)
        with uploading(lab, NEW) as process:
            process.pass_by(at)
            process.kill()
        assert len(lab.server.requests()) == at
        assert_made_right(lab, content)

    @each_change
    @pytest.mark.parametrize("content", [NEW, OLD], ids=["to the new", "back to the old"])
    def test_after_it_is_stored_and_before_the_answer(
        self, lab: FaultLab, work: str, at: int, content: Content
    ) -> None:
        prepare(lab, work)
        lab.inject("slow", at, delay_seconds=3600.0)
        with uploading(lab, NEW) as process:
            process.pass_by(at)
            process.go_on()
            wait_for(lab, at, lambda request: request.changed)
            process.kill()
        assert lab.server.requests()[at].status is None
        assert_made_right(lab, content)

    @each_change
    @pytest.mark.parametrize("kind", ["drop_before", "store_late"])
    def test_while_it_waits_after_a_lost_answer(self, lab: FaultLab, work: str, at: int, kind: str) -> None:
        """What is late arrives when the process is gone, and before the next run."""
        prepare(lab, work)
        lab.inject(kind, at)
        with uploading(lab, NEW) as process:
            process.pass_by(at + 1)
            process.kill()
        assert lies(lab.server, OLD, NEW) == []
        lab.land()
        assert_made_right(lab, NEW)

    @each_change
    def test_what_is_late_arrives_in_the_next_run(self, lab: FaultLab, work: str, at: int) -> None:
        """Nobody has waited for it. The next run finds an item that another one has begun, and waits in its place."""
        prepare(lab, work)
        lab.inject("store_late", at)
        with uploading(lab, NEW) as process:
            process.pass_by(at + 1)
            process.kill()
        # Without that wait, it would arrive when the next run looks at what it has sent.
        lab.inject("status", 1, LIST)
        with lab.api(batch_files=2, sleep=lambda seconds: lab.land()) as api:
            try:
                upload(api, OLD)
            except EdgeImpulseError as error:
                assert error.retryable
        lab.forget_faults()
        assert lies(lab.server, OLD, NEW) == []
        lab.land()
        assert_made_right(lab, OLD)

    @pytest.mark.parametrize("work", REQUESTS)
    @pytest.mark.parametrize("block", range(BLOCKS))
    def test_in_the_middle_of_a_body(self, lab: FaultLab, work: str, block: int) -> None:
        prepare(lab, work)
        with uploading(lab, NEW, "blocks") as process:
            asked = [process.asks()]
            while asked.count("block") <= block:
                process.go_on()
                asked.append(process.asks())
            at = asked.count("request") - 1
            wait_for(lab, at, lambda request: request.operation in (CREATE, ADD))
            process.kill()
        assert not lab.server.requests()[at].changed
        assert_made_right(lab, NEW)
