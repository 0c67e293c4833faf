"""Airflow as large installations run it: scheduler, API server, DAG processor, triggerer, and two Celery workers."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import Found, Process, wait_for

from .runs import Instance, RestApi, Run

DAGS = Path(__file__).resolve().parent / "dags"
WORKERS = ("one", "two")
#: After so many seconds without a sign of life from a task, the scheduler calls it failed.
HEARTBEAT_TIMEOUT = 15
#: After so many seconds without a sign of life from a triggerer, another one takes its triggers.
TRIGGERER_TIMEOUT = 5

_AIRFLOW = (sys.executable, "-m", "airflow")
_READY = re.compile(r"\S+@\S+ ready\.")
_TASK_LOG = re.compile(r"task_id=(?P<task>[^/]+)/(map_index=(?P<index>\d+)/)?attempt=(?P<attempt>\d+)\.log$")


@dataclass(frozen=True)
class Worker:
    """A Celery worker; the logs in its home show which tasks it was given."""

    name: str
    home: Path
    process: Process

    def attempts(self, run: Run) -> set[tuple[Instance, int]]:
        """Return the task instances of a DAG run that it has started, with the number of the attempt."""
        found = (_TASK_LOG.search(str(path)) for path in self._logs(run))
        return {((match["task"], int(match["index"] or -1)), int(match["attempt"])) for match in found if match}

    def complaints(self, run: Run) -> list[str]:
        """Return the warnings and errors in the tasks' logs, which have one JSON object per line."""
        found = []
        for path in self._logs(run):
            for line in path.read_text().splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:  # truncated, because the task was killed
                    continue
                if entry.get("level") in ("warning", "error", "critical"):
                    causes = [f"{cause['exc_type']}: {cause['exc_value']}" for cause in entry.get("error_detail", ())]
                    found.append(f"{'/'.join(path.parts[-3:])}: {entry['event']} {' <- '.join(causes)}")
        return found

    def _logs(self, run: Run) -> list[Path]:
        return sorted((self.home / "logs" / f"dag_id={run.dag_id}" / f"run_id={run.run_id}").rglob("*.log"))


class Stack:
    """A whole Airflow, started and stopped together.

    :param settings: environment variables beyond those that are the same each time.
    """

    def __init__(self, folder: Path, *, port: int, broker: str, database: str, settings: dict[str, str]) -> None:
        url = f"http://127.0.0.1:{port}"
        self.api = RestApi(url)
        self.database = f"postgresql://{database}"
        self.fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self._folder = folder
        # The shell's variables belong to another Airflow; and without bytecode, every start takes seconds longer.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        self._environment = inherited | {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__FERNET_KEY": self.fernet_key,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{database}",
            # One shard at a time per worker: while one worker is busy, the other gets the next shard.
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "1",
            "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": str(TRIGGERER_TIMEOUT),
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
            **settings,
        }
        self._services: list[Process] = []
        self._workers: dict[str, Worker] = {}
        self._triggerers: list[Process] = []

    @property
    def workers(self) -> list[Worker]:
        """The processes that have not been killed."""
        return list(self._workers.values())

    @property
    def _processes(self) -> list[Process]:
        return [*(worker.process for worker in self.workers), *self._triggerers[-1:], *self._services]

    def start(self) -> None:
        """Create the database and start everything; return when the DAGs are parsed and the workers are ready."""
        command = [*_AIRFLOW, "db", "migrate"]
        done = subprocess.run(command, env=self._with_home("services"), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        for name in ("api-server", "scheduler", "dag-processor"):
            environment = self._with_home("services")
            self._services.append(
                Process(name, [*_AIRFLOW, name], self._folder / f"{name}.log", environment=environment)
            )
        self.start_triggerer()
        self.start_workers()
        self.wait_for("the API server answers", self.api.log_in)
        dag_ids = {path.stem for path in DAGS.glob("*.py")}
        self.wait_for("the DAGs are known", lambda: self.api.dag_ids() >= dag_ids or self.api.import_errors())
        errors = self.api.import_errors()
        assert not errors, "\n".join(errors)

    def start_workers(self) -> None:
        """Start the workers that are not running."""
        for name in WORKERS:
            if name not in self._workers:
                environment = self._with_home(f"worker-{name}")
                # A killed worker has left its PID file behind.
                pid_file = f"worker-{name}-{time.monotonic_ns()}.pid"
                command = [*_AIRFLOW, "celery", "worker", "-H", f"{name}@%h", "--pid", pid_file, "--skip-serve-logs"]
                process = Process(
                    f"worker {name}", command, self._folder / f"worker-{name}.log", environment=environment
                )
                self._workers[name] = Worker(name, Path(environment["AIRFLOW_HOME"]), process)
        self.wait_for("the workers are ready", lambda: all(_READY.search(w.process.log()) for w in self.workers))

    def start_triggerer(self) -> None:
        """Start a triggerer."""
        name = f"triggerer-{len(self._triggerers) + 1}"
        log = self._folder / f"{name}.log"
        environment = self._with_home("triggerer")
        self._triggerers.append(Process(name, [*_AIRFLOW, "triggerer"], log, environment=environment))

    def kill_triggerer(self) -> None:
        """Kill the triggerer and everything that it has started, and start another one."""
        self._triggerers[-1].kill()
        self.start_triggerer()

    def kill(self, worker: Worker) -> None:
        """Kill a worker and everything that it has started."""
        del self._workers[worker.name]
        worker.process.kill()

    def stop(self) -> None:
        """Stop everything."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Process.stop, self._processes))
        self.api.close()

    def finish(self, run: Run, *, seconds: float = 90) -> None:
        """Wait for the end of a DAG run, which must succeed."""
        self.wait_for(
            f"{run.dag_id} ends", lambda: self.api.state(run) in ("success", "failed"), seconds=seconds, run=run
        )
        complaints = [line for worker in self.workers for line in worker.complaints(run)]
        assert self.api.state(run) == "success", "\n".join([str(self.api.states(run)), *complaints])

    def wait_for(
        self, what: str, probe: Callable[[], Found | None], *, seconds: float = 60, run: Run | None = None
    ) -> Found:
        """Return the first true result of ``probe``; all processes must keep running."""
        try:
            return wait_for(what, probe, self._processes, seconds=seconds)
        except AssertionError as error:
            if run is not None:
                error.add_note(f"{self.api.states(run)}")
            raise

    def _with_home(self, name: str) -> dict[str, str]:
        home = self._folder / name
        home.mkdir(exist_ok=True)
        return self._environment | {"AIRFLOW_HOME": str(home)}
