"""What identifies a task in Airflow's database, and how its values are selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, case, cast, func


@dataclass(frozen=True)
class TaskKey:
    """A task in a DAG run, or one mapped instance of it."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @property
    def task(self) -> TaskKey:
        """The task with all its mapped instances."""
        return TaskKey(self.dag_id, self.run_id, self.task_id)


def bounded(value: Any, max_length: int) -> ColumnElement[str | None]:
    """Select a JSON value as stored, unless it is too long; it is decoded later, where errors can be handled."""
    text = cast(value, Text)
    return case((func.length(text) <= max_length, text))
