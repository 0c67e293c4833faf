"""How long Airflow's page takes, and how large it is, with many task instances in Airflow's database.

    python -m bench.airflow_page CASE SHARE ROUNDS      fills the database of AIRFLOW_HOME, and prints what was measured

The rows are as the operators leave them: an address, a report and a return value for each task instance.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.measure import Tell
from bench.results import Aim, Row, Table


@dataclass(frozen=True)
class Case:
    """A history.

    :ivar dags: each with one task, which writes to a dataset of its own.
    :ivar runs: of each DAG.
    :ivar mapped: task instances of each run.
    """

    title: str
    dags: int
    runs: int
    mapped: int = 1

    @property
    def instances(self) -> int:
        """Task instances in all."""
        return self.dags * self.runs * self.mapped


_CASES = (
    Case("single uploads", 60, 2000),
    Case("mapped uploads", 60, 20, mapped=100),
    Case("mapped uploads to one dataset", 1, 30, mapped=4000),
)
_URL = "https://studio.edgeimpulse.com/organization/7/data"


def run(share: float, rounds: int, new_home: Callable[[str], dict[str, str]], tell: Tell) -> Table:
    """Measure all cases, each in a process and a database of its own.

    :param share: of the DAGs' runs; a small one leaves out mapped tasks.
    :param new_home: returns the environment of a new Airflow with an empty database.
    """
    rows = []
    for number, case in enumerate(_CASES if share == 1 else _CASES[:1]):
        tell(f"Airflow's page, {case.title}")
        command = [sys.executable, "-m", "bench.airflow_page", str(number), str(share), str(rounds)]
        environment = new_home(f"page-{number}")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        counts = {"kB of HTML": told["bytes"] / 1000, "task instances": told["instances"]}
        rows.append(Row(case.title, told["seconds"], counts=counts))
    aims = [
        Aim("the slowest", "≤", 1, max(row.median or 0 for row in rows), "s"),
        Aim("the largest", "≤", 200, max(row.counts["kB of HTML"] for row in rows), "kB"),
    ]
    return Table("page", "The page in Airflow's interface, on SQLite", rows, aims)


def _measure(case: Case, rounds: int) -> dict[str, Any]:
    """Fill the database, and ask for the page as a browser does."""
    from airflow.api_fastapi.app import get_auth_manager, init_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from airflow_provider_ei.plugins.app import create_app

    _fill(case)
    app = FastAPI()
    init_auth_manager(app)
    app.mount("/edge-impulse", create_app())
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="viewer", role="viewer"))
    client = TestClient(app, headers={"authorization": f"Bearer {token}"})
    # What the first request costs any process, whatever is in the database.
    client.get("/edge-impulse/task?dag_id=dag-0&run_id=none&task_id=upload").raise_for_status()
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        answer = client.get("/edge-impulse/")
        seconds.append(time.perf_counter() - begun)
        answer.raise_for_status()
        if answer.text.count('<section class="card" aria-labelledby="dataset-') != min(case.dags, 10):
            raise ValueError("The page does not show the datasets.")
    return {"seconds": seconds, "bytes": len(answer.content), "instances": case.instances}


def _fill(case: Case) -> None:
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance, uuid7
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
            session.add(DagModel(dag_id=dag_id, bundle_name="bench", fileloc="x.py", relative_fileloc="x.py"))  # type: ignore[no-untyped-call]
            session.flush()
            runs: list[dict[str, Any]] = []
            instances: list[dict[str, Any]] = []
            xcoms: list[dict[str, Any]] = []
            for number in range(case.runs):
                ended = now - timedelta(days=29) * (number + 1) / case.runs - timedelta(minutes=dag)
                run_id, dag_run_id = f"scheduled__{ended.isoformat()}", dag * case.runs + number + 1
                run = {"id": dag_run_id, "dag_id": dag_id, "run_id": run_id, "run_type": DagRunType.SCHEDULED}
                runs.append(run | {"run_after": ended, "state": "success"})
                for index in range(case.mapped):
                    place = index if case.mapped > 1 else -1
                    key = {"dag_id": dag_id, "run_id": run_id, "task_id": "upload", "map_index": place}
                    failed = number == 0 and dag % 10 == 0 and index == 0
                    instances.append(
                        {
                            **key,
                            "id": uuid7(),
                            "state": "failed" if failed else "success",
                            "operator": "EdgeImpulseAddDataOperator",
                            "start_date": ended - timedelta(seconds=30),
                            "end_date": ended,
                            "try_number": 1,
                            "pool": "default_pool",
                            "pool_slots": 1,
                        }
                    )
                    xcoms += [
                        {**key, "dag_run_id": dag_run_id, "key": name, "value": value, "timestamp": ended}
                        for name, value in _values(f"dataset-{dag}", index, failed=failed).items()
                    ]
            session.execute(insert(DagRun.__table__), runs)
            session.execute(insert(TaskInstance.__table__), instances)
            session.execute(insert(XComModel.__table__), xcoms)


def _values(dataset: str, number: int, *, failed: bool) -> dict[str, Any]:
    """Return what a task leaves, by the XCom's key."""
    from airflow_provider_ei.operators.run_report import REPORT_KEY, build_report
    from airflow_provider_ei.results import read_result

    returned = {
        "data_id": number,
        "name": f"recording-{number:06}",
        "dataset": dataset,
        "organization_id": 7,
        "outcome": "created",
        "file_count": 1,
        "total_bytes": 20_000 + number,
        "digest": f"{number:064x}",
        "url": _URL,
    }
    if failed:
        error = {"dataset": dataset, "organization_id": 7, "error": "Check Password: it is wrong."}
        return {"edge_impulse_studio_url": _URL, REPORT_KEY: error}
    result = read_result([returned])
    assert result is not None
    return {"edge_impulse_studio_url": _URL, REPORT_KEY: build_report(result), "return_value": returned}


if __name__ == "__main__":
    wanted = _CASES[int(sys.argv[1])]
    wanted = replace(wanted, runs=max(1, round(wanted.runs * float(sys.argv[2]))))
    print(json.dumps(_measure(wanted, int(sys.argv[3]))))
