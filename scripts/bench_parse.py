"""Parse time of a DAG file that imports the operators, beside one that imports only Airflow's SDK.

Each file is parsed in new processes, in turn; medians, so that one run can be compared with another on any machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 15
SDK = "from airflow.providers.common.compat.sdk import dag, task, BaseOperator, BaseHook"
FILES = {
    "SDK alone": SDK,
    "and the operators": f"{SDK}\nfrom airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator",
    "and requests, requests-toolbelt": f"{SDK}\nimport requests, requests_toolbelt",
}
PARSE = """
import sys, time
import airflow
begun = time.perf_counter()
exec(compile(sys.argv[1], "dag.py", "exec"))
print((time.perf_counter() - begun) * 1000)
"""


def parse(code: str) -> float:
    done = subprocess.run([sys.executable, "-c", PARSE, code], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in FILES}
    for _ in range(ROUNDS):
        for name, code in FILES.items():
            times[name].append(parse(code))
    base = statistics.median(times["SDK alone"])
    print(f"{'a DAG file that imports':34}{'median ms':>10}{'over the SDK':>14}")
    for name, values in times.items():
        print(f"{name:34}{statistics.median(values):10.1f}{statistics.median(values) - base:+14.1f}")


if __name__ == "__main__":
    main()
