"""The retry policy, alone and in a task of real Airflow."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import (
    EdgeImpulseAuthError,
    EdgeImpulseFileError,
    EdgeImpulseInputError,
    EdgeImpulseRateLimitError,
    EdgeImpulseUnavailableError,
)
from tests.support.airflow_runs import is_airflow_2

if is_airflow_2():
    pytest.skip("retry policies came with Airflow 3.3", allow_module_level=True)

from airflow.providers.common.compat.sdk import RetryAction

from airflow_provider_ei.operators.retry_policy import EdgeImpulseRetryPolicy
from tests.support.airflow_runs import RunDag


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        pytest.param(EdgeImpulseAuthError("wrong key"), RetryAction.FAIL, None, id="wrong key"),
        pytest.param(EdgeImpulseInputError("no file"), RetryAction.FAIL, None, id="input"),
        pytest.param(EdgeImpulseRateLimitError("slow down", retry_after=9.5), RetryAction.RETRY, 9.5, id="asked"),
        pytest.param(EdgeImpulseRateLimitError("slow", retry_after=90.5), RetryAction.RETRY, 60, id="asked for long"),
        pytest.param(EdgeImpulseRateLimitError("slow", retry_after=1e9), RetryAction.RETRY, 60, id="for 31 years"),
        pytest.param(EdgeImpulseRateLimitError("slow", retry_after=1e300), RetryAction.RETRY, 60, id="for ever"),
        pytest.param(EdgeImpulseRateLimitError("slow down"), RetryAction.DEFAULT, None, id="not asked"),
        pytest.param(EdgeImpulseUnavailableError("503", retry_after=7), RetryAction.RETRY, 7, id="503 asked"),
        pytest.param(EdgeImpulseFileError("changed"), RetryAction.DEFAULT, None, id="file"),
        pytest.param(ValueError("of the task"), RetryAction.DEFAULT, None, id="someone else's"),
    ],
)
def test_the_decision_follows_the_error(error: Exception, action: RetryAction, delay: float | None) -> None:
    decision = EdgeImpulseRetryPolicy().evaluate(error, 1, 3)
    assert decision.action == action
    assert decision.retry_delay == (None if delay is None else timedelta(seconds=delay))


def test_the_policy_survives_serialization() -> None:
    assert isinstance(EdgeImpulseRetryPolicy.deserialize(EdgeImpulseRetryPolicy().serialize()), EdgeImpulseRetryPolicy)


def test_a_permanent_error_in_a_task_is_not_retried(
    studio: EmulatorServer,
    run: RunDag,
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_text("1")
    studio.inject(Fault(operation="addOrganizationDataItem", kind="success_false", error="Dataset is archived"))
    done = run(f"""
        from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
        from airflow_provider_ei.operators.retry_policy import EdgeImpulseRetryPolicy
        @dag(schedule=None)
        def policy():
            @task(retries=3, retry_delay=0, retry_policy=EdgeImpulseRetryPolicy())
            def upload():
                EdgeImpulseHook().add_data(name="n", dataset="d", files={str(tmp_path / "a.csv")!r})
            upload()
        policy()
    """)
    assert done.states["upload"] == ["failed"]
    assert sum(request.operation == "addOrganizationDataItem" for request in studio.requests()) == 1
