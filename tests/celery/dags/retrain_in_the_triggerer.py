"""Retrain a model, and wait for the job in the triggerer."""

from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_ei.operators.retrain import EdgeImpulseRetrainOperator


@dag(schedule=None)
def retrain_in_the_triggerer():
    EdgeImpulseRetrainOperator(
        task_id="retrain", deferrable=True, poll_interval=0.5, retries=2, retry_delay=timedelta(seconds=1)
    )


retrain_in_the_triggerer()
