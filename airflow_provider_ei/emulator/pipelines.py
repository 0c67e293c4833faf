"""Pipelines of the organization: each runs transformation jobs, one step after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_ei.emulator.stored_data import StoreError
from airflow_provider_ei.emulator.transformations import Transformation

StartStep = Callable[["Pipeline", "PipelineRun", int, float], Transformation]
"""Starts the transformation job of a step: of this pipeline, this run, this index, at this time."""


@dataclass(slots=True, eq=False)
class PipelineRun:
    """A run of a pipeline. Times are in seconds since 1970.

    :ivar since: the revision of the data from which on items are new to it.
    :ivar revision: the revision of the data at its start.
    :ivar transformations: those of the steps that have been started.
    :ivar items_before: the number of items of the dataset that the pipeline feeds, at its start.
    """

    id: int
    created: float
    since: int
    revision: int
    items_before: int
    transformations: list[Transformation] = field(default_factory=list)
    finished: float | None = None
    succeeded: bool | None = None
    items_after: int | None = None
    stopped: bool = False


@dataclass(slots=True, eq=False)
class Pipeline:
    """A pipeline; ``start_error`` is why it cannot be started, if a test has set that."""

    id: int
    name: str
    description: str
    steps: list[Mapping[str, Any]]
    created: float
    dataset: str | None
    project_id: int | None
    start_error: str | None = None
    last_start_error: str | None = None
    runs: list[PipelineRun] = field(default_factory=list)

    @property
    def current_run(self) -> PipelineRun | None:
        """The newest run that has not ended."""
        active = [run for run in self.runs if run.finished is None]
        return active[-1] if active else None

    @property
    def last_run(self) -> PipelineRun | None:
        """The run that has ended last."""
        ended = [run for run in self.runs if run.finished is not None]
        return max(ended, key=lambda run: (run.finished, run.id)) if ended else None

    @property
    def seen_revision(self) -> int:
        """The revision of the data up to which a successful run has read them."""
        return max((run.revision for run in self.runs if run.succeeded), default=-1)


class PipelineStore:
    """The pipelines of the organization. Not safe to use from several threads."""

    def __init__(self) -> None:
        self._all: dict[int, Pipeline] = {}
        self._last_id = 0
        self._last_run_id = 0

    def add(
        self,
        name: str,
        steps: list[Mapping[str, Any]],
        created: float,
        *,
        description: str = "",
        dataset: str | None = None,
        project_id: int | None = None,
    ) -> Pipeline:
        """Add a pipeline."""
        self._last_id += 1
        pipeline = Pipeline(self._last_id, name, description, steps, created, dataset, project_id)
        self._all[pipeline.id] = pipeline
        return pipeline

    def find(self, pipeline_id: int) -> Pipeline:
        """Return a pipeline.

        :raises StoreError: if it does not exist.
        """
        if pipeline_id not in self._all:
            raise StoreError(f"Pipeline {pipeline_id} not found")
        return self._all[pipeline_id]

    def all(self) -> list[Pipeline]:
        """Return all pipelines, by id."""
        return list(self._all.values())

    def run(
        self,
        pipeline: Pipeline,
        created: float,
        revision: int,
        *,
        ignore_last_successful: bool,
        count_items: Callable[[], int],
        start_step: StartStep,
    ) -> PipelineRun:
        """Start a run.

        :raises StoreError: if the pipeline cannot be started.
        """
        pipeline.last_start_error = pipeline.start_error
        if pipeline.start_error is not None:
            raise StoreError(pipeline.start_error)
        self._last_run_id += 1
        since = -1 if ignore_last_successful else pipeline.seen_revision
        run = PipelineRun(self._last_run_id, created, since, revision, count_items())
        pipeline.runs.append(run)

        def next_step(successful: bool, now: float) -> None:
            index = len(run.transformations)
            if run.finished is not None:
                return
            if successful and index < len(pipeline.steps):
                transformation = start_step(pipeline, run, index, now)
                run.transformations.append(transformation)
                transformation.on_end.append(next_step)
            else:
                run.finished, run.succeeded, run.items_after = now, successful, count_items()

        next_step(True, created)
        return run

    def clear(self) -> None:
        """Forget all pipelines. The ids continue."""
        self._all.clear()
