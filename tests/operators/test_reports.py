"""What only tells of an upload (label, link, lineage, asset events) never fails one that is finished."""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.lineage import hook as lineage_hook

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.hooks import lineage
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators import asset_events, labels
from airflow_provider_ei.operators import openlineage as operator_lineage
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.operators.links import EdgeImpulseDatasetLink
from tests.support.airflow_runs import HOME, RunDag, is_airflow_2

try:
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors, OutletEventAccessors
except ImportError:
    from airflow.utils.context import OutletEventAccessors

    AssetStateStoreAccessors = None

#: Where each report is made; each of them is made to raise.
REPORTS: dict[str, tuple[Any, str]] = {
    "label": (labels, "_native"),
    "link": (EdgeImpulseDatasetLink, "persist"),
    "lineage": (lineage_hook, "get_hook_lineage_collector"),
    "sources of lineage": (lineage, "collapse_to_folders"),
    "asset event": (OutletEventAccessors, "__getitem__"),
    "asset of an alias": (asset_events, "create_asset"),
}
if AssetStateStoreAccessors is not None:
    REPORTS["asset state"] = (AssetStateStoreAccessors, "__getitem__")

DAG = """
    @dag(schedule=None)
    def reported():
        outlets = [Asset("edgeimpulse://7/d"), AssetAlias("reports")]
        more = {{"dataset": "d", "outlets": outlets}}
        EdgeImpulseAddDataOperator.partial(task_id="add", files={file!r}, **more).expand(name=["n"])
        EdgeImpulseSyncDatasetOperator.partial(task_id="sync", **more).expand(source=[{top!r}])

        @task.edge_impulse_add_data(**more)
        def upload(name):
            return {{"name": name, "files": {file!r}}}
        upload.expand(name=["m"])
    reported()
"""


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_that_fails_is_logged_as_a_warning(
    studio: EmulatorServer, run: RunDag, recording: Path, monkeypatch: pytest.MonkeyPatch, report: str
) -> None:
    place, name = REPORTS[report]
    original = getattr(place, name)

    def broken(*arguments: Any, **more: Any) -> Any:
        if sys._getframe(1).f_globals["__name__"].startswith("airflow_provider_ei."):
            raise RuntimeError(f"no {report}")
        return original(*arguments, **more)  # Airflow's own calls work

    warnings: list[str] = []
    monkeypatch.setattr(
        logging.getLogger("airflow_provider_ei.hooks.best_effort"), "warning", lambda *a: warnings.append(a[0] % a[1:])
    )
    monkeypatch.setattr(place, name, broken)
    top = recording.parent / "top"
    (top / "item").mkdir(parents=True)
    (top / "item" / "x.csv").write_text("1")
    done = run(DAG.format(file=str(recording), top=str(top)))
    assert done.states == {"add": ["success"], "sync": ["success"], "upload": ["success"]}
    assert sorted(item.name for item in studio.items("d")) == ["item", "m", "n"]
    assert warnings
    assert all(f"no {report}" in warning and "the data is not affected" in warning for warning in warnings)


def test_an_error_in_openlineage_is_logged_as_a_warning(
    studio: EmulatorServer, recording: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    operator = EdgeImpulseAddDataOperator(task_id="add", name="n", dataset="d", files=str(recording))
    operator.execute({})

    def broken(*_: object) -> None:
        raise RuntimeError("no OpenLineage")

    monkeypatch.setattr(operator_lineage, "operator_lineage", broken)
    assert operator.get_openlineage_facets_on_complete(None) is None
    assert "no OpenLineage" in caplog.text


@pytest.mark.parametrize("native", [False, True])
def test_any_name_can_be_a_label(studio: EmulatorServer, run: RunDag, recording: Path, native: bool) -> None:
    names = ["2026_01_15", "1.10", "None", "it's", "['a']", "{{ 1 }}", "x" * 300]
    done = run(f"""
        @dag(schedule=None, render_template_as_native_obj={native})
        def labeled():
            @task
            def names():
                return {names!r}
            add = EdgeImpulseAddDataOperator.partial(task_id="add", dataset="d", files={str(recording)!r})
            add.expand(name=names())
        labeled()
    """)
    good = [name for name in names if name != "None"]  # which stands for an upstream task that returned nothing
    assert sorted(item.name for item in studio.items("d")) == sorted(good)
    assert done.states["add"].count("success") == len(good)
    with sqlite3.connect(HOME / "airflow.db") as database:
        rows = database.execute(
            "select rendered_map_index from task_instance where run_id = ? and map_index >= 0 order by map_index",
            (done.run_id,),
        )
        shown = [label for (label,) in rows]
    assert shown == [*names[:-1], "x" * 249 + "…"]


@pytest.mark.skipif(is_airflow_2(), reason="Asset.ref came with Airflow 3")
def test_the_event_of_an_asset_reference_contains_the_result(
    studio: EmulatorServer, run: RunDag, recording: Path
) -> None:
    done = run(f"""
        @dag(schedule=None)
        def referred():
            by_uri = Asset.ref(uri="edgeimpulse://7/referred")
            named = Asset(name="the dataset", uri="edgeimpulse://7/named")
            @task(outlets=[Asset("edgeimpulse://7/referred"), named])
            def declare():
                pass
            declare() >> EdgeImpulseAddDataOperator(
                task_id="add", dataset="d", name="n", files={str(recording)!r},
                outlets=[by_uri, Asset.ref(name="the dataset")],
            )
        referred()
    """)
    assert done.states["add"] == ["success"]
    with sqlite3.connect(HOME / "airflow.db") as database:
        rows = database.execute(
            "select extra from asset_event where source_run_id = ? and source_task_id = 'add'", (done.run_id,)
        ).fetchall()
    assert len(rows) == 2
    assert all('"data_id": 1' in extra for (extra,) in rows)


def test_the_link_costs_no_request_before_the_arguments_are_checked(
    studio: EmulatorServer, connect: Any, recording: Path, run: RunDag
) -> None:
    connect(studio.url)  # without an organization id
    sync = EdgeImpulseSyncDatasetOperator(task_id="sync", dataset="d", source="/nowhere", sync_id="s")
    add = EdgeImpulseAddDataOperator(task_id="add", name="", dataset="d", files=str(recording))
    for operator in (sync, add):
        with pytest.raises(Exception, match=r"source|name"):
            operator.execute({})
    assert studio.requests() == []
    done = run(f"""
        @dag(schedule=None)
        def linked():
            EdgeImpulseAddDataOperator(task_id="add", dataset="d", name="n", files={str(recording)!r})
        linked()
    """)
    with sqlite3.connect(HOME / "airflow.db") as database:
        rows = database.execute(
            "select value from xcom where run_id = ? and key = 'edge_impulse_studio_url'", (done.run_id,)
        ).fetchall()
    assert [json.loads(value) for (value,) in rows] == [EdgeImpulseHook().data_url]
