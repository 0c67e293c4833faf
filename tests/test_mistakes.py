"""What a new user gets wrong, and the last line of the task's log, of which a viewer shows about 90 characters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator
from tests.conftest import API_KEY
from tests.support.airflow_runs import DAGS_FOLDER, run_dag

FAILURES_PAGE = Path(__file__).resolve().parent.parent / "docs" / "failures.md"

#: Of the log's last line, after the error's class.
SHOWN = 90

EDGE_IMPULSE = "https://studio.edgeimpulse.com/v1"


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    :ivar given: arguments of the operator that are wrong; ``{tmp}`` stands for the folder of the test's files.
    :ivar says: how the message begins, after the data item's name.
    :ivar retried: whether Airflow's retries apply.
    :ivar sends: whether a request reaches the service.
    :ivar connection: what is wrong with the connection; ``{url}`` stands for the emulator's.
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
    Mistake({"metadata": {"a": float("nan")}}, "metadata['a']: NaN and infinity are not allowed. Give a finite number"),
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

_ITEM = re.compile(r"^Data item '[^']*': ")


def filled(value: Any, places: dict[str, str]) -> Any:
    """Put the test's own places into a value."""
    if isinstance(value, str):
        for name, place in places.items():
            value = value.replace("{" + name + "}", place)
        return value
    if isinstance(value, dict):
        return {filled(key, places): filled(one, places) for key, one in value.items()}
    return [filled(one, places) for one in value] if isinstance(value, list) else value


@pytest.fixture
def places(tmp_path: Path, emulator: EmulatorServer) -> dict[str, str]:
    (tmp_path / "a.csv").write_text("timestamp,x\n0,1\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.csv").write_text("timestamp,x\n0,1\n")
    return {"tmp": str(tmp_path), "url": emulator.url}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.says[:50])
def test_a_mistake_is_named_with_its_remedy(
    mistake: Mistake, emulator: EmulatorServer, connect: Callable[..., None], places: dict[str, str]
) -> None:
    defaults = {"host": emulator.url, "password": API_KEY, "organization_id": 7, "retry_attempts": 1}
    connect(**defaults | filled(mistake.connection, places))
    one_item = {"name": "one", "files": f"{places['tmp']}/a.csv"}
    usual = {"source": places["tmp"]} if mistake.operator is SYNC else one_item
    arguments = {"task_id": "task", "dataset": "d"} | usual | filled(mistake.given, places)
    with pytest.raises(Exception) as caught:
        mistake.operator(**arguments).execute({})
    line = _ITEM.sub("", str(caught.value))
    assert line.startswith(mistake.says)
    assert isinstance(caught.value, AirflowFailException) != mistake.retried
    assert bool(emulator.requests()) == mistake.sends
    assert emulator.items() == []
    assert API_KEY not in line


def test_there_are_forty_at_least_and_their_remedies_are_within_sight() -> None:
    assert len(MISTAKES) >= 40
    assert [mistake.says for mistake in MISTAKES if len(mistake.says) > SHOWN] == []


def test_the_log_of_a_real_run_ends_with_the_message(
    studio: EmulatorServer,
    airflow_database: None,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = DAGS_FOLDER / "mistake_of_a_new_user.py"
    path.write_text(
        "from airflow.providers.common.compat.sdk import dag\n"
        "from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator\n"
        "@dag(schedule=None)\n"
        "def mistake_of_a_new_user():\n"
        "    EdgeImpulseAddDataOperator(task_id='add', name='one', dataset='d', files='/no/such.csv', retries=3)\n"
        "mistake_of_a_new_user()\n"
    )
    try:
        run = run_dag(path)
    finally:
        path.unlink()
    printed = "".join(capfd.readouterr()) + caplog.text  # where a task's log goes depends on Airflow
    assert run.states == {"add": ["failed"]}  # and not up_for_retry
    assert "Data item 'one': files: check the path, which does not exist" in printed
    assert studio.requests() == []


def first_words() -> list[str]:
    """Return the first words of each error in the table of the page."""
    _, _, rest = FAILURES_PAGE.read_text().partition("## By its first words")
    section, _, _ = rest.partition("\n## ")
    return re.findall(r"^\| `([^`]+)` \|", section, re.M)


def begins_with(message: str, words: str) -> bool:
    """Whether a message begins with words of the page, in which ``…`` stands for anything."""
    return re.match(re.escape(words).replace("…", ".*?"), message) is not None


def test_the_page_lists_every_mistake_by_its_first_words() -> None:
    listed = first_words()
    assert [one.says for one in MISTAKES if not any(begins_with(one.says, words) for words in listed)] == []


def test_what_the_page_lists_are_messages_of_the_table() -> None:
    assert [words for words in first_words() if not any(begins_with(one.says, words) for one in MISTAKES)] == []
