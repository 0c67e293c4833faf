"""Keep a version of a project and build its model, when somebody triggers the DAG.

The firmware goes to ``BUILD_OUTPUT``, a directory or the prefix of a bucket.
"""

from __future__ import annotations

import os
from datetime import datetime

from airflow.providers.common.compat.sdk import Asset, dag

from airflow_provider_ei.operators.build import EdgeImpulseBuildModelOperator
from airflow_provider_ei.operators.version import EdgeImpulseCreateVersionOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1), tags=["edge-impulse", "example"])
def edge_impulse_build():
    """The file of exactly this build, whole or not at all."""
    # [START version]
    version = EdgeImpulseCreateVersionOperator(task_id="version", description="Built by Airflow")
    # [END version]
    # [START build]
    build = EdgeImpulseBuildModelOperator(
        task_id="build",
        target="zip",
        path=os.environ.get("BUILD_OUTPUT", "/srv/firmware/"),
        model_type="int8",
        outlets=[Asset("x-firmware://motion")],
        retries=3,
    )
    # [END build]
    version >> build


edge_impulse_build()
