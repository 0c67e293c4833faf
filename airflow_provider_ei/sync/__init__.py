"""What a data item should be, what is there, and the steps from one to the other. Knows no Airflow."""
