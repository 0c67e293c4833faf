"""How long a DAG file takes to parse that imports the operators, beside one that imports only Airflow's SDK.

Each file is parsed in new processes, in turn; Airflow itself is imported before the clock starts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable

from bench.results import Row, Table, ratio

_SDK = "from airflow.providers.common.compat.sdk import dag, task, BaseOperator, BaseHook"
_FILES = {
    "SDK and the operators": f"{_SDK}\nfrom airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator",
    "SDK alone": _SDK,
    "SDK, requests, toolbelt": f"{_SDK}\nimport requests, requests_toolbelt",
}
_PARSE = """
import sys, time
import airflow
begun = time.perf_counter()
exec(compile(sys.argv[1], "dag.py", "exec"))
print(time.perf_counter() - begun)
"""


def run(rounds: int, tell: Callable[[str], None]) -> Table:
    """Measure all files."""
    times: dict[str, dict[int, float]] = {name: {} for name in _FILES}
    for number in range(rounds):
        tell(f"Parse time, round {number + 1} of {rounds}")
        for name, code in _FILES.items():
            done = subprocess.run([sys.executable, "-c", _PARSE, code], capture_output=True, text=True, check=True)
            times[name][number] = float(done.stdout.splitlines()[-1])
    ours, alone = times["SDK and the operators"], times["SDK alone"]
    rows = []
    for name, seconds in times.items():
        more = statistics.median(seconds[number] - alone[number] for number in seconds) * 1000
        note = "" if seconds is alone else f"{more:+.1f} ms"
        rows.append(Row(name, list(seconds.values()), ratio(seconds, ours), note=note))
    return Table("Parsing a DAG file that imports …", "", 0, rows, kind="parsing")
