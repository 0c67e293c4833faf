"""Jobs of Edge Impulse: started once, waited for, and cancelled. Knows no Airflow."""
