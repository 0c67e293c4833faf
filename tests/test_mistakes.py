"""Mistakes of new users, each in a real task: the last line of its log, and whether Airflow retries it.

Log viewers show about 90 characters of a line, so the remedy comes first.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_ei
from airflow_provider_ei.emulator import EmulatorServer, EmulatorSettings
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator
from tests.conftest import API_KEY
from tests.support.airflow_runs import DAGS_FOLDER, import_errors

REPOSITORY = Path(__file__).resolve().parent.parent
FAILURES_PAGE = REPOSITORY / "docs" / "failures.md"

#: Visible characters of a log line, after the error's class.
VISIBLE = 90

EDGE_IMPULSE = "https://studio.edgeimpulse.com/v1"


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    :ivar given: the wrong arguments of the operator; ``{tmp}`` stands for the directory of the test's files.
    :ivar says: the beginning of the message, after the error's class and the data item's name.
    :ivar retried: whether Airflow retries the task.
    :ivar sends: whether a request reaches the service.
    :ivar connection: what is wrong with the connection; ``{url}`` stands for the emulator's URL.
    """

    given: dict[str, Any]
    says: str
    retried: bool = False
    sends: bool = False
    connection: dict[str, Any] = field(default_factory=dict)
    operator: type = EdgeImpulseAddDataOperator


def host(value: str) -> dict[str, Any]:
    return {"host": value}


SYNC = EdgeImpulseSyncDatasetOperator
ONE = {"name": "one", "files": "{tmp}/a.csv"}


class _Nan(float):
    """Written to a DAG file as an expression."""

    def __repr__(self) -> str:
        return "float('nan')"


NAN = _Nan("nan")

