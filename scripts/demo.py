"""Runs the example DAG twice in real Airflow against the emulator, and shows what arrived.

Everything it needs lives in a temporary folder, and ends with it. ``--keep`` holds the emulator until Ctrl-C, so that
its page can be looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DAG_ID = "edge_impulse_motion_etl"
KEY = "ei_demo_key"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the emulator's page open until Ctrl-C")
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="edge-impulse-demo-") as folder:
        home = Path(folder)
        emulator = subprocess.Popen(
            [
                *(sys.executable, "-m", "airflow_provider_ei.emulator", "--port=0"),
                *(f"--data-dir={home / 'emulator'}", f"--api-key={KEY}", "--organization-id=1"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert emulator.stdout is not None
            line = emulator.stdout.readline()
            if not line:
                print("The emulator did not start; its own words are above.", file=sys.stderr)
                return 1
            url = line.split(" API ")[1].split()[0]
            return show(home, url, keep=keep)
        except KeyboardInterrupt:
            return 130
        finally:
            emulator.terminate()
            emulator.wait(10)


def show(home: Path, url: str, *, keep: bool) -> int:
    page = url.removesuffix("v1")
    environment = airflow_environment(home, url)
    begun = time.monotonic()
    print(f"Emulated Edge Impulse Studio: {page}")
    print("Preparing Airflow ...", flush=True)
    run_airflow(environment, home, "db", "migrate")
    rows = []
    for number in (1, 2):
        print(f"Running DAG {DAG_ID}, run {number} of 2 ...", flush=True)
        before = get(f"{page}emulator/requests")["requests"]
        run_airflow(environment, home, "dags", "test", DAG_ID)
        requests = get(f"{page}emulator/requests")["requests"][len(before) :]
        results = newest_results(home)
        outcomes = Counter(result["outcome"] for result in results)
        rows.append(
            (
                f"run {number}",
                str(len(results)),
                str(sum(result["file_count"] for result in results)),
                f"{sum(result['total_bytes'] for result in results):,}",
                ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()),
                str(sum(request["changed"] for request in requests)),
            )
        )
    print()
    print_table(("", "items", "files", "bytes", "outcome", "requests that changed anything"), rows)
    print(f"\n{time.monotonic() - begun:.0f} s, without the set-up.")
    expected = [("40 created", "40"), ("40 unchanged", "0")]
    if [row[4:] for row in rows] != expected:
        print(f"This is not what should have come out: {expected}.", file=sys.stderr)
        return 1
    if keep:
        print(f"The data items are on {page} until you press Ctrl-C.", flush=True)
        threading.Event().wait()
    print(f"To look at the data items on {page}, say: make demo KEEP=1")
    return 0


def airflow_environment(home: Path, url: str) -> dict[str, str]:
    connection = {"conn_type": "edge_impulse", "host": url, "password": KEY, "extra": {"organization_id": 1}}
    # Other AIRFLOW__ settings of this shell belong to another installation.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return inherited | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT": json.dumps(connection),
        "MOTION_ETL_OUTPUT": str(home / "motion"),
    }


def run_airflow(environment: dict[str, str], home: Path, *command: str) -> None:
    """Run an Airflow command; its hundreds of log lines are shown only if it fails."""
    log = home / "airflow.log"
    with log.open("w") as file:
        code = subprocess.run(
            [sys.executable, "-m", "airflow", *command], env=environment, stdout=file, stderr=subprocess.STDOUT
        ).returncode
    if code:
        sys.stderr.write(log.read_text())
        print(f"airflow {' '.join(command)} failed with exit code {code}; its log is above.", file=sys.stderr)
        raise SystemExit(1)


def newest_results(home: Path) -> list[dict]:
    """Return what the upload tasks of the newest run returned, from Airflow's own database."""
    with sqlite3.connect(home / "airflow.db") as database:
        rows = database.execute(
            "select value from xcom where task_id = 'add_data' and key = 'return_value' and dag_run_id ="
            " (select max(id) from dag_run where dag_id = ?)",
            (DAG_ID,),
        ).fetchall()
    return [json.loads(value) for (value,) in rows]


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
