"""Apache Airflow provider for Edge Impulse."""

__version__ = "0.1.0"
