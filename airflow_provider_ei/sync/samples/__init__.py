"""Keeps the samples of a project equal to the files of a folder or bucket. Does not use Airflow."""
