"""A person edits a data item at any moment of a sync with deletes on: nothing of theirs is lost, changed or deleted.

The edit is made when a request has arrived at the server and before it is carried out, for every request of the sync,
every item and every kind of edit. What cannot hold, since the API has no lock, is left out by ``in_flight``: the
request that is on its way is itself a change to that item, which the sync has looked at one round trip ago.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, RequestRecord, StoredItem
from airflow_provider_ei.exceptions import EdgeImpulseError
from airflow_provider_ei.sync.item import plan as plan_module
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.items import changed_state, users_metadata
from tests.support.studio import CHANGING, DELETE, LIST

from . import trees
from .lab import DATASET, FaultLab, State
from .trees import FOREIGN, SMALL_ITEM_BYTES, TREES, sync

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

A, B = TREES["A"], TREES["B"]
NOTE = {"note": "look at this one again"}


@dataclass(frozen=True)
class Edit:
    """What a person does.

    :ivar takes: whether the item is theirs from then on.
    """

    name: str
    carry_out: Callable[[EmulatorServer, StoredItem], None]
    takes: bool


EDITS = [
    Edit("renames it", lambda server, item: server.edit_item(item.id, name="kept by a person"), takes=True),
    Edit("moves it", lambda server, item: server.edit_item(item.id, dataset="archive"), takes=True),
    Edit(
        "strips our state",
        lambda server, item: server.edit_item(item.id, metadata=users_metadata(item.metadata)),
        takes=True,
    ),
    Edit(
        "gives it to another sync",
        lambda server, item: server.edit_item(item.id, metadata=changed_state(item.metadata, sync="weekly")),
        takes=True,
    ),
    Edit("adds metadata", lambda server, item: server.edit_item(item.id, metadata=item.metadata | NOTE), takes=False),
    Edit("deletes it", lambda server, item: server.remove_item(item.id), takes=False),
]


class Person:
    """Makes one edit before one request of a run is carried out.

    :ivar left: the item as the person has left it; None when it was not there, or was deleted.
    :ivar files: its files' contents then.
    """

    def __init__(self, lab: FaultLab, edit: Edit, name: str, at: int, workers: int) -> None:
        self._lab = lab
        self._workers = workers
        self._edit = edit
        self._at = at
        self._count = -1
        (self.item,) = [item for item in lab.server.items(DATASET) if item.name == name]
        self.left: StoredItem | None = None
        self.files: Mapping[str, bytes] = {}
        self.request: RequestRecord | None = None

    def __call__(self, request: RequestRecord) -> None:
        self._count += 1
        if self._count != self._at:
            return
        now = self._find()
        if now is None:
            return
        self.request = request
        self._edit.carry_out(self._lab.server, now)
        self.left = self._find()
        if self.left is not None:
            self.files = self._lab.files(self.left)

    def _find(self) -> StoredItem | None:
        return next((item for item in self._lab.server.items() if item.id == self.item.id), None)

    def in_flight(self, log: Sequence[RequestRecord]) -> bool:
        """Whether the edit came in the round trip between the last look at the item and a change to it.

        With one worker these are two requests that follow one another.
        """
        changes = [at for at in self._requests(log) if at >= self._at and log[at].operation in CHANGING]
        if not changes:
            return False
        looks = [at for at in range(changes[0]) if self._is_look(log[at])]
        if not looks:
            return False
        if self._workers > 1:  # requests of several workers may be carried out in another order than they arrive
            return looks[-1] < self._at + self._workers
        return (looks[-1], changes[0]) == (self._at - 1, self._at)

    def had_begun(self, log: Sequence[RequestRecord]) -> bool:
        """Whether the sync had changed the item before the edit."""
        return any(log[at].operation in CHANGING for at in self._requests(log) if at < self._at)

    def _requests(self, log: Sequence[RequestRecord]) -> list[int]:
        """Where the requests are that are about this item alone."""
        return [at for at, request in enumerate(log) if self._is_of_item(request)]

    def _is_look(self, request: RequestRecord) -> bool:
        return request.method == "GET" and (request.operation == LIST or self._is_of_item(request))

    def _is_of_item(self, request: RequestRecord) -> bool:
        return re.search(rf"/data/{self.item.id}(/|\?|$)", request.path) is not None

    def problem(self, log: Sequence[RequestRecord]) -> str | None:
        """Say what was done to the item that must not be; None when nothing was."""
        if self.left is None or self.in_flight(log):
            return None
        now = self._find()
        if now is None:
            # What was there before the first listing was known when the deletion was planned.
            return "deleted" if self._edit.takes or self._at > 0 else None
        if self._edit.takes and (now.name, now.dataset) != (self.left.name, self.left.dataset):
            return "renamed or moved"
        if not self._edit.takes:
            return None if NOTE.items() <= now.metadata.items() else "metadata lost"
        if self.had_begun(log):
            return None  # what was being sent may still arrive; it is not deleted
        if now.metadata != self.left.metadata:
            return "metadata changed"
        return None if self._lab.files(now) == self.files else "files changed"


@pytest.fixture
def there(lab: FaultLab, monkeypatch: pytest.MonkeyPatch) -> tuple[FaultLab, State]:
    """An emulator that has A, and what is foreign; and the state to go back to."""
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", SMALL_ITEM_BYTES)
    lab.put(FOREIGN)
    with lab.api() as api:
        sync(api, A)
    return lab, lab.state()


def run(lab: FaultLab, workers: int = 1) -> Sequence[RequestRecord]:
    """A sync of B, which may fail as it says; returns its requests."""
    lab.server.clear_requests()
    with (
        lab.api(connections=workers, batch_files=2, retry_attempts=2) as api,
        contextlib.suppress(EdgeImpulseError),
    ):
        sync(api, B, workers)
    return lab.server.requests()


def requests_of_a_run(lab: FaultLab, state: State) -> int:
    lab.reset()
    lab.put(state)
    return len(run(lab))


def try_all(
    lab: FaultLab,
    state: State,
    edit: Edit,
    names: Sequence[str],
    *,
    workers: int = 1,
    prepare: Callable[[], Any] = lambda: None,
) -> list[str]:
    problems = []
    followed: set[tuple[str, State]] = set()
    requests = requests_of_a_run(lab, state)
    for name in names:
        for at in range(requests + 2):
            lab.reset()
            lab.put(state)
            prepare()
            person = Person(lab, edit, name, at, workers)
            lab.server.before_request(person)
            log = run(lab, workers)
            lab.server.before_request(None)
            lab.forget_faults()
            told = f"{name} at {at} ({person.request.operation if person.request else 'no request'})"
            if problem := person.problem(log):
                problems.append(f"{problem}: {told}")
            # A run knows nothing but what it is given and what the server has: equal states go on alike.
            after = (name, lab.state())
            if after in followed:
                continue
            followed.add(after)
            run(lab)
            if edit.takes and (problem := person.problem(log)):
                problems.append(f"{problem} by the next run: {told}")
            lab.server.clear_requests()
            rest = run(lab)
            if changing := [request.operation for request in rest if request.operation in CHANGING]:
                problems.append(f"not at rest: {changing}: {told}")
            if problem := trees.changed_foreign(lab, [person.item.id]):
                problems.append(f"{problem}: {told}")
    return problems


@pytest.mark.parametrize("edit", EDITS, ids=[edit.name for edit in EDITS])
@pytest.mark.parametrize("switches", [{}, {"metadata_update": "merge"}], ids=["replace", "merge"])
def test_leaves_alone_what_a_person_does_at_any_moment(
    there: tuple[FaultLab, State], edit: Edit, switches: Mapping[str, str]
) -> None:
    lab, state = there
    problems = try_all(lab, state, edit, sorted(A), prepare=lambda: lab.server.settings.change(switches))
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:20])


@pytest.mark.parametrize("edit", EDITS, ids=[edit.name for edit in EDITS])
def test_leaves_alone_what_a_person_does_while_many_workers_send(there: tuple[FaultLab, State], edit: Edit) -> None:
    lab, state = there
    problems = try_all(lab, state, edit, ["run changed", "run gone"], workers=4)
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:20])


@pytest.mark.parametrize("edit", EDITS[:5], ids=[edit.name for edit in EDITS[:5]])
@pytest.mark.parametrize("kind", ["drop_after", "store_late", "drop_before"])
@pytest.mark.parametrize("operation", [*CHANGING])
def test_leaves_it_alone_also_when_an_answer_is_lost(
    there: tuple[FaultLab, State], edit: Edit, kind: str, operation: str
) -> None:
    lab, state = there
    names = ["run gone"] if operation == DELETE else ["run changed"]
    problems = try_all(lab, state, edit, names, prepare=lambda: lab.inject(kind, operation=operation))
    lab.land()
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:20])


def test_the_state_that_is_stripped_is_ours(there: tuple[FaultLab, State]) -> None:
    """What the edits above take away is there in the first place."""
    lab, _ = there
    assert all(STATE_KEY in lab.find(name).metadata for name in A)
