"""Transformation jobs, in the form of jobs: started once, found by their names, waited for, and cancelled."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime

from airflow_provider_ei.exceptions import EdgeImpulseRefusedError, EdgeImpulseServiceError
from airflow_provider_ei.jobs.waiting import look_at_job
from airflow_provider_ei.studio.api.jobs import Job, JobLog, JobLogEntry, JobsApi
from airflow_provider_ei.studio.api.transformations import PAGE_FILES, Transformation, TransformationsApi
from airflow_provider_ei.studio.http import HttpClient
from airflow_provider_ei.studio.retry import may_be_done

#: The category of a transformation job as a job; :mod:`~airflow_provider_ei.jobs.starting` knows it.
CATEGORY = "transformation"

#: Failed inputs that the log names, and those of them whose own log it quotes, with so many entries of each.
MAX_NAMED_FILES = 15
MAX_QUOTED_FILES = 2
QUOTED_ENTRIES = 3


class Transformations(JobsApi):
    """Transformation jobs of an organization. The id of a job is its ``createProjectId``.

    :param names: only jobs with one of these names are listed, so that no other job is taken for the task's own.
    """

    def __init__(self, http: HttpClient, organization_id: int, names: Set[str] = frozenset()) -> None:
        super().__init__(http, f"/api/organizations/{organization_id}/jobs", "Organization")
        self._names = names
        self.api = TransformationsApi(http, organization_id)

    def get_transformation(self, transformation_id: int) -> Transformation:
        """Get a transformation job (``getOrganizationCreateProjectStatus``).

        :raises EdgeImpulseRefusedError: "Unknown job ID", when the service does not list it.
        """
        try:
            return self.api.get(transformation_id)
        except EdgeImpulseRefusedError as error:
            # How the service says that there is no such job is not documented.
            if any(each.id == transformation_id for each in self.api.list()):
                raise
            error.server_text = f"Unknown job ID {transformation_id}"
            raise

    def is_known(self, job_id: int) -> bool:
        """Return whether the service still has a transformation job."""
        return look_at_job(self, job_id).state != "unknown"

    def get_job(self, job_id: int) -> Job:
        """Return a transformation job as a job. It has succeeded if all its inputs have."""
        return _job(self.get_transformation(job_id))

    def list_jobs(self, since: datetime | None = None) -> list[Job]:
        """Return the jobs with one of the names (``getOrganizationCreateProjects``)."""
        return [self.get_job(each.id) for each in self.api.list(since) if each.name in self._names]

    def get_job_log(self, job_id: int, limit: int = 1_000) -> JobLog:
        """Return a line for each input that has failed, once the job has ended, with the end of its own log."""
        lines = self._lines(job_id)
        newest = tuple(JobLogEntry(data=line) for line in lines[::-1][:limit])
        return JobLog(success=True, stdout=newest, total_count=len(lines))

    def download_job_log(self, job_id: int) -> str:
        """Return the lines of :meth:`get_job_log`."""
        return "".join(self._lines(job_id))

    def cancel_job(self, job_id: int) -> None:
        """Stop a job in progress (``deleteOrganizationCreateProject``), which also removes it from Studio.

        :raises EdgeImpulseRefusedError: when the job has ended; it is not removed then.
        """

        def check(_: EdgeImpulseServiceError | None = None) -> None:
            if not self.get_transformation(job_id).in_progress:
                raise EdgeImpulseRefusedError(
                    f"Look at transformation job {job_id} in Studio: it cannot be cancelled, since it has ended. "
                    "(deleteOrganizationCreateProject)",
                    operation="deleteOrganizationCreateProject",
                    status=200,
                )

        check()
        self.api.delete(job_id, before_retry=check)

    def retry_failed(self, job_id: int) -> None:
        """Try again what has failed of an ended job (``retryOrganizationTransform``, ``retryOrganizationUpload``).

        Nothing is sent for a job that is in progress or has succeeded, so a repeated call starts nothing twice.

        :raises EdgeImpulseServiceError: when the service refuses, or it is not certain that it has begun.
        """
        before = self.get_transformation(job_id)
        if before.in_progress or before.has_succeeded:
            return
        retry = self.api.retry_upload if before.is_transformed else self.api.retry_failed
        try:
            retry(job_id)
        except EdgeImpulseServiceError as error:
            if not may_be_done(error):
                raise
            now = self.get_transformation(job_id)
            if not now.in_progress and not now.has_succeeded:
                raise

    def _lines(self, job_id: int) -> list[str]:
        job = self.api.get(job_id, selection="failed", limit=PAGE_FILES)
        if job.in_progress or job.has_succeeded:
            return []
        failed = [each for each in job.files if each.transformation_job_status == "failed"]
        total = job.transformation_summary.total_file_count
        lines = []
        for number, file in enumerate(failed[:MAX_NAMED_FILES]):
            lines.append(f"failed: {file.file_name}\n")
            if number < MAX_QUOTED_FILES and file.transformation_job_id:
                lines += [f"  {line}\n" for line in self._end_of_log(file.transformation_job_id)]
        more = max(job.failed_files, len(failed)) - min(len(failed), MAX_NAMED_FILES)
        if more > 0:
            lines.append(f"failed: {more} more\n")
        if job.is_transformed:
            lines.append(f"all {total} inputs were transformed, but the import into the project has failed\n")
        return lines

    def _end_of_log(self, job_id: int) -> list[str]:
        try:
            entries = super().get_job_log(job_id, QUOTED_ENTRIES).stdout
        except EdgeImpulseServiceError:
            return []  # the log of one input matters less than the names of all
        return [line for entry in entries[::-1] for line in entry.data.splitlines()]


def _job(transformation: Transformation) -> Job:
    has_ended = not transformation.in_progress
    return Job(
        id=transformation.id,
        category=CATEGORY,
        created=transformation.created,
        started=None if transformation.status in ("waiting", "created") else transformation.created,
        finished=transformation.created if has_ended else None,  # only whether it has ended is used
        finished_successful=transformation.has_succeeded if has_ended else None,
    )
