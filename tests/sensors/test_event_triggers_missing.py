"""Event triggers where Airflow has none."""

from __future__ import annotations

import importlib

import pytest

from tests.support.airflow_runs import is_airflow_2


@pytest.mark.skipif(not is_airflow_2(), reason="Airflow 3 has event triggers")
def test_importing_the_module_on_airflow_2_says_what_to_use_instead() -> None:
    with pytest.raises(ImportError, match="Use a sensor of "):
        importlib.import_module("airflow_provider_ei.triggers.events")
