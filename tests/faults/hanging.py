"""Runs an operator in a process of its own whose source hangs, and goes on as Airflow does when the task is killed.

usage: python -m tests.faults.hanging, with one line of JSON on standard input: ``operator`` and its ``arguments``,
``hangs`` (where the source does, or null) and ``raises`` (whether the signal's handler raises after ``on_kill``, as in
Airflow 2). It prints ``hanging`` whenever a thread begins to hang, and in the end the error's name, the names of the
threads that still do, and how long the task took to end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowTaskTimeout
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_ei.hooks import edge_impulse
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator

OPERATORS: dict[str, Any] = {"add": EdgeImpulseAddDataOperator, "sync": EdgeImpulseSyncDatasetOperator}


class Terminated(BaseException):
    """What Airflow 2 raises in its handler of SIGTERM."""


class Hang:
    """A pipe that nobody writes to, in the place of files."""

    def __init__(self) -> None:
        self._pipe = os.path.join(tempfile.mkdtemp(), "pipe")
        os.mkfifo(self._pipe)

    def opening(self, path: str) -> NoReturn:
        """Hang in the system call that opens a file whose place a pipe has taken."""
        Path(path).unlink()
        os.mkfifo(path)
        self._tell()
        with open(path, "rb"):
            raise AssertionError("somebody has opened the pipe")

    def reading(self) -> NoReturn:
        """Hang in the system call that reads."""
        handle = os.open(self._pipe, os.O_RDWR)
        self._tell()
        os.read(handle, 1)
        raise AssertionError("somebody has written into the pipe")

    def _tell(self) -> None:
        os.write(1, b"hanging\n")  # several threads at once, each a whole line


class Reader:
    """An open file whose first block never comes."""

    def __init__(self, hang: Hang) -> None:
        self._hang = hang

    def read(self, size: int = -1) -> bytes:
        self._hang.reading()

    def close(self) -> None:
        pass


class Store(LocalFileSystem):
    """The files of this machine as a store has them, which hangs when it lists, opens or reads.

    :param where: which of these; None for a store that never hangs.
    """

    cachable = False

    def __init__(self, where: str | None) -> None:
        super().__init__()
        self._where = where
        self._hang = Hang()

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        if self._where == "list":
            self._hang.reading()
        return super().ls(path, detail=detail, **options)

    def info(self, path: str, **options: Any) -> Any:
        if self._where == "list":
            self._hang.reading()
        return super().info(path, **options)

    def open(self, path: str, *arguments: Any, **options: Any) -> Any:
        if self._where == "open":
            self._hang.opening(path)
        return Reader(self._hang) if self._where == "read" else super().open(path, *arguments, **options)


def main() -> None:
    given = json.loads(sys.stdin.readline())
    operator = OPERATORS[given["operator"]](task_id="task", **given["arguments"])

    told: list[float] = []

    def terminate(*_: object) -> None:
        told.append(time.monotonic())
        operator.on_kill()
        if given["raises"]:
            raise Terminated

    def time_is_over(*_: object) -> None:
        told.append(time.monotonic())
        raise AirflowTaskTimeout("over")

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGALRM, time_is_over)
    store = Store(given["hangs"])
    edge_impulse.open_store = lambda uri: (store, uri.removeprefix("stalls://"))  # type: ignore[assignment]
    try:
        operator.execute({})
        ending = "success"
    except AirflowTaskTimeout as error:
        operator.on_kill()
        ending = type(error).__name__
    except BaseException as error:
        ending = type(error).__name__
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("edge-impulse")]
    seconds = [round(time.monotonic() - one, 2) for one in told]
    print(json.dumps({"ending": ending, "threads": threads, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
