"""What a check has made is deleted, and nothing else: at its end, after Ctrl-C and SIGTERM, and by ``--clean``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_provider_ei.check import run as run_module
from airflow_provider_ei.check.run import OrganizationCheck
from airflow_provider_ei.check.trial_items import MARK, mark_of
from airflow_provider_ei.emulator import EmulatorServer, Fault, RequestRecord
from tests.support.studio import CREATE, DELETE, KEY

from .conftest import Check, settings

DATASET = "airflow-check-0123456789abcdef"
RUN = "0123456789abcdef"

#: More than the requests of a check, so that the last of these tests shows that all were tried.
MANY = 100


def put_strangers(studio: EmulatorServer) -> list[int]:
    """Items of other people, some of which look like those of a check."""
    return [
        studio.put_item("pump", "plant", {"machine": "7"}, {"a.csv": b"1"}),
        studio.put_item("marked", "plant", {MARK: RUN}, {"a.csv": b"1"}),
        studio.put_item("other mark", DATASET, {MARK: "fedcba9876543210"}, {"a.csv": b"1"}),
        studio.put_item("no mark", DATASET, {"machine": "7"}, {"a.csv": b"1"}),
        studio.put_item("no-metadata", DATASET, {}, {"theirs.csv": b"1"}),
        studio.put_item("marked", "airflow-check-of-mine", {MARK: "of-mine"}, {"a.csv": b"1"}),
    ]


def ids(studio: EmulatorServer) -> list[int]:
    return [item.id for item in studio.items()]


def clean(studio: EmulatorServer, dataset: str | None = None) -> OrganizationCheck:
    check = OrganizationCheck(settings(studio))
    check.clean(dataset)
    return check


def test_a_check_deletes_what_it_has_made_and_nothing_else(check: Check, check_studio: EmulatorServer) -> None:
    strangers = put_strangers(check_studio)
    report = check(write=True)
    assert report.wrote and report.left == []
    assert ids(check_studio) == strangers


def test_cleaning_deletes_only_what_is_certainly_from_a_check(check_studio: EmulatorServer) -> None:
    strangers = put_strangers(check_studio)
    check_studio.put_item("marked", DATASET, {MARK: RUN}, {"a.csv": b"1"})
    cleaned = clean(check_studio)
    assert ids(check_studio) == strangers
    assert {left.data_id for left in cleaned.left} == set(strangers[2:5])
    assert {left.why for left in cleaned.left} == {"it is not certain that a check has made it"}


def test_the_item_without_metadata_is_deleted_only_if_the_manifest_names_it(check_studio: EmulatorServer) -> None:
    check_studio.put_item("no-metadata", DATASET, {}, {"no-metadata.txt": b"x" * 7})
    assert len(clean(check_studio).left) == 1
    check_studio.put_item("manifest", DATASET, {MARK: RUN, "airflow_ei_check_also": "no-metadata"}, {"a": b"1"})
    assert clean(check_studio).left == []
    assert ids(check_studio) == []


def test_an_item_that_is_moved_before_it_is_deleted_stays(check_studio: EmulatorServer) -> None:
    """It is fetched by its id right before."""
    moved = check_studio.put_item("marked", DATASET, {MARK: RUN}, {"a.csv": b"1"})

    def move(record: RequestRecord) -> None:
        if record.operation == "getOrganizationDataItem":
            check_studio.edit_item(moved, dataset="plant")

    check_studio.before_request(move)
    assert [left.data_id for left in clean(check_studio).left] == [moved]
    assert ids(check_studio) == [moved]


def test_no_other_dataset_can_be_cleaned(check_studio: EmulatorServer) -> None:
    strangers = put_strangers(check_studio)
    for dataset in ("plant", "airflow-check-of-mine", "airflow-check-0123456789abcdef-2", ""):
        clean(check_studio, dataset or None)
    assert ids(check_studio) == strangers
    assert mark_of("airflow-check-0123456789ABCDEF") is None


def test_what_cannot_be_deleted_is_listed_with_its_id(check: Check, check_studio: EmulatorServer) -> None:
    check_studio.inject(Fault(operation=DELETE, kind="success_false", skip=1, count=100))
    report = check(write=True)
    assert {left.data_id for left in report.left} == set(ids(check_studio)) != set()
    check_studio.clear_faults()
    assert clean(check_studio).left == []
    assert ids(check_studio) == []


def test_a_lost_answer_leaves_nothing_behind(check: Check, check_studio: EmulatorServer) -> None:
    for number in range(8):
        check_studio.inject(Fault(operation=CREATE, kind="drop_after", skip=number))
        assert check(write=True).left == []
        assert ids(check_studio) == []
        check_studio.clear_faults()


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_after_it_has_lost_the_service_at_any_request_cleaning_leaves_nothing(
    check_studio: EmulatorServer, kind: str, step: int
) -> None:
    """As if it were killed there: nothing that follows arrives, not even the clean-up."""
    strangers = put_strangers(check_studio)[:2]
    for stranger in ids(check_studio)[2:]:
        check_studio.remove_item(stranger)
    begun = 0
    for at in range(2, MANY, step):
        check_studio.clear_requests()

        def fail(operation: str | None, at: int = at) -> Fault | None:
            count = len(check_studio.requests())
            return Fault(kind=kind if count == at else "drop_before") if count >= at else None

        check_studio.choose_faults(fail)
        OrganizationCheck(settings(check_studio)).run(write=True)
        begun += len(ids(check_studio)) > len(strangers)
        check_studio.choose_faults(None)
        assert clean(check_studio).left == []
        assert ids(check_studio) == strangers
    assert begun > 20 // step


def command(studio: EmulatorServer, folder: Path) -> subprocess.Popen[str]:
    """The check in a process of its own, without Airflow."""
    code = (
        "import sys; from airflow_provider_ei.check import run, signals; "
        "from airflow_provider_ei.studio.settings import StudioSettings\n"
        "check = run.OrganizationCheck(StudioSettings(api_key=sys.argv[2], base_url=sys.argv[1], settle_seconds=0.2))\n"
        "try:\n"
        "    with signals.stop_on_sigterm(): check.run(write=True)\n"
        "except KeyboardInterrupt as stopped: print(type(stopped).__name__, check.left)\n"
    )
    own: Mapping[str, str] = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-c", code, studio.url, KEY], cwd=folder, env=own, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("at", [9, 14, 30])
def test_after_a_signal_nothing_is_left(check_studio: EmulatorServer, tmp_path: Path, number: int, at: int) -> None:
    process: list[subprocess.Popen[str]] = []
    signaled: list[int] = []

    def stop(record: RequestRecord) -> None:
        if len(check_studio.requests()) > at and not signaled:
            signaled.append(at)
            process[0].send_signal(number)

    check_studio.before_request(stop)
    process.append(command(check_studio, tmp_path))
    said = process[0].communicate(timeout=60)[0]
    assert said.split() == ["KeyboardInterrupt" if number == signal.SIGINT else "Terminated", "[]"]
    assert signaled and ids(check_studio) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "not stored"])
def test_after_a_kill_at_any_request_cleaning_leaves_nothing(
    check_studio: EmulatorServer, tmp_path: Path, is_stored: bool
) -> None:
    for at in range(MANY):
        check_studio.clear_requests()
        check_studio.choose_faults(lambda operation, at=at: stop_at(check_studio, at, is_stored))
        process = command(check_studio, tmp_path)
        while process.poll() is None:
            log = check_studio.requests()
            if len(log) > at and log[at].fault and (log[at].changed or log[at].method == "GET" or not is_stored):
                process.kill()
            time.sleep(0.002)
        process.communicate(timeout=60)
        check_studio.choose_faults(None)
        if len(check_studio.requests()) <= at:
            assert at > 60 and process.returncode == 0
            return
        assert clean(check_studio).left == []
        assert ids(check_studio) == []
    pytest.fail("raise MANY")


def stop_at(studio: EmulatorServer, at: int, is_stored: bool) -> Fault | None:
    """Let one request be carried out without an answer, or get an answer and not be carried out; after it, none is."""
    count = len(studio.requests())  # before this one
    if count < at:
        return None
    return Fault(kind="slow", delay_seconds=3600) if count == at and is_stored else Fault(kind="status", status=503)


def test_a_second_ctrl_c_leaves_the_rest_and_names_it(
    check_studio: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(run_module.Trial):
        def clean_up(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "Trial", Interrupted)
    check = OrganizationCheck(settings(check_studio))
    with pytest.raises(KeyboardInterrupt):
        check.run(write=True)
    assert {left.data_id for left in check.left} >= set(ids(check_studio)) != set()
    assert clean(check_studio).left == []
    assert ids(check_studio) == []
