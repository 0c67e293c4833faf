"""Random histories: uploads, faults, switches, and people who work in Studio meanwhile.

The exhaustive tests try every short history; these try long ones, including combinations that nobody has listed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from airflow_provider_ei.exceptions import EdgeImpulseConflictError, EdgeImpulseError
from airflow_provider_ei.sync.item import plan as plan_module
from airflow_provider_ei.sync.metadata import STATE_KEY
from tests.support.items import state_of, users_metadata
from tests.support.studio import CHANGING, changes, contents

from .lab import LATER, NAME, Content, Fault, FaultLab, upload

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONTENTS = [
    Content({"1.csv": b"first\n", "2.csv": b"second\n"}, {"run": "1", "machine": "pump 7"}),
    Content({"1.csv": b"FIRST\n", "2.csv": b"SECOND\n"}, {"run": "2"}),
    Content({"2.csv": b"other\n", "3.csv": b"third\n", "empty.csv": b""}, {"run": "3", "site": "ü"}),
    Content({"only.csv": b"one\n"}, {}),
]
#: What people write into metadata: keys of their own.
FOREIGN = ["checked", "ei_check_1", "note"]

faults = st.one_of(
    st.builds(Fault, kind=st.sampled_from(["drop_before", "success_false"]), skip=st.integers(0, 12)),
    st.builds(
        lambda kind, operation, skip, count, status: Fault(
            kind=kind,
            operation=operation,
            skip=skip,
            count=count,
            delay_seconds=LATER if kind == "store_late" else 0.0,
            after_bytes=200 if kind == "cut_body" else 0,
            status=status if kind == "status" else None,
        ),
        st.sampled_from(["drop_before", "drop_after", "store_late", "cut_body", "status", "success_false"]),
        st.sampled_from(CHANGING),
        st.integers(0, 6),
        st.integers(1, 2),
        st.sampled_from([429, 500, 503]),
    ),
)


class Histories(RuleBasedStateMachine):
    lab: ClassVar[FaultLab]

    def __init__(self) -> None:
        super().__init__()
        self.foreign: dict[str, str] = {}

    @initialize(large=st.booleans(), tries=st.integers(1, 3))
    def begin(self, large: bool, tries: int) -> None:
        self.lab.reset()
        plan_module.SMALL_ITEM_BYTES = 10 if large else 1000
        self.settings = {"retry_attempts": tries, "batch_files": 2 if large else 1000}

    def api(self) -> Any:
        return self.lab.api(**self.settings)

    @property
    def items(self) -> list[Any]:
        return self.lab.server.items()

    @rule(
        content=st.sampled_from(CONTENTS),
        if_exists=st.sampled_from(["update", "overwrite", "skip"]),
        ordered=st.lists(faults, max_size=3),
    )
    def run(self, content: Content, if_exists: str, ordered: list[Fault]) -> None:
        """It may fail, but only as it says; when it does not, its result is there."""
        self.lab.server.inject(*ordered)
        with self.api() as api:
            try:
                result = upload(api, content, if_exists)
            except EdgeImpulseConflictError as error:
                raise AssertionError("all items are ours") from error
            except EdgeImpulseError:
                return
            finally:
                assert not self.lab.is_late, "a change is on its way"
        (item,) = [item for item in self.items if item.id == result["data_id"]]
        state = state_of(item)
        assert state is not None and state.complete
        if result["outcome"] != "skipped":
            self.assert_right(content)

    @rule(fault=faults)
    def inject(self, fault: Fault) -> None:
        self.lab.server.inject(fault)

    @rule(
        names=st.sampled_from(["new_id", "reject", "merge"]),
        metadata=st.sampled_from(["replace", "merge"]),
    )
    def switch(self, names: Any, metadata: Any) -> None:
        self.lab.server.settings.change({"duplicate_names": names, "metadata_update": metadata})

    @rule(key=st.sampled_from(FOREIGN), value=st.sampled_from(["yes", "no"]))
    def someone_adds_metadata(self, key: str, value: str) -> None:
        for item in self.items:
            self.lab.edit(item, metadata=item.metadata | {key: value})
            self.foreign[key] = value

    @rule(key=st.sampled_from(["run", "machine", "site"]), value=st.sampled_from(["", "by hand"]))
    def someone_changes_what_we_wrote(self, key: str, value: str) -> None:
        for item in self.items:
            state = state_of(item)
            if state is not None and key in state.keys:
                self.lab.edit(item, metadata=item.metadata | {key: value})

    @rule(number=st.integers(0, 2))
    def someone_removes_a_file(self, number: int) -> None:
        for item in self.items:
            if number < len(item.files):
                self.lab.edit(item, without=item.files[number].name)

    @rule(content=st.sampled_from(CONTENTS))
    def quiet_run(self, content: Content) -> None:
        self.lab.forget_faults()
        self.lab.land()
        with self.api() as api:
            upload(api, content)
            self.assert_right(content)
            self.lab.server.clear_requests()
            assert upload(api, content)["outcome"] == "unchanged"
        assert changes(self.lab.server) == []

    def teardown(self) -> None:
        self.quiet_run(CONTENTS[0])

    def assert_right(self, content: Content) -> None:
        (item,) = self.items
        assert item.name == NAME
        assert contents(self.lab.server, item.id) == content.files
        assert users_metadata(item.metadata) == self.foreign | content.metadata
        state = state_of(item)
        assert state is not None and state.digest == content.digest

    @invariant()
    def what_others_wrote_is_kept(self) -> None:
        for item in self.items:
            assert state_of(item) is not None, "an item that is not ours"
        assert not self.foreign or not self.items or any(self.foreign.items() <= i.metadata.items() for i in self.items)

    @invariant()
    def nothing_is_called_complete_that_is_not(self) -> None:
        """Unless somebody has removed a file by hand, which the next run sees by its name."""
        for item in self.items:
            state = state_of(item)
            if state is None or not state.complete:
                continue
            (content,) = [content for content in CONTENTS if content.digest == state.digest]
            there = contents(self.lab.server, item.id)
            assert there.items() <= content.files.items(), item.metadata[STATE_KEY]


@pytest.fixture
def histories(lab: FaultLab, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Histories]]:
    monkeypatch.setattr(plan_module, "SMALL_ITEM_BYTES", plan_module.SMALL_ITEM_BYTES)  # is put back afterwards
    Histories.lab = lab
    logging.disable()  # thousands of warnings about faults that were ordered
    yield Histories
    logging.disable(logging.NOTSET)


def test_histories(histories: type[Histories]) -> None:
    run_state_machine_as_test(
        histories,
        settings=settings(
            derandomize=True,
            database=None,
            deadline=None,
            max_examples=150,
            stateful_step_count=20,
            suppress_health_check=list(HealthCheck),
        ),
    )
