"""Finds out how a service behaves where its documentation does not say so: ``python -m airflow_provider_ei check``."""
