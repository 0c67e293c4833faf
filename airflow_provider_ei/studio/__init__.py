"""Client for the Edge Impulse Studio API: requests, streaming uploads, retries, typed answers. Knows no Airflow."""
