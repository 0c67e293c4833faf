"""Transformation jobs: each selects data items, and writes its results into a dataset or a project."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_provider_ei.emulator.item_store import ItemStore
from airflow_provider_ei.emulator.job_engine import Job, JobEngine
from airflow_provider_ei.emulator.projects import Project
from airflow_provider_ei.emulator.stored_data import StoredItem, StoreError

TransformationStatus = Literal["waiting", "created", "started", "finished", "failed"]


@dataclass(slots=True, eq=False)
class TransformationInput:
    """A data item that a transformation job reads; ``succeeded`` is None until its job has ended."""

    id: int
    item: StoredItem
    succeeded: bool | None = None


@dataclass(slots=True, eq=False)
class Transformation:
    """A transformation job, which the API calls "create project". Times are in seconds since 1970.

    :ivar request: the body of the request, without keys.
    :ivar project: the project that gets the results; None if a dataset gets them.
    :ivar job: the job that transforms; after it, ``upload`` imports the results into the project.
    :ivar tried: the inputs of the current try.
    :ivar import_partly: whether the results are imported although some inputs have failed.
    :ivar run: id of the pipeline's run, with the number of the step.
    """

    id: int
    request: Mapping[str, Any]
    created: float
    inputs: list[TransformationInput]
    project: Project | None
    job: Job
    tried: list[TransformationInput]
    import_partly: bool
    pipeline_id: int | None = None
    run: tuple[int, int] | None = None
    upload: Job | None = None
    uploaded: bool | None = None
    on_end: list[Callable[[bool, float], None]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name that the client has given it."""
        return str(self.request["name"])

    @property
    def ended(self) -> bool:
        """Whether it has ended. It can be tried again."""
        return self.status in ("finished", "failed")

    @property
    def transform_status(self) -> TransformationStatus:
        """The status of the transformation itself."""
        if self.job.finished is None:
            return "created" if self.job.started is None else "started"
        return "finished" if all(each.succeeded for each in self.inputs) else "failed"

    @property
    def upload_status(self) -> TransformationStatus:
        """The status of the import into the project."""
        if self.project is None:
            return self.transform_status
        if self.upload is None:
            return "failed" if self.job.finished is not None else "waiting"
        if self.upload.finished is None:
            return "created" if self.upload.started is None else "started"
        return "finished" if self.uploaded else "failed"

    @property
    def status(self) -> TransformationStatus:
        """The status of the whole."""
        if self.transform_status == "finished":
            return self.upload_status if self.upload_status != "created" else "started"
        if self.transform_status == "failed" and self.upload is not None and self.upload.finished is None:
            return "started"
        return self.transform_status

    def counts(self, now: float) -> dict[str, int]:
        """Return how many inputs have started, succeeded and ended. They end evenly while the job runs."""
        ended = [each for each in self.inputs if each.succeeded is not None]
        count, running = len(self.tried), self.job.running_seconds
        progress = 0
        if self.job.finished is None and self.job.started is not None and not math.isinf(running) and running:
            progress = min(count, math.floor(count * (now - self.job.started) / running))
        started = len(self.inputs) if self.job.started is not None else len(ended)
        return {
            "startedCount": started,
            "succeededCount": sum(bool(each.succeeded) for each in ended) + progress,
            "finishedCount": len(ended) + progress,
            "totalFileCount": len(self.inputs),
        }


