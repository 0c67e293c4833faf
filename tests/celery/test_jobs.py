"""A job whose task waits in a real triggerer, which may be killed: started once, its result returned, no key stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from tests.conftest import API_KEY

from .conftest import PROJECT_API_KEY
from .runs import Run
from .stack import TRIGGERER_TIMEOUT, Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DAG = "retrain_in_the_triggerer"
TASK = ("retrain", -1)
TRIGGER = "airflow_provider_ei.triggers.job.EdgeImpulseJobTrigger"


@pytest.fixture
def slow_job(studio: EmulatorServer) -> Iterator[EmulatorServer]:
    """A service whose jobs run until a test turns its clock."""
    before = studio.settings.job_running_seconds
    studio.settings.job_running_seconds = 10_000.0
    yield studio
    studio.settings.job_running_seconds = before


def rows(stack: Stack, query: str) -> list[Any]:
    import psycopg2

    with closing(psycopg2.connect(stack.database)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def database_text(stack: Stack) -> str:
    """Return every row of every table."""
    tables = rows(stack, "select table_name from information_schema.tables where table_schema = 'public'")
    return "\n".join(row for (table,) in tables for (row,) in rows(stack, f'select t::text from "{table}" t'))


def trigger_arguments(stack: Stack) -> str:
    """Return the arguments of the only trigger of a job, decrypted if Airflow has encrypted them."""
    from cryptography.fernet import Fernet

    ((arguments,),) = rows(stack, f"select kwargs from trigger where classpath = '{TRIGGER}'")
    is_plain = arguments.startswith("{")
    return str(arguments) if is_plain else Fernet(stack.fernet_key.encode()).decrypt(arguments.encode()).decode()


def new_jobs(studio: EmulatorServer, before: int) -> list[int]:
    return [job.id for job in studio.jobs.list() if job.id > before]


def last_job(studio: EmulatorServer) -> int:
    return max((job.id for job in studio.jobs.list()), default=0)


def looks(studio: EmulatorServer) -> int:
    return sum(request.operation == "getJobStatus" for request in studio.requests())


def wait_until_deferred(stack: Stack, studio: EmulatorServer, run: Run) -> None:
    stack.wait_for("the task is deferred", lambda: stack.api.states(run).get(TASK) == "deferred", run=run)
    seen = looks(studio)
    stack.wait_for("the triggerer looks at the job", lambda: looks(studio) > seen + 1, run=run)


def test_a_deferred_job_ends_with_its_result(stack: Stack, slow_job: EmulatorServer) -> None:
    before = last_job(slow_job)
    run = stack.api.trigger(DAG)
    wait_until_deferred(stack, slow_job, run)
    slow_job.clock.advance(20_000)
    stack.finish(run)
    (job,) = new_jobs(slow_job, before)
    result = stack.api.returned(run, "retrain")
    assert (result["job_id"], result["project_id"], result["state"]) == (job, 1, "succeeded")


def test_a_killed_triggerer_loses_no_job_and_starts_none_twice(stack: Stack, slow_job: EmulatorServer) -> None:
    before = last_job(slow_job)
    run = stack.api.trigger(DAG)
    wait_until_deferred(stack, slow_job, run)

    arguments = trigger_arguments(stack)
    (job,) = new_jobs(slow_job, before)
    assert f'"job_id": {job}' in arguments
    text = database_text(stack) + arguments
    for key in (API_KEY, PROJECT_API_KEY):
        assert key not in text and json.dumps(key)[1:-1] not in text
    assert "edge_impulse_project_default" in text and TRIGGER in text  # the search does find what is there

    stack.kill_triggerer()
    seen = looks(slow_job)
    seconds = TRIGGERER_TIMEOUT + 90
    stack.wait_for("another triggerer looks", lambda: looks(slow_job) > seen + 1, seconds=seconds, run=run)
    slow_job.clock.advance(20_000)
    stack.finish(run)
    assert new_jobs(slow_job, before) == [job]
    assert stack.api.returned(run, "retrain")["job_id"] == job
    assert {number for worker in stack.workers for (task, number) in worker.attempts(run) if task == TASK} == {1}
    text = database_text(stack)
    assert API_KEY not in text and PROJECT_API_KEY not in text
