"""Uploads files as samples of a project. Does not use Airflow."""