MISTAKES = [
    # Names
    Mistake({"name": None}, "Give name a value: it is None. If it comes from a template or an upstream task"),
    Mistake({"name": ""}, "Give name a value: it is empty."),
    Mistake({"name": "None"}, "Give name a value: it is the string 'None'."),
    Mistake({"name": " one"}, "Strip name ' one': it begins or ends with white space."),
    Mistake({"name": "one\ntwo"}, "Remove the control character '\\n' from name 'one\\ntwo'."),
    Mistake({"name": ["one"]}, "name must be a string, not list: \"['one']\"."),
    Mistake({"dataset": None}, "Give dataset a value: it is None."),
    # Files
    Mistake({"files": None}, "files is None: the upstream task returned nothing, was skipped"),
    Mistake({"files": []}, "files is empty: give at least one file."),
    Mistake({"files": ["{tmp}/a.csv", None]}, "files[1] is None: the upstream task returned nothing"),
    Mistake({"files": 5}, "files must be a path, a URI, a dict with 'path', or a list of these, not int"),
    Mistake({"files": "/no/such.csv"}, "files: check the path, which does not exist on the machine that runs"),
    Mistake({"files": "no-such.csv"}, "files: write the absolute path: 'no-such.csv' is '"),
    Mistake({"files": "~/a.csv"}, "files: write the whole path, since '~' and '$' are not expanded:"),
    Mistake({"files": "$HOME/a.csv"}, "files: write the whole path, since '~' and '$' are not expanded:"),
    Mistake({"files": "{tmp}/empty"}, "files: give a directory with files, hidden ones aside:"),
    Mistake({"files": "{tmp}/*.wav"}, "files: give a pattern that matches a file:"),
    Mistake({"files": ["{tmp}/a.csv"] * 2}, 'files: give one of two files another name with {"path": …, "name": …}:'),
    Mistake({"files": {"pfad": "x"}}, "files: give a dict with 'path', and 'name' and 'content_type' if wanted, not"),
    Mistake({"files": {"path": "{tmp}/a.csv", "name": "../a"}}, "files: give a relative name without empty, '.' or"),
    Mistake({"files": {"path": "{tmp}", "name": "a"}}, "files: leave out the name 'a', which is for one file:"),
    Mistake({"files": {"path": "{tmp}/a.csv", "content_type": "csv"}}, "files: give a content_type such as 'text/csv'"),
    Mistake({"files": "gs://bucket/a.csv"}, "files: install 'apache-airflow-providers-google' on the workers"),
    Mistake({"files": "s4://bucket/a.csv"}, "files: correct the scheme s4://, or install what reads it on the workers"),
    Mistake({"files": "file://nas/a.csv"}, "files: write 'file:///nas/a.csv' for a path on the machine that runs"),
    # Metadata
    Mistake({"metadata": "subject 7"}, "metadata must be a dict of scalars, not str"),
    Mistake({"metadata": {"a": {"b": 1}}}, "metadata['a'] must be a scalar, not dict"),
    Mistake({"metadata": {"a": None}}, "metadata['a'] is None. Leave the key out, or give a string."),
    Mistake({"metadata": '{"a": NaN}'}, "metadata['a'] is nan. NaN and infinity are not allowed: leave the key out"),
    Mistake({"metadata": {1: "a"}}, "metadata: the key 1 must be a non-empty string."),
    Mistake({"metadata": {"airflow_ei": "a"}}, "metadata: use another key than 'airflow_ei', which is reserved"),
    # Other arguments
    Mistake({"bucket_name": "b", "bucket_id": 1}, "Give bucket_id or bucket_name, not both."),
    Mistake({"bucket_id": "b"}, "bucket_id must be a positive whole number, not 'b'."),
    Mistake({"bucket_name": "no-such"}, "Edge Impulse refused: Bucket 'no-such' not found.", sends=True),
    Mistake({"if_exists": "replace"}, "if_exists must be one of update, skip, fail, overwrite, not 'replace'."),
    # The connection
    Mistake({}, "Put a key of the organization (Studio: organization, API keys) into", connection={"password": ""}),
    Mistake({}, "Copy the API key again from Studio (organization, API keys)", connection={"password": "ei_a b"}),
    Mistake({}, "Check Password (API key) of the connection", sends=True, connection={"password": "ei_wrong"}),
    Mistake({}, "Write the base URL of Studio, such as " + EDGE_IMPULSE, connection=host("ftp://studio")),
    Mistake({}, "Check Host (Studio base URL) of the conn", retried=True, connection=host("http://127.0.0.1:1/v1")),
    Mistake({}, "Check the organization id, and Host (Studio base URL)", connection=host("{url}/v2")),  # not the API
    Mistake({}, "Set extra 'read_timeout' to a positive number of seconds", connection={"read_timeout": "soon"}),
    Mistake({}, "Save the result of `python -m airflow_provider_ei check", connection={"service": "soon"}),
    Mistake({"organization_id": "mine"}, "organization_id must be a positive whole number, not 'mine'."),
    # Syncs
    Mistake({"source": None}, "Give source (a folder or a URI) or items (a list), and not both.", operator=SYNC),
    Mistake({"source": "/no/such"}, "source: check the path, which does not exist on the machine", operator=SYNC),
    Mistake({"delete": "all"}, "delete must be 'never' or 'extra' or 'extra-and-excluded', not 'all'.", operator=SYNC),
    Mistake({"max_delete": "half"}, "max_delete must be a number of data items, such as 20, or", operator=SYNC),
    Mistake({"workers": 100}, "workers must be a number from 1 to 64, not 100.", operator=SYNC),
    Mistake({"dry_run": "maybe"}, "dry_run must be True or False, not 'maybe'.", operator=SYNC),
    Mistake({"source": None, "items": [{"nam": "one"}]}, "items[0] must be a dict with 'name' and", operator=SYNC),
    Mistake({"source": None, "items": [ONE, ONE]}, "items[1]: give each data item a name of its own:", operator=SYNC),
]

#: Mistakes that Airflow shows as an import error of the DAG file.
IMPORT_MISTAKES = [
    Mistake({"metadata": {"a": NAN}}, "metadata['a']: NaN and infinity are not allowed. Give a finite number"),
]

ALL = [*MISTAKES, *IMPORT_MISTAKES]

DAG_FILE = """
from datetime import timedelta
from airflow.providers.common.compat.sdk import dag
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator

@dag(schedule=None, default_args={{"retries": 1, "retry_delay": timedelta(0), "dataset": "d"}})
def mistakes_of_new_users():
    {tasks}

mistakes_of_new_users()
"""

RUN = "import sys; from pathlib import Path; from tests.support.airflow_runs import run_dag; run_dag(Path(sys.argv[1]))"


