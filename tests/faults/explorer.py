"""Make runs with faults, follow every server state that they lead to, and record what went wrong.

Why this is complete and still fast: each run is a new task, so it knows only its arguments and what the server has.
Two histories that leave the server with equal data therefore continue in the same way, and only one of them needs to be
followed. From each reachable state, the next run is made once for each place and kind of fault, and for each pair of
faults within the run, as long as faults are left. The places are observed, not guessed: those of the first fault come
from a run without faults, those of the second from the run with the first fault.

In pairs, one fault represents others that look the same to the product: a 503 and a truncated body are both requests
that were not carried out and got no answer (``drop_before``). So are requests that change nothing and are answered late
or never. Single faults are tried in all kinds.

A late store arrives within the settle time, or else after the run has ended. In that case the run ended too early: the
next run may follow at once, and the late store would arrive in the middle of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar

from airflow_provider_ei.emulator import RequestRecord
from airflow_provider_ei.exceptions import EdgeImpulseError
from tests.support.studio import CHANGING, changes

from .kinds import KINDS, Kind, Place, places
from .lab import FaultLab, State

ExplorerT = TypeVar("ExplorerT", bound="Explorer")


class Explorer(ABC):
    """Makes runs, and remembers what came of them.

    :param begin: what the server has at first.
    :param switches: of the server.
    """

    kinds: Sequence[Kind] = KINDS

    def __init__(self, lab: FaultLab, begin: State, switches: Mapping[str, Any]) -> None:
        self.lab = lab
        self.begin = begin
        self.switches = switches
        self.tally: Counter[str] = Counter()
        self.problems: list[str] = []
        self.came: dict[State, str] = {begin: ""}
        self.known: dict[tuple[State, str], tuple[int, dict[State, int]]] = {}
        self.quiet: set[tuple[State, str]] = set()

    @abstractmethod
    def upload(self, letter: str) -> None:
        """One run of the product, as a task of its own, that is to make what this letter stands for."""

    @abstractmethod
    def problem(self, letter: str) -> str | None:
        """Say in what the server's data differ from that; None when in nothing."""

    def damage(self, letter: str, before: State, error: EdgeImpulseError | None) -> str | None:
        """Say what a run has done that it must not do, also when it has failed."""
        return None

    def may_follow(self, first: Place, second: Place, log: Sequence[RequestRecord]) -> bool:
        """Whether this pair is tried; the log is that of the run with the first one alone."""
        return True

    # --- runs ---------------------------------------------------------------------------------------------

    def restore(self, state: State) -> None:
        self.lab.reset()
        self.lab.put(state)
        self.lab.server.settings.change(self.switches)

    def run(
        self, state: State, letter: str, ordered: Sequence[Place], *, may_miss: bool = False
    ) -> Sequence[RequestRecord]:
        """One run from a state; returns the requests that it took.

        :param may_miss: whether the places may lie behind its end.
        """
        server = self.lab.server
        server.clear_requests()
        for at, kind, operation in ordered:
            self.lab.inject(kind.fault, at, operation, **kind.options)
        error: EdgeImpulseError | None = None
        try:
            self.upload(letter)
        except EdgeImpulseError as raised:
            error = raised
        log = server.requests()
        self.tally["runs"] += 1
        self.tally["requests"] += len(log)
        self.tally["runs that failed"] += error is not None
        hit = sum(request.fault is not None for request in log)
        self.tally["faults"] += hit
        if may_miss:
            self.lab.forget_faults()
        else:
            assert hit == len(ordered), "a run is not the same twice"
        problem = None if error else self.problem(letter)
        if problem is None and self.lab.is_late and any(_changes_late(request) for request in log):
            problem = "ended too early: a change is on its way"
        self.lab.land()
        if problem is None and error is None:
            problem = self.problem(letter)
        if problem is None:
            problem = self.damage(letter, state, error)
        if problem:
            how = f"failed ({error})" if error else "returned normally"
            self.note(problem, f"after a run that {how}: {self.tell(state, letter, ordered, log)}")
        return log

    def follow(self, state: State, letter: str, faults: int) -> dict[State, int]:
        """The states that a run leads to, each with the least number of faults, of at most so many."""
        done, found = self.known.get((state, letter), (-1, {}))
        if done < faults:
            found = {}
            for ordered, log in self.runs(state, letter, faults):
                after = self.lab.state()
                if found.get(after, len(ordered) + 1) > len(ordered):
                    found[after] = len(ordered)
                self.came.setdefault(after, self.tell(state, letter, ordered, log))
            self.known[state, letter] = faults, found
        return {after: used for after, used in found.items() if used <= faults}

    def runs(self, state: State, letter: str, faults: int) -> Iterator[tuple[list[Place], Sequence[RequestRecord]]]:
        """Make all runs with up to so many faults; yields after each."""

        def one(*ordered: Place) -> tuple[list[Place], Sequence[RequestRecord]]:
            self.restore(state)
            return [*ordered], self.run(state, letter, ordered)

        yield (free := one())
        for first in self.places(free[1]) if faults else ():
            yield (single := one(first))
            if faults < 2 or not first.kind.in_pairs:
                continue
            seconds = self.places(single[1], first.at + 1)
            # Told now: the server forgets it with the next run.
            for second in [each for each in seconds if self.may_follow(first, each, single[1])]:
                if second.kind.in_pairs:
                    yield one(first, second)

    def places(self, log: Sequence[RequestRecord], begin: int = 0) -> Iterator[Place]:
        return places([request.operation for request in log], begin, self.kinds)

    # --- histories ----------------------------------------------------------------------------------------

    def follow_all(self, sequences: Iterable[str], faults: int, *, last: str = "") -> None:
        """Make all histories of these runs with up to so many faults in all, and end each.

        :param last: what the quiet runs at the end make, each from where a history began to be quiet; by default what
            its last run was to make.
        """
        for sequence in sequences:
            states = {self.begin: 0}
            for letter in sequence:
                after: dict[State, int] = {}
                for state, used in states.items():
                    for found, more in self.follow(state, letter, faults - used).items():
                        after[found] = min(used + more, after.get(found, faults))
                states = after
            for state, letter in product(states, last or sequence[-1]):
                self.end(state, letter)

    def follow_each(self, sequence: str, faults: int, *, last: str) -> None:
        """Make the histories in which one run has up to so many faults, and those before it none; and end each."""
        state = self.begin
        for letter in sequence:
            found = self.follow(state, letter, faults)
            for after, end in product(found, last):
                self.end(after, end)
            (state,) = [after for after, used in found.items() if not used]

    def sequence(self, letters: str, place: Place | None) -> list[RequestRecord]:
        """All runs, with a fault at one of their requests; returns the requests that they took."""
        self.restore(self.begin)
        log: list[RequestRecord] = []
        for number, letter in enumerate(letters):
            told = self.begin if number == 0 else self.lab.state()
            self.came.setdefault(told, letters[:number])
            # A place that lies behind the end of this run is one of a later run.
            here = place and place._replace(at=place.at - len(log))
            log += self.run(told, letter, [here] if here and here.at >= 0 else [], may_miss=True)
        self.end_here(letters[-1], f"{letters} {place}")
        return log

    def end(self, state: State, letter: str) -> None:
        """After all faults: a quiet run makes it right, and one more has nothing to do."""
        if (state, letter) in self.quiet:
            return
        self.quiet.add((state, letter))
        self.restore(state)
        self.end_here(letter, self.tell(state, letter, []))

    def end_here(self, letter: str, told: str) -> None:
        self.upload(letter)
        self.tally["runs"] += 1
        told = f"after a quiet run: {told}"
        if problem := self.problem(letter):
            self.note(problem, told)
            return
        self.lab.server.clear_requests()
        self.upload(letter)
        if changes(self.lab.server) or self.problem(letter):
            self.note("not at rest", told)

    # --- words --------------------------------------------------------------------------------------------

    def note(self, problem: str, when: str) -> None:
        self.tally[problem.partition(":")[0]] += 1
        self.problems.append(f"{problem} {when}")

    def tell(self, state: State, letter: str, ordered: Sequence[Place], log: Sequence[RequestRecord] = ()) -> str:
        hit = ", ".join(_words(place, log) for place in ordered)
        return f"{self.came.get(state, '?')} -> {letter}" + (f" [{hit}]" if hit else "")

    def check(self) -> None:
        assert not self.problems, f"{len(self.problems)} problems\n" + "\n".join(self.problems[:20])


def _changes_late(request: RequestRecord) -> bool:
    return request.fault == "store_late" and request.operation in CHANGING


def _words(place: Place, log: Sequence[RequestRecord]) -> str:
    at, kind, operation = place
    what = operation if operation != "*" else log[at].operation if at < len(log) else "?"
    return f"{kind.name} at {at} ({what})"
