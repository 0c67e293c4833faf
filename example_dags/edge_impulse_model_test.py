"""Test a project's model every day, in the triggerer, and skip what follows when it has become worse."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_ei.operators.test_model import EdgeImpulseTestModelOperator


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, tags=["edge-impulse", "example"])
def edge_impulse_model_test():
    """The accuracy is small JSON; the predictions stay in Studio."""
    # [START test]
    test = EdgeImpulseTestModelOperator(
        task_id="test",
        variant="int8",
        min_accuracy=0.85,
        min_samples=100,
        min_accuracy_by_class={"idle": 0.8, "walking": 0.8},
        max_drop=0.05,
        on_failure="skip",
        deferrable=True,
    )
    # [END test]

    @task
    def announce(tested):
        print(f"{tested['accuracy']:.1%} of {tested['samples']} samples")

    announce(test.output)


edge_impulse_model_test()
