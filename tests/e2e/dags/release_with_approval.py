"""A release that a person approves."""

from __future__ import annotations

import os

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.task_groups import edge_impulse_release


@dag(schedule=None)
def release_with_approval():
    edge_impulse_release(
        group_id="release",
        target="zip",
        path=os.environ["APPROVED_OUTPUT"],
        min_accuracy=0.8,
        min_samples=100,
        approval=True,
        poll_interval=1,
    )


release_with_approval()
