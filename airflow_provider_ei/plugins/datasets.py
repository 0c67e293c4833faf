"""Puts the tasks that have written to a dataset together: those of one run, and the runs of one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airflow_provider_ei.operators.results import Numbers, add
from airflow_provider_ei.plugins.records import FAILED_STATES, PARTS_OF_A_SYNC, TaskKey, Work

#: Runs of a dataset that are shown.
MOST_RUNS = 20


@dataclass
class TaskRun:
    """A task in a DAG run, with all that it is mapped to."""

    works: list[Work]

    @property
    def key(self) -> TaskKey:
        """The first task instance."""
        return self.works[0].key

    @property
    def when(self) -> datetime | None:
        """When the last of them ended, or began."""
        return max((work.when for work in self.works if work.when), default=None)

    @property
    def state(self) -> str:
        """The worst state: what one looks for first."""
        states = [work.state for work in self.works]
        for state in (*FAILED_STATES, "running"):
            if state in states:
                return state
        if any(state not in ("success", "skipped") for state in states):
            return "running"
        return "success" if "success" in states else "skipped"

    @property
    def is_mapped(self) -> bool:
        """Whether it is a mapped task."""
        return self.key.map_index >= 0

    @property
    def kind(self) -> str:
        """What it did, in one word."""
        results = [work.result for work in self.works if work.result]
        if any(result.dry_run for result in results):
            return "dry run"
        if results:
            return "sync" if any(result.is_sync for result in results) else "upload"
        return "upload" if "AddData" in (self.works[0].operator or "") else "sync"

    @property
    def numbers(self) -> Numbers | None:
        """The sum of what they have returned; None when nothing was."""
        results = [work.result for work in self.works if work.result]
        return add(result.numbers for result in results) if results else None

    @property
    def seconds(self) -> float | None:
        """How long it took: as a sync has it, otherwise from the first one's beginning to the last one's end."""
        numbers = self.numbers
        if numbers and numbers.seconds:
            return numbers.seconds
        started = [work.started for work in self.works if work.started]
        ended = [work.ended for work in self.works if work.ended]
        if not started or len(ended) < len(self.works):
            return None
        return max(max(ended) - min(started), timedelta()).total_seconds()


@dataclass
class Dataset:
    """A dataset that this Airflow writes to.

    :ivar runs: newest first.
    """

    organization_id: int | None
    name: str
    url: str | None = None
    runs: list[TaskRun] = field(default_factory=list)

    @property
    def newest(self) -> TaskRun:
        """The newest run, whatever became of it."""
        return self.runs[0]

    @property
    def last_done(self) -> TaskRun | None:
        """The newest run that has returned numbers, and has not only tried."""
        return next((run for run in self.runs if run.numbers and run.kind != "dry run"), None)


def by_dataset(works: Sequence[Work]) -> list[Dataset]:
    """Return the datasets that tasks have written to, the most lately written one first.

    :param works: newest first.
    """
    homes = {(work.key.dag_id, work.key.task_id): work for work in reversed(works) if work.result}
    datasets: dict[tuple[int | None, str], Dataset] = {}
    runs: dict[tuple[int | None, str, str, str, str], TaskRun] = {}
    for work in works:
        if work.state == "success" and work.operator in PARTS_OF_A_SYNC:
            continue  # the group's last task has its numbers
        home = homes.get((work.key.dag_id, work.key.task_id), work)
        name, organization_id = work.dataset or home.dataset, work.organization_id or home.organization_id
        if name is None:
            continue
        dataset = datasets.setdefault((organization_id, name), Dataset(organization_id, name))
        dataset.url = dataset.url or work.url
        key = (organization_id, name, work.key.dag_id, work.key.run_id, work.key.task_id)
        if key in runs:
            runs[key].works.append(work)
        else:
            runs[key] = TaskRun([work])
            dataset.runs.append(runs[key])
    return list(datasets.values())
