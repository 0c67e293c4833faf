"""The runs of a pipeline, in the form of jobs: started once, waited for, and stopped by the same code."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_provider_ei.exceptions import EdgeImpulseRefusedError, EdgeImpulseServiceError
from airflow_provider_ei.studio.api.jobs import Job, JobLog, JobLogEntry, JobsApi
from airflow_provider_ei.studio.api.pipelines import Pipeline, PipelineRun, PipelinesApi
from airflow_provider_ei.studio.api.transformations import Transformation, TransformationsApi
from airflow_provider_ei.studio.http import HttpClient

#: The category of a run as a job; :mod:`~airflow_provider_ei.jobs.starting` knows it.
CATEGORY = "pipeline_run"

#: The transformation jobs of a run that the pipeline no longer shows are searched among those of so many days.
SEARCHED_DAYS = 2


@dataclass(frozen=True)
class RunOutcome:
    """What is known of a run.

    :ivar steps: names of the steps with their transformation jobs; None for a step that has none.
    :ivar ended: whether no step is in progress, and none will start.
    :ivar failed_imports: how many items could not be imported into a project.
    """

    id: int
    created: datetime
    steps: Sequence[tuple[str, Transformation | None]]
    ended: bool
    failed_imports: int
    items_before: int | None = None
    items_after: int | None = None

    def has_succeeded(self, max_failed_imports: int) -> bool:
        """Return whether every step's transformation has succeeded, and no more imports have failed than tolerated.

        :param max_failed_imports: of how many items.
        """
        if not self.ended or not self.steps or self.failed_imports > max_failed_imports:
            return False
        tolerates = max_failed_imports > 0
        return all(job and (job.has_succeeded or (tolerates and job.is_transformed)) for _, job in self.steps)

    @property
    def file_count(self) -> int:
        """The number of inputs of all steps."""
        return sum(job.transformation_summary.total_file_count for _, job in self.steps if job)

    @property
    def failed_file_count(self) -> int:
        """The number of inputs whose transformation has failed."""
        return sum(job.failed_files for _, job in self.steps if job)


class PipelineRuns(JobsApi):
    """The runs of one pipeline. The id of a job is that of a run.

    :param max_failed_imports: how many items a successful run may fail to import into a project.
    """

    def __init__(
        self, http: HttpClient, organization_id: int, pipeline_id: int, *, max_failed_imports: int = 0
    ) -> None:
        super().__init__(http, f"/api/organizations/{organization_id}/jobs", "Organization")
        self._pipeline_id = pipeline_id
        self._max_failed_imports = max_failed_imports
        self._pipelines = PipelinesApi(http, organization_id)
        self._transformations = TransformationsApi(http, organization_id)

    def get_outcome(self, run_id: int) -> RunOutcome:
        """Return what is known of a run (``getOrganizationPipeline``).

        A run that later ones have pushed out of the pipeline's last run is rebuilt from its transformation jobs
        (``getOrganizationCreateProjects``). While the pipeline runs and a step of it has no job, it counts as active.

        :raises EdgeImpulseRefusedError: "Unknown job ID", when nothing is left of it.
        """
        pipeline = self._pipelines.get(self._pipeline_id)
        for run in pipeline.runs:
            if run.id == run_id:
                return _shown(run)
        since = datetime.now(UTC) - timedelta(days=SEARCHED_DAYS)
        jobs = [job for job in self._jobs_of_pipeline(since) if job.pipeline_run_id == run_id]
        if not jobs:
            # In the service's words for a job that it does not know, so that the state becomes "unknown".
            raise EdgeImpulseRefusedError(
                f"Look at the pipeline in Studio: nothing is left of its run {run_id}. (getOrganizationPipeline)",
                operation="getOrganizationPipeline",
                status=200,
                server_text=f"Unknown job ID {run_id}",
            )
        return _rebuilt(run_id, pipeline, jobs)

    def get_job(self, job_id: int) -> Job:
        """Return a run as a job. It has succeeded if all its steps have."""
        return self._job(self.get_outcome(job_id))

    def list_jobs(self, since: datetime | None = None) -> list[Job]:
        """Return the runs that the pipeline shows: the current one, and the one that has ended last.

        They are returned whatever ``since`` is: a run is new only if its id is larger than that of every earlier one.
        """
        return [self._job(_shown(run)) for run in self._pipelines.get(self._pipeline_id).runs]

    def list_new_jobs(self, since: datetime, known: Set[int]) -> list[Job]:
        """Return the runs that :meth:`list_jobs` has not listed earlier, also those that later ones have pushed out.

        The ids of runs increase, so a run that the pipeline no longer shows is new if its id is larger than any known.
        """
        pipeline = self._pipelines.get(self._pipeline_id)
        found = {run.id: _shown(run) for run in pipeline.runs if run.id not in known}
        newest = max(known, default=0)
        pushed_out: dict[int, list[Transformation]] = {}
        for job in self._jobs_of_pipeline(since):
            run_id = job.pipeline_run_id or 0
            if run_id > newest and run_id not in found:
                pushed_out.setdefault(run_id, []).append(job)
        rebuilt = [_rebuilt(run_id, pipeline, jobs) for run_id, jobs in pushed_out.items()]
        return [self._job(run) for run in (*found.values(), *rebuilt)]

    def get_job_log(self, job_id: int, limit: int = 1_000) -> JobLog:
        """Return one line for each step that has ended: a run has no log."""
        lines = self._lines(job_id)
        newest = tuple(JobLogEntry(data=line) for line in lines[::-1][:limit])
        return JobLog(success=True, stdout=newest, total_count=len(lines))

    def download_job_log(self, job_id: int) -> str:
        """Return the lines of :meth:`get_job_log`."""
        return "".join(self._lines(job_id))

    def cancel_job(self, job_id: int) -> None:
        """Stop a run (``stopOrganizationPipeline``). A run that is not the current one cannot be stopped.

        The operation stops the pipeline's current run, so the current run is looked at right before it.

        :raises EdgeImpulseRefusedError: when another run, or none, is the current one.
        """

        def check(_: EdgeImpulseServiceError | None = None) -> None:
            current = self._pipelines.get(self._pipeline_id).current_run
            if current is None or current.id != job_id:
                now = "not running" if current is None else f"running as run {current.id}"
                raise EdgeImpulseRefusedError(
                    f"Look at pipeline {self._pipeline_id} in Studio: run {job_id} cannot be stopped, since the "
                    f"pipeline is {now}. (stopOrganizationPipeline)",
                    operation="stopOrganizationPipeline",
                    status=200,
                )

        check()
        self._pipelines.stop(self._pipeline_id, before_retry=check)

    def _jobs_of_pipeline(self, since: datetime) -> list[Transformation]:
        """Return the transformation jobs of the pipeline's runs. A listing does not tell whose they are."""
        listed = self._transformations.list(since, with_pipelines=True)
        jobs = [self._transformations.get(each.id) for each in listed]
        return [job for job in jobs if job.pipeline_id in (None, self._pipeline_id) and job.pipeline_run_id]

    def _job(self, run: RunOutcome) -> Job:
        succeeded = run.has_succeeded(self._max_failed_imports) if run.ended else None
        return Job(
            id=run.id,
            category=CATEGORY,
            created=run.created,
            started=run.created,
            finished=run.created if run.ended else None,  # only whether it has ended is used
            finished_successful=succeeded,
        )

    def _lines(self, run_id: int) -> list[str]:
        run = self.get_outcome(run_id)
        lines = []
        for number, (name, job) in enumerate(run.steps, 1):
            if job is None or job.in_progress:
                break  # a later step is shown after this one
            files = f"{job.transformation_summary.total_file_count} inputs, {job.failed_files} failed"
            ends = "succeeded" if job.has_succeeded else "failed"
            lines.append(f"step {number} of {len(run.steps)}, {name!r}, {ends}: {files}; import {_import(job)}\n")
        if run.ended and len(lines) < len(run.steps):
            lines.append(f"step {len(lines) + 1} of {len(run.steps)} was not reached\n")
        if run.ended and run.failed_imports:
            lines.append(f"{run.failed_imports} items could not be imported into the project\n")
        return lines


