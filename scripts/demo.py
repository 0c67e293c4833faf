"""Runs an example DAG twice in real Airflow against the emulator, and shows what arrived.

By default the recordings become data items of an organization; with ``--project``, samples of a project.

One process does all of it: starting Airflow takes longer than either run. Everything lives in a temporary folder that
is removed at the end, except for an empty metadata database in ``.demo``, which the next demo copies instead of
migrating its own. ``--keep`` keeps the emulator until Ctrl-C, so that its page can be looked at.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TextIO

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings

ROOT = Path(__file__).resolve().parent.parent
KEY = "ei_demo_key"
ITEMS = 40
TEMPLATE = ROOT / ".demo" / f"airflow-{version('apache-airflow')}.db"

#: Seconds between two looks at how many items are done.
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Demo:
    """What is uploaded, and to where.

    :ivar task_id: the task that uploads.
    :ivar what: the name of what it uploads.
    :ivar done: returns how many are done in all runs, by the database in Airflow's home.
    :ivar numbers: returns how many there are, their files and bytes, and their outcomes, from what the tasks returned.
    :ivar requests: the requests of the first run that change anything.
    """

    dag_id: str
    task_id: str
    what: str
    done: Callable[[Path], int]
    numbers: Callable[[list[dict]], tuple[int, int, int, Counter[str]]]
    requests: int


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the emulator's page open until Ctrl-C")
    parser.add_argument("--project", action="store_true", help="upload samples to a project")
    given = parser.parse_args()
    keep, demo = given.keep, TO_PROJECT if given.project else TO_ORGANIZATION
    home = Path(tempfile.mkdtemp(prefix="edge-impulse-demo-"))
    screen = Screen(home / "airflow.log")
    leave = leave_with(home)
    end_on_signals(leave)
    spend_less()
    try:
        with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=1), data_dir=home / "emulator") as studio:
            set_environment(home, studio)
            code = show(demo, home, studio, screen)
            if code == 0 and keep:
                end_on_signals(leave, code=0)  # the way out that is offered, and no failure to make
                screen.say(f"The {demo.what} are on {studio.page_url} until you press Ctrl-C.")
                threading.Event().wait()
            elif code == 0:
                target = "demo-project" if given.project else "demo"
                screen.say(f"To look at the {demo.what} on the emulator's page: make {target} KEEP=1")
    except BaseException as error:
        screen.fail(f"The demo failed: {type(error).__name__}: {error}")
        code = 1
    leave(code)


def leave_with(home: Path) -> Callable[[int], NoReturn]:
    """Return what removes the home and ends the process, emulator included."""

    def leave(code: int) -> NoReturn:
        shutil.rmtree(home, ignore_errors=True)
        # Airflow would take another second and a half to free what ends with the process anyway.
        os._exit(code)

    return leave


def end_on_signals(leave: Callable[[int], NoReturn], code: int | None = None) -> None:
    """Let Ctrl-C and SIGTERM end the process without a traceback, with the code of the signal or another one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: leave(128 + got if code is None else code))


class Screen:
    """Shows our lines, while everything that Airflow prints goes into its log."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._out: TextIO = os.fdopen(os.dup(1), "w")
        self._errors: TextIO = os.fdopen(os.dup(2), "w")
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)

    def say(self, text: str = "") -> None:
        print(text, file=self._out, flush=True)

    def fail(self, text: str) -> None:
        """Show Airflow's log, and below it what is wrong."""
        sys.stdout.flush()
        sys.stderr.flush()
        print(self._log.read_text(), file=self._errors)
        print(text, file=self._errors, flush=True)

    def count(self, what: str, done: Callable[[], int], ended: threading.Event) -> None:
        """Keep a line up to date until the event is set; without a terminal, print one for every ten items."""
        begun, shown = time.monotonic(), -1
        terminal = self._out.isatty()
        while True:
            last = ended.wait(LOOK_SECONDS)
            number = done()
            line = f"{what}: {number} of {ITEMS} items, {time.monotonic() - begun:.0f} s"
            if terminal:
                print(f"\r{line}", end="\n" if last else "", file=self._out, flush=True)
            elif number // 10 != shown // 10 or (last and number != shown):
                print(line, file=self._out, flush=True)
                shown = number
            if last:
                return


