"""Runs an example DAG twice in real Airflow against the emulator, and shows what arrived.

By default the recordings become data items of an organization; with ``--project``, samples of a project.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from demo_airflow import Screen, newest_results, prepare_airflow, run_demo, table

from airflow_provider_ei.emulator import EmulatorServer

ITEMS = 40


@dataclass(frozen=True)
class Demo:
    """What is uploaded, and to where.

    :ivar task_id: the task that uploads.
    :ivar what: the name of what it uploads.
    :ivar done: returns how many are done in all runs, with Airflow's home.
    :ivar numbers: returns how many there are, their files and bytes, and their outcomes, from what the tasks returned.
    :ivar requests: the requests of the first run that change anything.
    """

    dag_id: str
    task_id: str
    what: str
    done: Callable[[EmulatorServer, Path], int]
    numbers: Callable[[list[dict]], tuple[int, int, int, Counter[str]]]
    requests: int


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the emulator's page open until Ctrl-C")
    parser.add_argument("--project", action="store_true", help="upload samples to a project")
    given = parser.parse_args()
    demo, target = (TO_PROJECT, "demo-project") if given.project else (TO_ORGANIZATION, "demo")
    run_demo(partial(show, demo), what=demo.what, target=target, keep=given.keep)


def show(demo: Demo, home: Path, studio: EmulatorServer, screen: Screen) -> int:
    begun = time.monotonic()
    os.environ["MOTION_ETL_OUTPUT"] = os.environ["MOTION_SAMPLES_OUTPUT"] = str(home / "motion")
    load = prepare_airflow(demo.dag_id, home, screen)
    rows = []
    for number in (1, 2):
        dag = load()
        studio.clear_requests()
        before = demo.done(studio, home)
        ended = threading.Event()
        counter = threading.Thread(
            target=screen.count,
            args=(f"Run {number} of 2", lambda: demo.done(studio, home) - before, ITEMS, ended),  # noqa: B023
        )
        counter.start()
        try:
            dag.test()
        finally:
            ended.set()
            counter.join()
        count, files, size, outcomes = demo.numbers(newest_results(demo.dag_id, demo.task_id, home))
        rows.append(
            (
                f"run {number}",
                str(count),
                str(files),
                f"{size:,}",
                ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()),
                str(sum(request.changed for request in studio.requests())),
            )
        )
    screen.say()
    head = ("", demo.what.removeprefix("data "), "files", "bytes", "outcome", "requests that changed anything")
    for line in table(head, rows):
        screen.say(line)
    cpu = os.times()
    screen.say(
        f"\n{time.monotonic() - begun:.0f} s in all, {cpu.user + cpu.system:.0f} s of CPU time, without the set-up."
    )
    expected = [(f"{ITEMS} created", str(demo.requests)), (f"{ITEMS} unchanged", "0")]
    if [row[4:] for row in rows] != expected:
        screen.fail(f"This is not what should have come out: {expected}.")
        return 1
    return 0


def uploads_done(home: Path) -> int:
    """Count the upload tasks that have ended well, in all runs, by Airflow's own database."""
    with closing(sqlite3.connect(f"file:{home / 'airflow.db'}?mode=ro", uri=True, timeout=30)) as database:
        (count,) = database.execute(
            "select count(*) from task_instance where task_id = 'add_data' and map_index >= 0 and state = 'success'"
        ).fetchone()
    return int(count)


def numbers_of_items(results: list[dict]) -> tuple[int, int, int, Counter[str]]:
    files, size = (sum(result[key] for result in results) for key in ("file_count", "total_bytes"))
    return len(results), files, size, Counter(result["outcome"] for result in results)


def numbers_of_samples(results: list[dict]) -> tuple[int, int, int, Counter[str]]:
    (result,) = results
    outcomes = Counter({key: result[key] for key in ("created", "updated", "unchanged") if result[key]})
    files = outcomes.total()
    return files, files, result["bytes_sent"] + result["bytes_hashed"], outcomes


TO_ORGANIZATION = Demo(
    dag_id="edge_impulse_motion_etl",
    task_id="add_data",
    what="data items",
    done=lambda studio, home: uploads_done(home),
    numbers=numbers_of_items,
    requests=ITEMS,
)
TO_PROJECT = Demo(
    dag_id="edge_impulse_samples",
    task_id="upload_samples",
    what="samples",
    done=lambda studio, home: len(studio.samples.list()),
    numbers=numbers_of_samples,
    requests=4,  # one for each label
)


if __name__ == "__main__":
    main()
