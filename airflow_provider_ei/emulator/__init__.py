"""A stand-in for Edge Impulse Studio's organization data API: a real server with its data on disk.

For trying the provider without an account, and for tests of DAGs: see :class:`EmulatorServer`.
On the command line: ``python -m airflow_provider_ei.emulator --help``.
"""

from __future__ import annotations

try:
    from airflow_provider_ei.emulator.server import EmulatorServer
except ModuleNotFoundError as missing:
    if missing.name in ("lark", "starlette", "uvicorn", "python_multipart"):
        raise ModuleNotFoundError(
            f"the emulator needs {missing.name}: pip install 'airflow-provider-ei[emulator]'",
            name=missing.name,
        ) from None
    raise
from airflow_provider_ei.emulator.faults import Fault
from airflow_provider_ei.emulator.records import StoredFile, StoredItem
from airflow_provider_ei.emulator.request_log import RequestRecord, UploadedFile
from airflow_provider_ei.emulator.switches import EmulatorSettings

__all__ = [
    "EmulatorServer",
    "EmulatorSettings",
    "Fault",
    "RequestRecord",
    "StoredFile",
    "StoredItem",
    "UploadedFile",
]
