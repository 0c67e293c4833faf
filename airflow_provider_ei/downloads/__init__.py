"""Downloads data items into a folder or a bucket. Knows no Airflow."""
