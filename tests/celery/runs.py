"""Start and read DAG runs through Airflow's REST API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

#: A task, and its map index: -1 where it has none.
Instance = tuple[str, int]


@dataclass(frozen=True)
class Run:
    """A DAG run."""

    dag_id: str
    run_id: str


class RestApi:
    """Client of the REST API, with the few calls that the tests need."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def log_in(self) -> bool:
        """Get a token; return False while the server does not respond."""
        try:
            answer = self._session.get(f"{self._url}/auth/token", timeout=5)
        except requests.ConnectionError:
            return False
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return True

    def dag_ids(self) -> set[str]:
        return {dag["dag_id"] for dag in self._call("GET", "dags")["dags"]}

    def import_errors(self) -> list[str]:
        return [error["stack_trace"] for error in self._call("GET", "importErrors")["import_errors"]]

    def trigger(self, dag_id: str) -> Run:
        answer = self._call("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None})
        return Run(dag_id, answer["dag_run_id"])

    def state(self, run: Run) -> str:
        state: str = self._call("GET", f"dags/{run.dag_id}/dagRuns/{run.run_id}")["state"]
        return state

    def states(self, run: Run) -> dict[Instance, str | None]:
        """Return the states of all task instances; None for one that is not scheduled yet."""
        answer = self._call("GET", f"dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances")
        return {(one["task_id"], one["map_index"]): one["state"] for one in answer["task_instances"]}

    def returned(self, run: Run, task_id: str) -> Any:
        """Return the return value of a task."""
        path = f"dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._call("GET", path)["value"]

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._session.request(method, f"{self._url}/api/v2/{path}", timeout=30, **arguments)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()
