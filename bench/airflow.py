"""What the package costs Airflow: parsing a DAG file, mapped tasks, and its page.

python -m bench.airflow ITEMS      runs ITEMS uploads in the Airflow of AIRFLOW_HOME, and prints the seconds
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import airflow_page, material
from bench.clients.job import API_KEY
from bench.measure import Tell
from bench.results import Aim, Row, Table

_PARSE = """
import time
import airflow
begun = time.perf_counter()
from airflow.providers.common.compat.sdk import dag, task, BaseOperator, BaseHook
sdk = time.perf_counter()
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator
print(sdk - begun, time.perf_counter() - begun)
"""

_DAG = """
from airflow.sdk import DAG
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator

items = [{{"name": f"item-{{n}}", "files": [{path!r}]}} for n in range({items})]
with DAG("first"):  # so that what Airflow does once is not counted
    EdgeImpulseAddDataOperator.partial(task_id="upload", dataset="first").expand_kwargs(items[:1])
with DAG("mapped"):
    EdgeImpulseAddDataOperator.partial(task_id="upload", dataset="mapped").expand_kwargs(items)
with DAG("single"):
    EdgeImpulseSyncDatasetOperator(task_id="upload", dataset="single", items=items)
"""


def run(folder: Path, sizes: material.Sizes, rounds: int, tell: Tell) -> list[Table]:
    """Measure all three, with one migrated database that each process gets a copy of."""
    tell("Airflow: migrating a database")
    home = folder / "airflow"
    home.mkdir()
    migrate = "from airflow.utils.db import initdb; initdb()"
    subprocess.run([sys.executable, "-c", migrate], env=_environment(home), capture_output=True, check=True)

    def new_home(name: str) -> dict[str, str]:
        copied = shutil.copytree(home, folder / f"airflow-{name}")
        return _environment(copied)

    parsing = _parse_time(5 * rounds if sizes.page == 1 else 2, tell)
    mapped = _mapped(sizes.mapped, new_home("mapped"), tell)
    return [parsing, mapped, airflow_page.run(sizes.page, 5 * rounds, new_home, tell)]


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "NO_PROXY": "127.0.0.1",
    }


def _parse_time(rounds: int, tell: Tell) -> Table:
    """Import what a DAG file imports in new processes; Airflow itself is imported before the clock starts."""
    alone, whole = [], []
    for number in range(-1, rounds):
        tell(f"Parse time, round {max(number, 0) + 1} of {rounds}")
        done = subprocess.run(
            [sys.executable, "-c", _PARSE], env=_compiling(), capture_output=True, text=True, check=True
        )
        if number >= 0:  # before, the modules may not have been compiled
            sdk, both = map(float, done.stdout.split()[-2:])
            alone.append(sdk)
            whole.append(both)
    more = statistics.median(both - sdk for sdk, both in zip(alone, whole, strict=True)) * 1000
    rows = [
        Row("the SDK and the operators", whole, counts={"ms": statistics.median(whole) * 1000}),
        Row("the SDK alone", alone, counts={"ms": statistics.median(alone) * 1000}),
    ]
    aims = [Aim("time beyond the SDK's", "≤", 4, more, "ms")]
    return Table("parsing", "Parsing a DAG file that imports …", rows, aims)


def _compiling() -> dict[str, str]:
    """Return an environment in which Python keeps compiled modules, as an installation has them."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _mapped(items: int, environment: dict[str, str], tell: Tell) -> Table:
    """Upload small items by a mapped task each, and all of them by one task."""
    title = f"{items} items of 20 KB in Airflow, into the emulator"
    tell(f"{title}: running the tasks")
    command = [sys.executable, "-m", "bench.airflow", str(items)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        return Table("mapped", title, [Row("mapped tasks", note=f"FAILED: {done.stderr.strip().splitlines()[-1]}")])
    told = json.loads(done.stdout.splitlines()[-1])
    rows = []
    for what, dag in (("a mapped task for each item", "mapped"), ("one task for all items", "single")):
        whole, own = (seconds / items * 1000 for seconds in told[dag])
        rows.append(Row(what, [told[dag][0]], counts={"ms an item, ours": own, "ms an item, Airflow's": whole - own}))
    remarks = ["Airflow's share is that of dag.test(), which starts no process for a task: an executor adds to it."]
    return Table("mapped", title, rows, remarks=remarks)


def _run_dags(items: int) -> dict[str, Any]:
    home = Path(os.environ["AIRFLOW_HOME"])
    (home / "dags").mkdir()
    upload, dag_file = home / "motion.bin", home / "dags" / "uploads.py"
    upload.write_bytes(os.urandom(material.SMALL_BYTES))
    dag_file.write_text(_DAG.format(path=str(upload), items=items))

    from airflow.dag_processing.dagbag import DagBag

    from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
    from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator

    spent = 0.0

    def timed(execute: Any) -> Any:
        def execute_timed(*args: Any, **kwargs: Any) -> Any:
            nonlocal spent
            begun = time.perf_counter()
            try:
                return execute(*args, **kwargs)
            finally:
                spent += time.perf_counter() - begun

        return execute_timed

    for operator in (EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator):
        operator.execute = timed(operator.execute)  # type: ignore[method-assign]
    told = {}
    with EmulatorServer(EmulatorSettings(api_key=API_KEY, organization_id=1)) as studio:
        connection = {"conn_type": "edge_impulse", "host": studio.url, "password": API_KEY}
        os.environ["AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT"] = json.dumps(connection)
        for name, dag in sorted(DagBag(str(dag_file)).dags.items()):
            begun, spent = time.perf_counter(), 0.0
            dag.test()
            told[name] = (time.perf_counter() - begun, spent)
            if len(studio.items(name)) != (1 if name == "first" else items):
                raise SystemExit(f"{name}: {len(studio.items(name))} items have arrived, not {items}")
    return told


if __name__ == "__main__":
    print(json.dumps(_run_dags(int(sys.argv[1]))))