def show(demo: Demo, home: Path, studio: EmulatorServer, screen: Screen) -> int:
    begun = time.monotonic()
    screen.say(f"Emulated Edge Impulse Studio: {studio.page_url}")
    migrated = TEMPLATE.exists()
    doing = "Starting Airflow" if migrated else "Starting Airflow and migrating its database (once)"
    screen.say(f"{doing} ...")
    load = prepare_airflow(demo.dag_id, home, migrated=migrated)
    screen.say(f"Airflow {version('apache-airflow')} is ready: {time.monotonic() - begun:.0f} s")
    rows = []
    for number in (1, 2):
        dag = load()
        studio.clear_requests()
        before = demo.done(home)
        ended = threading.Event()
        counter = threading.Thread(
            target=screen.count,
            args=(f"Run {number} of 2", lambda: demo.done(home) - before, ended),  # noqa: B023
        )
        counter.start()
        try:
            dag.test()
        finally:
            ended.set()
            counter.join()
        count, files, size, outcomes = demo.numbers(newest_results(demo, home))
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


def spend_less() -> None:
    """Set what makes a short process of many threads cheaper: no garbage collection, fewer switches, a faster loop."""
    gc.disable()
    sys.setswitchinterval(0.05)
    with suppress(ImportError):
        import uvloop

        uvloop.install()


def set_environment(home: Path, studio: EmulatorServer) -> None:
    """Set what Airflow reads when it is imported."""
    # Other AIRFLOW__ settings of this shell belong to another installation.
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    sys.dont_write_bytecode = False  # without bytecode, each start of Airflow takes seconds longer
    connection = {"conn_type": "edge_impulse", "host": studio.url, "password": KEY, "extra": {"organization_id": 1}}
    project = {
        "conn_type": "edge_impulse_project",
        "host": studio.url,
        "password": studio.project_api_key,
        "extra": {"ingestion_host": studio.ingestion_url},
    }
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        # What costs time with each of the 82 tasks, and what a demo on SQLite has no use for.
        "AIRFLOW__CORE__MAX_NUM_RENDERED_TI_FIELDS_PER_TASK": "0",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_PRE_PING": "False",
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
        "AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT": json.dumps(project),
        "MOTION_ETL_OUTPUT": str(home / "motion"),
        "MOTION_SAMPLES_OUTPUT": str(home / "motion"),
    }


def prepare_airflow(dag_id: str, home: Path, *, migrated: bool) -> Callable[[], Any]:
    """Give Airflow a database and a DAGs folder, and return what loads an example DAG as it does."""
    examples = ROOT / "example_dags"
    shutil.copytree(examples / "data", home / "dags" / "data")
    dag_file = shutil.copy(examples / f"{dag_id}.py", home / "dags")
    if migrated:
        shutil.copy(TEMPLATE, home / "airflow.db")
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 2
        from airflow.models.dagbag import DagBag
    from airflow.utils.db import initdb

    if not migrated:
        initdb()
        keep_template(home / "airflow.db")

    def load() -> Any:
        bag = DagBag(str(dag_file))
        if bag.import_errors:
            raise RuntimeError(f"{dag_file} cannot be imported: {bag.import_errors}")
        dag = bag.dags[dag_id]
        if version("apache-airflow").startswith("2."):
            dag.sync_to_db()
        return dag

    return load


def keep_template(database: Path) -> None:
    """Keep an empty migrated database; whole, or not at all."""
    TEMPLATE.parent.mkdir(exist_ok=True)
    partial = TEMPLATE.with_suffix(f".{os.getpid()}")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(partial)) as target:
        source.backup(target)
    partial.replace(TEMPLATE)


def uploads_done(home: Path, condition: str) -> int:
    """Count the upload tasks that have ended well, in all runs, by Airflow's own database."""
    with closing(sqlite3.connect(f"file:{home / 'airflow.db'}?mode=ro", uri=True, timeout=30)) as database:
        (count,) = database.execute(
            f"select count(*) from task_instance where {condition} and state = 'success'"
        ).fetchone()
    return int(count)


def newest_results(demo: Demo, home: Path) -> list[dict]:
    """Return what the upload tasks of the newest run returned, from Airflow's own database."""
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        rows = database.execute(
            "select value from xcom where task_id = ? and key = 'return_value' and dag_run_id ="
            " (select max(id) from dag_run where dag_id = ?)",
            (demo.task_id, demo.dag_id),
        ).fetchall()
    return [json.loads(value) for (value,) in rows]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]


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
    done=lambda home: uploads_done(home, "map_index >= 0 and task_id = 'add_data'"),
    numbers=numbers_of_items,
    requests=ITEMS,
)
TO_PROJECT = Demo(
    dag_id="edge_impulse_samples",
    task_id="upload_samples",
    what="samples",
    done=lambda home: ITEMS * uploads_done(home, "task_id = 'upload_samples'"),
    numbers=numbers_of_samples,
    requests=4,  # one for each label
)


if __name__ == "__main__":
    main()
