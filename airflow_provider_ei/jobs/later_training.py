"""Finds out whether a model is still the one that was tested."""

from __future__ import annotations

from datetime import timedelta

from airflow_provider_ei.exceptions import EdgeImpulseQualityError
from airflow_provider_ei.jobs.starting import is_of_kind
from airflow_provider_ei.studio.api.jobs import Job, JobsApi

#: No training takes longer.
_MAX_TRAINING = timedelta(days=7)


def check_model_is_tested(jobs: JobsApi, test_job_id: int) -> None:
    """Check that the model has not been trained since its test began.

    Only what the project's list of jobs tells is known: a job that cannot be recognized as a training does not count,
    and neither does a training that has failed.

    :param test_job_id: the job of the test.
    :raises EdgeImpulseQualityError: when it was trained, or is being trained.
    """
    test = jobs.get_job(test_job_id)
    for job in jobs.list_jobs(test.created - _MAX_TRAINING):
        if job.id != test.id and _trains(job) and _ends_later(job, test):
            raise EdgeImpulseQualityError(
                f"Clear the task that trains, so that the model is trained and tested again: job {job.id} has trained "
                f"the model after its test, job {test.id}, or still does, so that its accuracy is not known."
            )


def _trains(job: Job) -> bool:
    return is_of_kind(job, "retrain") and not is_of_kind(job, "classify") and job.finished_successful is not False


def _ends_later(job: Job, test: Job) -> bool:
    return job.id > test.id or job.finished is None or job.finished > test.created