class TransformationStore:
    """The transformation jobs of the organization. Not safe to use from several threads.

    :ivar failing: names of the data items whose transformation fails.
    """

    def __init__(self, jobs: JobEngine) -> None:
        self._jobs = jobs
        self._all: dict[int, Transformation] = {}
        self._last_id = 0
        self._last_input_id = 0
        self.failing: set[str] = set()

    def start(
        self,
        store: ItemStore,
        request: Mapping[str, Any],
        items: list[StoredItem],
        project: Project | None,
        created: float,
        *,
        import_partly: bool,
        pipeline_id: int | None = None,
        run: tuple[int, int] | None = None,
    ) -> Transformation:
        """Start a transformation job.

        :param import_partly: whether the results are imported although some inputs have failed.
        """
        inputs = []
        for item in items:
            self._last_input_id += 1
            inputs.append(TransformationInput(self._last_input_id, item))
        self._last_id += 1

        def on_end(successful: bool, now: float) -> None:
            self._end_transform(transformation, store, successful, now)

        job = self._jobs.start("transform", None, on_end, created)
        transformation = Transformation(
            self._last_id, request, created, inputs, project, job, inputs, import_partly, pipeline_id, run
        )
        self._all[transformation.id] = transformation
        return transformation

    def retry(self, transformation: Transformation, store: ItemStore, now: float, input_id: int | None = None) -> None:
        """Try again what has failed, or one input of it.

        :raises StoreError: if the job is in progress, or nothing has failed.
        """
        if not transformation.ended:
            raise StoreError("The transformation job is in progress")
        failed = [each for each in transformation.inputs if not each.succeeded and input_id in (None, each.id)]
        if not failed:
            raise StoreError("There is nothing to try again")
        for each in failed:
            each.succeeded = None

        def on_end(successful: bool, at: float) -> None:
            self._end_transform(transformation, store, successful, at)

        transformation.tried = failed
        transformation.upload = transformation.uploaded = None
        transformation.job = self._jobs.start("transform", None, on_end, now)

    def retry_upload(self, transformation: Transformation, now: float) -> None:
        """Import the results again.

        :raises StoreError: if the import has not failed.
        """
        if transformation.upload is None or transformation.upload_status != "failed":
            raise StoreError("The import has not failed")
        self._start_upload(transformation, now)

    def find(self, transformation_id: int) -> Transformation:
        """Return a transformation job.

        :raises StoreError: if it does not exist.
        """
        if transformation_id not in self._all:
            raise StoreError(f"Transformation job {transformation_id} not found")
        return self._all[transformation_id]

    def all(self) -> list[Transformation]:
        """Return all transformation jobs, oldest first."""
        return list(self._all.values())

    def delete(self, transformation: Transformation) -> None:
        """Stop and remove a transformation job."""
        self.stop(transformation)
        del self._all[transformation.id]

    def stop(self, transformation: Transformation) -> None:
        """Stop a transformation job: what has not ended fails."""
        self._jobs.stop(transformation.job)
        if transformation.upload is not None:
            self._jobs.stop(transformation.upload)

    def clear(self) -> None:
        """Forget all transformation jobs. The ids continue."""
        self._all.clear()
        self.failing.clear()

    def _end_transform(self, transformation: Transformation, store: ItemStore, successful: bool, now: float) -> None:
        for each in transformation.tried:
            each.succeeded = successful and each.item.name not in self.failing
            if each.succeeded and transformation.project is None:
                _write_result(store, each.item, str(transformation.request["outputDatasetName"]))
        whole = all(each.succeeded for each in transformation.inputs)
        if transformation.project is not None and successful and (whole or transformation.import_partly):
            self._start_upload(transformation, now)
        else:
            _call(transformation, whole, now)

    def _start_upload(self, transformation: Transformation, now: float) -> None:
        transformation.uploaded = None

        def on_end(successful: bool, at: float) -> None:
            transformation.uploaded = successful
            if successful and transformation.project is not None:
                transformation.project.last_modified = at
                transformation.project.samples += sum(bool(each.succeeded) for each in transformation.inputs)
            _call(transformation, transformation.status == "finished", at)

        transformation.upload = self._jobs.start("upload", None, on_end, now)


def _call(transformation: Transformation, successful: bool, now: float) -> None:
    callbacks, transformation.on_end = transformation.on_end, []
    for callback in callbacks:
        callback(successful, now)


def _write_result(store: ItemStore, item: StoredItem, dataset: str) -> None:
    """Write a copy of a data item into a dataset."""
    upload = store.new_upload()
    for file, stream in store.open_files(item.id):
        upload.begin_file()
        upload.write(memoryview(stream.read(file.size)))
        upload.end_file(file.name, file.content_type)
    upload.close()
    store.add_item(item.name, dataset, item.metadata, upload, duplicate_names="merge")