def _import(job: Transformation) -> str:
    return f"into project {job.project_id} {job.upload_job_status}" if job.project_id else "into no project"


def _shown(run: PipelineRun) -> RunOutcome:
    steps = [(step.name, step.transformation_job) for step in run.steps]
    before, after = run.item_count_before, run.item_count_after
    counted = run.item_count_import_into_project_failed
    return RunOutcome(
        id=run.id,
        created=run.created,
        steps=steps,
        ended=run.finished is not None,
        failed_imports=max(counted or 0, _failed_imports([job for _, job in steps if job])),
        items_before=before.item_count if before else None,
        items_after=after.item_count if after else None,
    )


def _rebuilt(run_id: int, pipeline: Pipeline, jobs: Sequence[Transformation]) -> RunOutcome:
    by_step = {job.pipeline_step: job for job in sorted(jobs, key=lambda job: job.id)}
    first = 0 if 0 in by_step else 1  # every run has its first step; the API does not tell how steps are counted
    steps = [(step.name, by_step.get(number)) for number, step in enumerate(pipeline.steps, first)]
    in_progress = any(job.in_progress for job in jobs)
    failed = any(not job.is_transformed for job in jobs if not job.in_progress)
    is_whole = all(job is not None for _, job in steps)
    # A run between two steps looks like one that has ended early. No run is between two steps while none is shown.
    may_continue = not is_whole and not failed and pipeline.current_run is not None
    return RunOutcome(
        id=run_id,
        created=min(job.created for job in jobs),
        steps=steps,
        ended=not in_progress and not may_continue,
        failed_imports=_failed_imports(jobs),
    )


def _failed_imports(jobs: Sequence[Transformation]) -> int:
    """Return how many items the ended imports into a project have failed to import, as far as the jobs tell."""
    return sum(
        max(1, job.total_upload_file_count - (job.upload_job_files_uploaded or 0))
        for job in jobs
        if job.project_id and not job.in_progress and job.is_transformed and job.upload_job_status == "failed"
    )
