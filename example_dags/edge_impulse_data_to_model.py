"""From new recordings to firmware: upload, import into a project, retrain, test, and build if the model is good enough.

Each day has a directory of recordings, such as ``/data/recordings/monday/walking-01/motion.csv``. Run it with
``{"day": "monday"}``.
"""

from __future__ import annotations

import os
from datetime import datetime

from airflow.providers.common.compat.sdk import dag

from airflow_provider_ei.operators.data import EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.operators.transform import EdgeImpulseTransformOperator
from airflow_provider_ei.task_groups import edge_impulse_release

#: A directory that all workers see under the same path, or a URI; the same for the firmware.
RECORDINGS = os.environ.get("DATA_TO_MODEL_RECORDINGS", "/data/recordings")
FIRMWARE = os.environ.get("DATA_TO_MODEL_FIRMWARE", "/data/firmware")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    max_active_runs=1,  # two runs would train the same model
    params={"day": "monday"},
    tags=["edge-impulse", "example"],
)
def edge_impulse_data_to_model():
    """A model that misses a limit fails the test, and neither a version nor firmware is made of it."""
    # [START data_to_model]
    upload = EdgeImpulseSyncDatasetOperator(
        task_id="upload",
        dataset="motion",
        source=RECORDINGS,
        depth=2,  # monday/walking-01 is one data item
        metadata={"day": "{{ item.name.split('/')[0] }}"},
    )
    to_project = EdgeImpulseTransformOperator(
        task_id="to_project",
        name="Recordings of {{ params.day }}",
        filter="dataset = 'motion' AND metadata->day = '{{ params.day }}'",
        edge_impulse_project_conn_id="edge_impulse_project_default",
        category="split",
    )
    release = edge_impulse_release(
        target="zip",
        path=f"{FIRMWARE}/{{{{ params.day }}}}.zip",
        min_accuracy=0.85,
        min_samples=100,
        description="Recordings of {{ params.day }}",
    )
    upload >> to_project >> release
    # [END data_to_model]


edge_impulse_data_to_model()
