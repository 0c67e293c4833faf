"""Task groups: functions that create several tasks and the dependencies between them."""

from airflow_provider_ei.task_groups.release import edge_impulse_release
from airflow_provider_ei.task_groups.sync import edge_impulse_sync

__all__ = ["edge_impulse_release", "edge_impulse_sync"]
