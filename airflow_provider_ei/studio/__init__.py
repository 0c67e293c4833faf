"""Client for the Edge Impulse Studio API: requests, streaming uploads, retries, typed responses. Knows no Airflow."""
