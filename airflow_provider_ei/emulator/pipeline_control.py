"""Control of the emulator's pipelines and transformation jobs in tests: ``EmulatorServer.pipelines``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_ei.emulator.workspace import Workspace


class PipelineControl:
    """Control of pipelines without requests. Safe to use from several threads."""

    def __init__(self, workspace: Callable[[], Workspace]) -> None:
        self._workspace = workspace

    def add(
        self,
        name: str,
        steps: Sequence[Mapping[str, Any]],
        *,
        dataset: str | None = None,
        project_id: int | None = None,
    ) -> int:
        """Add a pipeline, and return its id.

        :param steps: in the form of the API: ``{"name": "copy", "filter": "dataset = 'raw'", "uploadType": "dataset",
            "outputDatasetName": "clean"}``.
        :param dataset: the dataset that the pipeline feeds; its items are counted.
        :param project_id: the project that the pipeline feeds.
        """
        with self._workspace() as workspace:
            now = workspace.clock.now()
            return workspace.pipelines.add(name, list(steps), now, dataset=dataset, project_id=project_id).id

    def fail_start(self, pipeline_id: int, error: str | None) -> None:
        """Make the next runs fail to start with this error; None ends that."""
        with self._workspace() as workspace:
            workspace.pipelines.find(pipeline_id).start_error = error

    def fail_items(self, *names: str) -> None:
        """Make the transformation of the data items of these names fail, and of no others."""
        with self._workspace() as workspace:
            workspace.transformations.failing = set(names)

    def run_ids(self) -> list[int]:
        """Return the ids of all runs of pipelines, oldest first."""
        with self._workspace() as workspace:
            return sorted(run.id for pipeline in workspace.pipelines.all() for run in pipeline.runs)

    def transformation_ids(self) -> list[int]:
        """Return the ids of all transformation jobs, oldest first; also those of pipelines."""
        with self._workspace() as workspace:
            return [transformation.id for transformation in workspace.transformations.all()]
