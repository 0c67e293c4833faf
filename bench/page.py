"""How long Airflow's page takes, and how large it is, with many task instances in Airflow's database.

    python -m bench.page CASE SHARE ROUNDS      fills the database of AIRFLOW_HOME, and prints what was measured

The rows are as the operators leave them: an address, a report and a return value for each task instance.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.results import Row, Table


@dataclass(frozen=True)
class Case:
    """A history.

    :ivar dags: each with one task, which writes to a dataset of its own.
    :ivar runs: of each DAG.
    :ivar mapped: task instances of each run.
    :ivar uploads: data items that each task instance uploads.
    """

    title: str
    dags: int
    runs: int
    mapped: int = 1
    uploads: int = 1

    @property
    def instances(self) -> int:
        """Task instances in all."""
        return self.dags * self.runs * self.mapped


_CASES = (
    Case("mapped uploads", 60, 20, mapped=100),
    Case("mapped uploads to one dataset", 1, 30, mapped=4000),
    Case("single uploads", 60, 2000),
    Case("tasks of 2,000 uploads each", 30, 10, uploads=2000),
)
_URL = "https://studio.edgeimpulse.com/organization/7/data"


def run(share: float, rounds: int, tell: Callable[[str], None]) -> Table:
    """Measure all cases, each in a process and a database of its own.

    :param share: of the DAGs' runs.
    """
    rows = []
    for number, case in enumerate(_scaled(share)):
        tell(f"Airflow's page, {case.instances:,} {case.title}")
        with tempfile.TemporaryDirectory(prefix="bench-page-") as folder:
            command = [sys.executable, "-m", "bench.page", str(number), str(share), str(rounds)]
            done = subprocess.run(command, env=_environment(folder), capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        counts = {"bytes of HTML": told["bytes"], "task instances": case.instances}
        rows.append(Row(case.title, told["seconds"], memory=told["memory"], counts=counts))
    return Table("Airflow's page, SQLite", "", 0, rows, kind="page")


def _scaled(share: float) -> list[Case]:
    return [Case(case.title, case.dags, max(1, round(case.runs * share)), case.mapped, case.uploads) for case in _CASES]


def _environment(folder: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return kept | {"AIRFLOW_HOME": folder, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}


def _measure(case: Case, rounds: int) -> dict[str, Any]:
    """Fill the database, and ask for the page as a browser does."""
    from airflow.api_fastapi.app import get_auth_manager, init_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.utils.db import initdb
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from airflow_provider_ei.plugins.app import create_app

    initdb()
    _fill(case)
    app = FastAPI()
    init_auth_manager(app)
    app.mount("/edge-impulse", create_app())
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="viewer", role="viewer"))
    client = TestClient(app, headers={"authorization": f"Bearer {token}"})
    # What the first request costs any process, whatever is in the database.
    client.get("/edge-impulse/task?dag_id=dag-0&run_id=none&task_id=upload").raise_for_status()
    before = _peak()
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        answer = client.get("/edge-impulse/")
        seconds.append(time.perf_counter() - begun)
        answer.raise_for_status()
        if answer.text.count('<section class="card" aria-labelledby="dataset-') != min(case.dags, 10):
            raise ValueError("The page does not show the datasets.")
    return {"seconds": seconds, "bytes": len(answer.content), "memory": _peak() - before}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _fill(case: Case) -> None:
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType
    from sqlalchemy import insert

    now = datetime.now(UTC)
    with create_session() as session:
        session.add(DagBundleModel(name="bench"))
        session.flush()
        for dag in range(case.dags):
            dag_id = f"dag-{dag}"
            session.add(DagModel(dag_id=dag_id, bundle_name="bench", fileloc="x.py", relative_fileloc="x.py"))
            session.flush()
            runs: list[dict[str, Any]] = []
            instances: list[dict[str, Any]] = []
            xcoms: list[dict[str, Any]] = []
            for number in range(case.runs):
                ended = now - timedelta(days=29) * (number + 1) / case.runs - timedelta(minutes=dag)
                run = {
                    "id": dag * case.runs + number + 1,
                    "dag_id": dag_id,
                    "run_id": f"scheduled__{ended.isoformat()}",
                }
                runs.append({**run, "run_type": DagRunType.SCHEDULED, "run_after": ended, "state": "success"})
                for index in range(case.mapped):
                    failed = number == 0 and dag % 10 == 0 and index == 0
                    instance, values = _instance(case, dag_id, run["run_id"], index, ended, failed=failed)
                    instances.append(instance)
                    xcoms += [{**xcom, "dag_run_id": run["id"]} for xcom in values]
            session.execute(insert(DagRun.__table__), runs)
            session.execute(insert(TaskInstance.__table__), instances)
            session.execute(insert(XComModel.__table__), xcoms)
            fields = {"dataset": f"dataset-{dag}", "name": "item", "files": ["/data/item/motion.csv"]}
            rendered = [{**_key(one), "rendered_fields": fields} for one in instances]
            session.execute(insert(RenderedTaskInstanceFields.__table__), rendered)


def _instance(
    case: Case, dag_id: str, run_id: str, index: int, ended: datetime, *, failed: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    from airflow.models.taskinstance import uuid7

    from airflow_provider_ei.operators.run_report import REPORT_KEY, build_report
    from airflow_provider_ei.results import read_result

    instance = {
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": "upload",
        "map_index": index if case.mapped > 1 else -1,
        "id": uuid7(),
        "state": "failed" if failed else "success",
        "operator": "EdgeImpulseAddDataOperator",
        "start_date": ended - timedelta(seconds=30),
        "end_date": ended,
        "try_number": 1,
        "pool": "default_pool",
        "pool_slots": 1,
    }
    returned = [_upload(dag_id, index * case.uploads + number) for number in range(case.uploads)]
    result = read_result(returned)
    assert result is not None
    values: dict[str, Any] = {"edge_impulse_studio_url": _URL, REPORT_KEY: build_report(result)}
    if failed:
        values[REPORT_KEY] = {"dataset": result.dataset, "organization_id": 7, "error": "Check Password: it is wrong."}
    else:
        values["return_value"] = returned if case.uploads > 1 else returned[0]
    return instance, [
        {**_key(instance), "key": key, "value": value, "timestamp": ended} for key, value in values.items()
    ]


def _key(instance: dict[str, Any]) -> dict[str, Any]:
    return {name: instance[name] for name in ("dag_id", "run_id", "task_id", "map_index")}


def _upload(dag_id: str, number: int) -> dict[str, Any]:
    return {
        "data_id": number,
        "name": f"recording-{number:06}",
        "dataset": dag_id.replace("dag", "dataset"),
        "organization_id": 7,
        "outcome": "created",
        "file_count": 1,
        "total_bytes": 20_000 + number,
        "digest": f"{number:064x}",
        "url": _URL,
    }


if __name__ == "__main__":
    wanted = _scaled(float(sys.argv[2]))[int(sys.argv[1])]
    print(json.dumps(_measure(wanted, int(sys.argv[3]))))
