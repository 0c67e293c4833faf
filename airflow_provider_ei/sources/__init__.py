"""Turns paths, patterns, folders and buckets into pinned files that can be sent. Does not use Airflow."""