@dataclass(frozen=True)
class Outcome:
    """What a mistake led to.

    :ivar lines: the last line of the task's log, of each try.
    :ivar requests: number of requests that reached the service.
    """

    lines: list[str]
    requests: int


@pytest.fixture(scope="module")
def outcomes(airflow_database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    """Run a task for each mistake, all in one DAG run and one process of its own; the key is the task id."""
    tmp = tmp_path_factory.mktemp("mistakes")
    (tmp / "empty").mkdir()
    (tmp / "run").mkdir()
    for path in (tmp / "a.csv", tmp / "run" / "a.csv"):
        path.write_text("timestamp,x\n0,1\n")
    dag_file = DAGS_FOLDER / "mistakes_of_new_users.py"
    with ExitStack() as stack:

        def serve() -> EmulatorServer:
            return stack.enter_context(EmulatorServer(EmulatorSettings(api_key=API_KEY, organization_id=7)))

        stack.callback(dag_file.unlink, missing_ok=True)
        silent = serve()
        servers = {f"mistake_{i:02}": serve() if one.sends else silent for i, one in enumerate(MISTAKES)}
        environment, tasks = {}, []
        for (task_id, server), mistake in zip(servers.items(), MISTAKES, strict=True):
            places = {"tmp": str(tmp), "url": server.url}
            environment[f"AIRFLOW_CONN_{task_id.upper()}"] = connection_json(
                server.url, filled(mistake.connection, places)
            )
            usual = {"source": str(tmp)} if mistake.operator is SYNC else {"name": "one", "files": f"{tmp}/a.csv"}
            arguments = usual | filled(mistake.given, places)
            ids = {"task_id": task_id, "edge_impulse_conn_id": task_id}
            tasks.append(f"{mistake.operator.__name__}(**{ids | arguments!r})")
        dag_file.write_text(DAG_FILE.format(tasks="\n    ".join(tasks)))
        log = run_in_a_process(dag_file, environment)
        assert API_KEY not in log
        assert [item for server in {*servers.values()} for item in server.items()] == []
        yield {
            task_id: Outcome(last_lines(log, task_id), len(server.requests())) for task_id, server in servers.items()
        }


def task_source(task_id: str, mistake: Mistake, places: dict[str, str]) -> str:
    """Return the line of a DAG file that creates the task."""
    usual = {"source": "{tmp}"} if mistake.operator is SYNC else ONE
    arguments = {"task_id": task_id, "edge_impulse_conn_id": task_id} | filled(usual | mistake.given, places)
    return f"{mistake.operator.__name__}(**{arguments!r})"


def connection_json(url: str, changes: dict[str, Any]) -> str:
    fields = {"host": url, "password": API_KEY, "organization_id": 7, "retry_attempts": 1, "retry_wait": 0.01} | changes
    host, password = fields.pop("host"), fields.pop("password")
    return json.dumps({"conn_type": "edge_impulse", "host": host, "password": password, "extra": fields})


def run_in_a_process(dag_file: Path, environment: dict[str, str]) -> str:
    """Return all that the run prints: in a process of its own, the logs of Airflow and of the tasks come together."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(dag_file)],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


#: Airflow's own lines begin with the time, on 2.11 in brackets.
_AIRFLOWS_LINE = re.compile(r"\[?\d{4}-\d\d-\d\d")
_DATA_ITEM = re.compile(r"^Data item '[^']*': ")


def last_lines(log: str, task_id: str) -> list[str]:
    """Return the last line of the task's log in each try, without what Airflow itself notes after it.

    It is the end of the traceback: the class of the error, and the message.
    """
    end = r"\[DAG TEST\] end task|ERROR - Task failed; ti="  # on 3.3, and on 2.11, which then repeats the traceback
    tries = re.findall(rf"\[DAG TEST\] starting task_id={task_id} (.*?)(?:{end})", log, re.S)
    return [[line for line in one.splitlines() if line.strip() and not _AIRFLOWS_LINE.match(line)][-1] for one in tries]


def filled(value: Any, places: dict[str, str]) -> Any:
    """Replace the placeholders in a value."""
    if isinstance(value, str):
        for name, place in places.items():
            value = value.replace("{" + name + "}", place)
        return value
    if isinstance(value, dict):
        return {filled(key, places): filled(one, places) for key, one in value.items()}
    return [filled(one, places) for one in value] if isinstance(value, list) else value


def test_each_mistake_ends_the_log_with_its_remedy_and_only_transient_ones_are_retried(
    outcomes: dict[str, Outcome],
) -> None:
    """One test for the whole table, so that parallel test processes do not each run all the tasks."""
    expected, seen = {}, {}
    for mistake, (task_id, outcome) in zip(MISTAKES, outcomes.items(), strict=True):
        tries = 1 + mistake.retried  # each task has one retry
        expected[task_id] = ([mistake.says] * tries, not mistake.retried, mistake.sends)
        messages = [_DATA_ITEM.sub("", line.partition(": ")[2]) for line in outcome.lines]
        final = "AirflowFailException: " in outcome.lines[-1]
        seen[task_id] = ([message[: len(mistake.says)] for message in messages], final, outcome.requests > 0)
    assert seen == expected


@pytest.mark.parametrize("mistake", IMPORT_MISTAKES, ids=lambda one: one.says)
def test_a_mistake_in_the_dag_file_is_an_import_error_that_ends_with_its_remedy(
    mistake: Mistake, airflow_database: None
) -> None:
    dag_file = DAGS_FOLDER / "mistakes_at_import.py"
    dag_file.write_text(DAG_FILE.format(tasks=task_source("add", mistake, {"tmp": "/data"})))
    try:
        (error,) = import_errors(dag_file).values()
    finally:
        dag_file.unlink()
    _, _, message = error.strip().splitlines()[-1].partition(": ")
    assert _DATA_ITEM.sub("", message).startswith(mistake.says)


def test_there_are_at_least_forty_and_their_remedies_are_visible() -> None:
    assert len(MISTAKES) >= 40
    assert [one.says for one in ALL if len(one.says) > VISIBLE] == []


def first_words() -> list[str]:
    """Return the first words of each error in the page's table."""
    _, _, rest = FAILURES_PAGE.read_text().partition("## Find an error by its first words")
    section, _, _ = rest.partition("\n## ")
    return re.findall(r"^\| `([^`]+)` \|", section, re.M)


def words_of_jobs() -> list[str]:
    """Return the first words of each error of a job or a download on the page."""
    _, _, rest = FAILURES_PAGE.read_text().partition("## Errors of jobs and downloads")
    section, _, _ = rest.partition("\n## ")
    return [words for line in re.findall(r"^\| (`.*?`) \|", section, re.M) for words in re.findall("`([^`]+)`", line)]


def begins_with(message: str, words: str) -> bool:
    """Return whether a message begins with words of the page; ``…`` stands for anything."""
    return re.match(re.escape(words).replace("…", ".*?"), message) is not None


def test_the_page_lists_every_mistake_by_its_first_words() -> None:
    listed = first_words()
    assert [one.says for one in ALL if not any(begins_with(one.says, words) for words in listed)] == []


def test_the_page_lists_only_messages_of_the_table() -> None:
    assert [words for words in first_words() if not any(begins_with(one.says, words) for one in ALL)] == []


@cache
def messages() -> list[list[str | None]]:
    """Return the strings in the code, each as its literal parts, with None for each placeholder."""
    found = []
    for path in Path(airflow_provider_ei.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node] if isinstance(node, ast.Constant) else []
            found.append([one.value if isinstance(one, ast.Constant) else None for one in parts])
    return [parts for parts in found if all(part is None or isinstance(part, str) for part in parts)]


def can_begin(parts: list[str | None], words: str, literal: int = 0) -> bool:
    """Return whether a message of these parts can begin with words, of which at least 10 characters are literal."""
    if not words or not parts:
        return not words and literal >= 10
    part, rest = parts[0], parts[1:]
    if part is None:
        return any(can_begin(rest, words[length:], literal) for length in range(1, len(words) + 1))
    length = min(len(part), len(words))
    return part[:length] == words[:length] and can_begin(rest, words[length:], literal + length)


@pytest.mark.parametrize("words", words_of_jobs())
def test_the_code_has_each_error_of_a_job_on_the_page(words: str) -> None:
    """Tests of the operators provoke the errors."""
    assert any(can_begin(parts, words) for parts in messages())
