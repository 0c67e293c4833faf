"""What the demos share: a temporary home, an emulated Studio, and an Airflow in this process that prints into a log.

One process does all of it: starting Airflow takes longer than a run. Everything lives in a temporary folder that is
removed at the end, except for an empty metadata database in ``.demo``, which the next demo copies instead of migrating
its own. With ``keep``, the emulator stays until Ctrl-C, so that its page can be looked at.
"""

from __future__ import annotations

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
from collections.abc import Callable
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TextIO

from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings

ROOT = Path(__file__).resolve().parent.parent
KEY = "ei_demo_key"
TEMPLATE = ROOT / ".demo" / f"airflow-{version('apache-airflow')}.db"

#: Seconds between two looks at how many items are done.
LOOK_SECONDS = 0.5

#: Runs a demo and shows its table; returns the exit code.
Show = Callable[[Path, EmulatorServer, "Screen"], int]


def run_demo(show: Show, *, what: str, target: str, keep: bool) -> NoReturn:
    """Run a demo in a new home and end the process.

    :param what: the name of what can be looked at on the emulator's page.
    :param target: the target of the Makefile.
    """
    home = Path(tempfile.mkdtemp(prefix="edge-impulse-demo-"))
    screen = Screen(home / "airflow.log")
    leave = leave_with(home)
    end_on_signals(leave)
    spend_less()
    try:
        with EmulatorServer(EmulatorSettings(api_key=KEY, organization_id=1), data_dir=home / "emulator") as studio:
            set_environment(home, studio)
            screen.say(f"Emulated Edge Impulse Studio: {studio.page_url}")
            code = show(home, studio, screen)
            if code == 0 and keep:
                end_on_signals(leave, code=0)  # the way out that is offered, and no failure to make
                screen.say(f"The {what} are on {studio.page_url} until you press Ctrl-C.")
                threading.Event().wait()
            elif code == 0:
                screen.say(f"To look at the {what} on the emulator's page: make {target} KEEP=1")
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

    def count(self, what: str, done: Callable[[], int], total: int, ended: threading.Event) -> None:
        """Keep a line up to date until the event is set; without a terminal, print one for every ten items."""
        begun, shown = time.monotonic(), -1
        terminal = self._out.isatty()
        while True:
            last = ended.wait(LOOK_SECONDS)
            number = done()
            line = f"{what}: {number} of {total} items, {time.monotonic() - begun:.0f} s"
            if terminal:
                print(f"\r{line}", end="\n" if last else "", file=self._out, flush=True)
            elif number // 10 != shown // 10 or (last and number != shown):
                print(line, file=self._out, flush=True)
                shown = number
            if last:
                return


def spend_less() -> None:
    """Set what makes a short process of many threads cheaper: no garbage collection, fewer switches, a faster loop."""
    gc.disable()
    sys.setswitchinterval(0.05)
    with suppress(ImportError):
        import uvloop

        uvloop.install()


def set_environment(home: Path, studio: EmulatorServer) -> None:
    """Set what Airflow reads when it is imported, with connections to the organization and to its project."""
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
        # What costs time with each task, and what a demo on SQLite has no use for.
        "AIRFLOW__CORE__MAX_NUM_RENDERED_TI_FIELDS_PER_TASK": "0",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_PRE_PING": "False",
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
        "AIRFLOW_CONN_EDGE_IMPULSE_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_EDGE_IMPULSE_PROJECT_DEFAULT": json.dumps(project),
    }


def prepare_airflow(dag_id: str, home: Path, screen: Screen) -> Callable[[], Any]:
    """Give Airflow a database and a DAGs folder, and return what loads an example DAG as it does."""
    begun, migrated = time.monotonic(), TEMPLATE.exists()
    doing = "Starting Airflow" if migrated else "Starting Airflow and migrating its database (once)"
    screen.say(f"{doing} ...")
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

    screen.say(f"Airflow {version('apache-airflow')} is ready: {time.monotonic() - begun:.0f} s")
    return load


def keep_template(database: Path) -> None:
    """Keep an empty migrated database; whole, or not at all."""
    TEMPLATE.parent.mkdir(exist_ok=True)
    partial = TEMPLATE.with_suffix(f".{os.getpid()}")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(partial)) as target:
        source.backup(target)
    partial.replace(TEMPLATE)


def newest_results(dag_id: str, task_id: str, home: Path) -> list[dict]:
    """Return what the instances of a task returned in the newest run, from Airflow's own database."""
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        rows = database.execute(
            "select value from xcom where task_id = ? and key = 'return_value' and dag_run_id ="
            " (select max(id) from dag_run where dag_id = ?)",
            (task_id, dag_id),
        ).fetchall()
    return [json.loads(value) for (value,) in rows]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table with aligned columns."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
