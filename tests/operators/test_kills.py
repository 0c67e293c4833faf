"""A task that is killed at any moment before its upload uploads nothing more, and does not end as a success."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.exceptions import EdgeImpulseCancelledError
from airflow_provider_ei.hooks import edge_impulse
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from airflow_provider_ei.operators.base import EdgeImpulseOperator
from airflow_provider_ei.operators.data import EdgeImpulseAddDataOperator, EdgeImpulseSyncDatasetOperator
from airflow_provider_ei.operators.links import EdgeImpulseDatasetLink
from airflow_provider_ei.task_groups.sync import FinishSyncOperator, PlanShardsOperator, SyncShardOperator
from tests.support.airflow_runs import RunDag, is_airflow_2

FUNCTIONS = {
    "plain": "def upload(ti=None):",
    "async": "async def upload(ti=None):",
}


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("mapped", [False, True])
def test_a_kill_while_the_decorated_function_runs_prevents_the_upload(
    studio: EmulatorServer, run: RunDag, recording: Path, kind: str, mapped: bool
) -> None:
    function = FUNCTIONS[kind].replace("(", "(number, ") if mapped else FUNCTIONS[kind]
    done = run(f"""
        @dag(schedule=None)
        def killed():
            @task.edge_impulse_add_data(dataset="d")
            {function}
                ti.task.on_kill()  # as Airflow does on SIGTERM; in Airflow 3 the function then goes on
                return {{"name": "n", "files": {str(recording)!r}}}
            upload{".expand(number=[1])" if mapped else "()"}
        killed()
    """)
    assert done.states["upload"] == ["failed"]
    assert studio.requests() == []


@pytest.mark.skipif(is_airflow_2(), reason="Airflow 2 raises in the signal's handler")
def test_a_real_signal_while_the_decorated_function_runs_prevents_the_upload(
    studio: EmulatorServer, run: RunDag, recording: Path
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        done = run(f"""
            import os, signal, time
            @dag(schedule=None)
            def killed():
                @task.edge_impulse_add_data(dataset="d")
                def upload():
                    os.kill({os.getpid()}, signal.SIGTERM)
                    time.sleep(0)  # the interpreter runs the handler
                    return {{"name": "n", "files": {str(recording)!r}}}
                upload()
            killed()
        """)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert done.states["upload"] == ["failed"]
    assert studio.requests() == []


def operators(recording: Path) -> list[EdgeImpulseOperator]:
    sync: dict[str, Any] = {"dataset": "d", "source": str(recording.parent.parent), "sync_id": "s"}
    return [
        EdgeImpulseAddDataOperator(task_id="add", name="n", dataset="d", files=str(recording)),
        EdgeImpulseSyncDatasetOperator(task_id="sync", **sync),
        PlanShardsOperator(task_id="plan", shards=2, **sync),
        SyncShardOperator(task_id="shard", shard={"number": 0, "of": 1}, **sync),
        FinishSyncOperator(task_id="finish", parts=[], **sync),
    ]


@pytest.mark.parametrize("number", range(5))
def test_a_kill_before_the_hook_exists_prevents_the_upload(
    studio: EmulatorServer, recording: Path, number: int
) -> None:
    operator = operators(recording)[number]
    operator.on_kill()
    with pytest.raises(EdgeImpulseCancelledError):
        operator.execute({})
    assert studio.requests() == []


@pytest.mark.parametrize("number", range(5))
def test_a_kill_while_the_link_is_stored_prevents_the_upload(
    studio: EmulatorServer, recording: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    operator = operators(recording)[number]
    monkeypatch.setattr(EdgeImpulseDatasetLink, "persist", lambda *_: operator.on_kill())
    with pytest.raises(EdgeImpulseCancelledError):
        operator.execute({})
    assert studio.items("d") == []
    assert [request for request in studio.requests() if request.changed] == []


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("fails", [False, True])
def test_the_hook_is_closed_when_the_task_ends(
    studio: EmulatorServer, recording: Path, monkeypatch: pytest.MonkeyPatch, number: int, fails: bool
) -> None:
    closed: list[EdgeImpulseHook] = []

    class Hook(EdgeImpulseHook):
        def close(self) -> None:
            closed.append(self)
            super().close()

    monkeypatch.setattr(edge_impulse, "EdgeImpulseHook", Hook)
    operator = operators(recording)[number]
    if fails:
        operator.dataset = ""  # type: ignore[attr-defined]
        with pytest.raises(Exception, match="dataset"):
            operator.execute({})
    else:
        operator.execute({})
    assert closed == [operator._hook]
    assert "client" not in vars(closed[0])
