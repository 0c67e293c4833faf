"""A model that was trained after its test is not the one that was tested."""

from __future__ import annotations

import pytest

from airflow_provider_ei.emulator import FOREVER
from airflow_provider_ei.exceptions import EdgeImpulseQualityError
from airflow_provider_ei.jobs.later_training import check_model_is_tested
from airflow_provider_ei.studio.api.model_tests import ModelTestsApi

from .conftest import Project


def run_test(project: Project) -> int:
    """Test the model, and let its job end; return the job."""
    job_id = ModelTestsApi(project.http, 1).start_test("int8", None)
    project.server.clock.advance(10)
    return job_id


def test_a_training_before_the_test_is_what_was_tested(project: Project) -> None:
    project.retrain()
    project.server.clock.advance(10)
    check_model_is_tested(project.jobs, run_test(project))


@pytest.mark.parametrize("active", [False, True])
def test_a_training_after_the_test_is_an_error_that_names_it(project: Project, active: bool) -> None:
    test = run_test(project)
    if active:
        project.server.jobs.plan("retrain", running_seconds=FOREVER)
    training = project.retrain()
    project.server.clock.advance(10)
    with pytest.raises(EdgeImpulseQualityError, match=f"job {training} has trained .* its test, job {test}"):
        check_model_is_tested(project.jobs, test)


def test_a_training_that_ends_during_the_test_is_an_error(project: Project) -> None:
    project.server.jobs.plan("retrain", running_seconds=5)
    training = project.retrain()
    test = run_test(project)
    assert training < test
    with pytest.raises(EdgeImpulseQualityError):
        check_model_is_tested(project.jobs, test)


def test_a_training_that_has_failed_leaves_the_model_unchanged(project: Project) -> None:
    test = run_test(project)
    project.server.jobs.plan("retrain", outcome="failure")
    project.retrain()
    project.server.clock.advance(10)
    check_model_is_tested(project.jobs, test)


def test_a_training_without_a_reported_outcome_may_have_changed_the_model(project: Project) -> None:
    test = run_test(project)
    project.server.jobs.plan("retrain", outcome="unreported")
    project.retrain()
    project.server.clock.advance(10)
    with pytest.raises(EdgeImpulseQualityError):
        check_model_is_tested(project.jobs, test)


def test_other_jobs_do_not_count(project: Project) -> None:
    test = run_test(project)
    run_test(project)
    check_model_is_tested(project.jobs, test)
