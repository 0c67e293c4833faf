"""This package uses nothing of Airflow that is deprecated, in either version."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent

from airflow_provider_ei.emulator import EmulatorServer


def test_importing_and_using_a_sensor_causes_no_deprecation_warning(studio: EmulatorServer) -> None:
    code = dedent("""
        import contextlib, importlib.util, pkgutil, warnings
        # Filter by the module that the warning is attributed to: we cannot fix Airflow's own.
        warnings.filterwarnings("error", category=DeprecationWarning, module=r"airflow_provider_ei\\b")
        import airflow_provider_ei.hooks, airflow_provider_ei.sensors, airflow_provider_ei.triggers
        for package in (airflow_provider_ei.hooks, airflow_provider_ei.sensors, airflow_provider_ei.triggers):
            for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
                if module.name != "airflow_provider_ei.triggers.events" or importlib.util.find_spec("airflow.sdk"):
                    importlib.import_module(module.name)
        from airflow.providers.common.compat.sdk import AirflowSensorTimeout, TaskDeferred
        from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
        from airflow_provider_ei.sensors.dataset import EdgeImpulseDataItemSensor, EdgeImpulseDatasetSensor
        EdgeImpulseHook.get_ui_field_behaviour()
        for number, deferrable in enumerate((False, True)):
            EdgeImpulseDataItemSensor(task_id=f"item_{number}", dataset="d", name="a", deferrable=deferrable)
            with contextlib.suppress(AirflowSensorTimeout, TaskDeferred):
                EdgeImpulseDatasetSensor(
                    task_id=f"set_{number}", dataset="d", timeout=0.01, poke_interval=0.02, deferrable=deferrable
                ).execute({})
    """)
    done = subprocess.run([sys.executable, "-c", code], env=os.environ.copy(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
