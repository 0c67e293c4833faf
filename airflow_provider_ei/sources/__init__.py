"""Files given by path, pattern, folder or bucket, as pinned files that can be sent. Knows no Airflow."""
