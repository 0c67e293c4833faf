"""Sync of single data items and whole datasets. Does not import Airflow."""
