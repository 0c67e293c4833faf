"""A server that emulates the API of Edge Impulse Studio, with its data on disk.

Use it to try the provider without an account, and to test DAGs: see :class:`EmulatorServer`.
On the command line: ``python -m airflow_provider_ei.emulator --help``.
"""

from __future__ import annotations

try:
    from airflow_provider_ei.emulator.server import EmulatorServer
except ModuleNotFoundError as missing:
    if missing.name in ("h11", "lark", "msgspec", "starlette", "uvicorn", "python_multipart"):
        raise ModuleNotFoundError(
            f"Run: pip install 'airflow-provider-ei[emulator]'. The emulator needs {missing.name}.",
            name=missing.name,
        ) from None
    raise
from airflow_provider_ei.emulator.emulator_settings import EmulatorSettings
from airflow_provider_ei.emulator.faults import Fault
from airflow_provider_ei.emulator.job_control import JobControl, JobRecord
from airflow_provider_ei.emulator.job_engine import FOREVER, JobPlan
from airflow_provider_ei.emulator.pipeline_control import PipelineControl
from airflow_provider_ei.emulator.project_control import EmulatorProject, ProjectControl
from airflow_provider_ei.emulator.request_log import RequestRecord, UploadedFile
from airflow_provider_ei.emulator.sample_control import SampleControl
from airflow_provider_ei.emulator.sample_files import SampleFacts
from airflow_provider_ei.emulator.service_file import read_service_file
from airflow_provider_ei.emulator.stored_data import StoredItem, StoredItemFile
from airflow_provider_ei.emulator.stored_samples import SampleLabels, StoredSample

__all__ = [
    "FOREVER",
    "EmulatorProject",
    "EmulatorServer",
    "EmulatorSettings",
    "Fault",
    "JobControl",
    "JobPlan",
    "JobRecord",
    "PipelineControl",
    "ProjectControl",
    "RequestRecord",
    "SampleControl",
    "SampleFacts",
    "SampleLabels",
    "StoredItem",
    "StoredItemFile",
    "StoredSample",
    "UploadedFile",
    "read_service_file",
]
