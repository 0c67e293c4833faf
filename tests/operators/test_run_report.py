"""What tasks leave for Airflow's page, also when they fail."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer, Fault
from airflow_provider_ei.exceptions import EdgeImpulseAuthError, EdgeImpulseSyncError
from airflow_provider_ei.operators.run_report import REPORT_KEY, first_sentence
from tests.conftest import API_KEY
from tests.support.airflow_runs import HOME, RunDag


def reports(run_id: str) -> dict[str, list[dict[str, Any]]]:
    with sqlite3.connect(HOME / "airflow.db") as database:
        rows = database.execute(
            "select task_id, value from xcom where run_id = ? and key = ? order by map_index", (run_id, REPORT_KEY)
        )
        found: dict[str, list[dict[str, Any]]] = {}
        for task_id, value in rows:
            found.setdefault(task_id, []).append(json.loads(value))
        return found


def test_uploads_and_syncs_report_sums(studio: EmulatorServer, run: RunDag, recording: Path) -> None:
    done = run(f"""
        @dag(schedule=None)
        def working():
            EdgeImpulseAddDataOperator(task_id="add", dataset="d", name="a", files={str(recording)!r})

            @task.edge_impulse_add_data(dataset="many")
            def many():
                return [{{"name": str(number), "files": {str(recording)!r}}} for number in range(3)]

            items = [{{"name": "x", "files": {str(recording)!r}}}]
            many() >> EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="synced", items=items)
            EdgeImpulseSyncDatasetOperator(task_id="dry", dataset="dry", items=items, dry_run=True)
        working()
    """)
    found = reports(done.run_id)
    size = recording.stat().st_size
    address = f"{studio.url.removesuffix('/v1')}/organization/7/data"
    same = {"organization_id": 7, "url": address, "written": True}
    one = {"created": 1, "files_sent": 1, "bytes_sent": size}
    assert found["add"] == [{**same, "dataset": "d", "kind": "upload", **one}]
    assert found["many"] == [
        {**same, "dataset": "many", "kind": "upload", "created": 3, "files_sent": 3, "bytes_sent": 3 * size}
    ]
    assert {**same, "dataset": "synced", "kind": "sync", **one}.items() <= found["sync"][0].items()
    assert found["dry"][0]["kind"] == "dry run" and "written" not in found["dry"][0]


def test_a_failed_upload_reports_what_failed(
    studio: EmulatorServer, run: RunDag, recording: Path, connect: Callable[..., None]
) -> None:
    connect(studio.url, password=API_KEY[::-1], organization_id=7)
    done = run(f"""
        @dag(schedule=None)
        def wrong_key():
            EdgeImpulseAddDataOperator(task_id="add", dataset="mist", name="a", files={str(recording)!r})
        wrong_key()
    """)
    (report,) = reports(done.run_id)["add"]
    assert report["dataset"] == "mist" and "written" not in report
    assert report["failures"] == [{"name": "a", "reason": ""}] and report["failed"] == 1
    assert report["error"] and API_KEY[::-1] not in json.dumps(report)


def test_a_failed_sync_reports_its_first_failed_items_and_what_it_did(
    studio: EmulatorServer, run: RunDag, recording: Path
) -> None:
    studio.inject(Fault(operation="addOrganizationDataItem", kind="success_false", skip=1, count=8, error="Disk full"))
    done = run(f"""
        @dag(schedule=None)
        def half():
            items = [{{"name": f"item-{{number}}", "files": {str(recording)!r}}} for number in range(9)]
            EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="half", items=items, workers=1)
        half()
    """)
    (report,) = reports(done.run_id)["sync"]
    assert done.states["sync"] == ["failed"]
    assert (report["created"], report["failed"], report["written"]) == (1, 8, True)
    assert report["error"].startswith("8 of 9 data items")
    assert len(report["failures"]) == 5 and "Disk full" in report["failures"][0]["reason"]


def test_a_list_of_uploads_reports_what_was_done_before_one_failed(
    studio: EmulatorServer, run: RunDag, recording: Path
) -> None:
    done = run(f"""
        @dag(schedule=None)
        def third():
            @task.edge_impulse_add_data(dataset="many")
            def many():
                files = {str(recording)!r}
                return [{{"name": name, "files": files if name != "c" else files + ".gone"}} for name in "abcd"]
            many()
        third()
    """)
    (report,) = reports(done.run_id)["many"]
    assert (report["created"], report["failed"], report["written"]) == (2, 1, True)
    assert report["failures"] == [{"name": "c", "reason": ""}]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (EdgeImpulseAuthError("Check Password. It is wrong: 401."), "Check Password."),
        (EdgeImpulseSyncError("3 of 9 failed:\n  'a': x", summary={}, retryable=True), "3 of 9 failed"),
        (EdgeImpulseAuthError("See /data/motion.csv, version 1.5"), "See /data/motion.csv, version 1.5"),
        (KeyError("name"), "KeyError: 'name'"),
        (OSError(), "OSError"),
    ],
)
def test_the_first_sentence_of_a_message_is_reported(error: Exception, sentence: str) -> None:
    assert first_sentence(error) == sentence


def test_a_report_that_cannot_be_stored_does_not_fail_the_task(caplog: pytest.LogCaptureFixture) -> None:
    from airflow_provider_ei.operators.run_report import report_result
    from tests.plugins.conftest import upload

    class Down:
        def xcom_push(self, key: str, value: object) -> None:
            raise ConnectionError("no api-server")

    context: Any = {"ti": Down()}
    report_result(context, upload("a"))
    assert "no api-server" in caplog.text
