"""``edge_impulse_sync`` after tasks that were skipped or failed, in any way in which Airflow can do that."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_ei.emulator import EmulatorServer
from airflow_provider_ei.hooks.edge_impulse import EdgeImpulseHook
from tests.support.airflow_runs import RunDag, is_airflow_2

TASKS = [f"edge_impulse_sync.{name}" for name in ("plan", "sync_shard", "finish")]

#: What comes before the group, and what all of its tasks become.
UPSTREAM = {
    "a task that raises AirflowSkipException": (
        """
        @task
        def etl():
            raise AirflowSkipException
        etl() >> group()
        """,
        "skipped",
    ),
    "a branch that leads elsewhere": (
        """
        @task
        def elsewhere():
            pass
        @task.branch
        def branch():
            return "elsewhere"
        chosen = branch()
        chosen >> elsewhere()
        chosen >> group()
        """,
        "skipped",
    ),
    "a short circuit": (
        """
        @task.short_circuit
        def check():
            return False
        check() >> group()
        """,
        "skipped",
    ),
    "a short circuit that respects trigger rules": (
        """
        @task.short_circuit(ignore_downstream_trigger_rules=False)
        def check():
            return False
        check() >> group()
        """,
        "skipped",
    ),
    "mapped tasks that are all skipped": (
        """
        @task
        def etl(number):
            raise AirflowSkipException
        etl.expand(number=[1, 2]) >> group()
        """,
        "skipped",
    ),
    "mapped tasks that had nothing to map over": (
        """
        @task
        def none():
            return []
        @task
        def etl(number):
            pass
        etl.expand(number=none()) >> group()
        """,
        "skipped",
    ),
    "a skipped task two steps before": (
        """
        @task
        def first():
            raise AirflowSkipException
        @task
        def second():
            pass
        first() >> second() >> group()
        """,
        "skipped",
    ),
    "a skipped task that its metadata come from": (
        """
        @task
        def subject():
            raise AirflowSkipException
        group(metadata={"subject": subject()}, trigger_rule="none_failed")
        """,
        None,
    ),
    "a task that failed": (
        """
        @task
        def etl():
            raise ValueError
        etl() >> group()
        """,
        "upstream_failed",
    ),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with fewer items than the dataset has."""
    for name in ("a", "b", "c"):
        (tmp_path / "study" / name).mkdir(parents=True)
        (tmp_path / "study" / name / "x.csv").write_text(name)
    return tmp_path / "study"


def seed(source: Path) -> None:
    """Leave a dataset with an item that the source no longer has."""
    EdgeImpulseHook().sync_dataset(dataset="d", source=str(source), sync_id="guarded.edge_impulse_sync")
    (source / "c" / "x.csv").unlink()
    (source / "c").rmdir()
    (source / "b" / "x.csv").write_text("longer than before")


def lines(source: Path, upstream: str, dag_arguments: str = "") -> str:
    return f"""
        from airflow.providers.common.compat.sdk import AirflowSkipException
        @dag(schedule=None{dag_arguments})
        def guarded():
            def group(**more):
                return edge_impulse_sync(dataset="d", source={str(source)!r}, delete="extra", shards=2, **more)
{upstream.replace(chr(10), chr(10) + "    ")}
        guarded()
    """


@pytest.mark.parametrize("what", UPSTREAM)
def test_nothing_is_sent_or_deleted_after_an_upstream_task_that_was_skipped_or_failed(
    studio: EmulatorServer, run: RunDag, source: Path, what: str
) -> None:
    seed(source)
    studio.clear_requests()
    upstream, state = UPSTREAM[what]
    done = run(lines(source, upstream))
    states = [one for name in TASKS for one in done.states[name]]
    if state is None:  # the plan task may run; no task that changes the dataset does
        assert done.states["edge_impulse_sync.finish"] == ["skipped"]
        assert [request for request in studio.requests() if request.changed] == []
    else:
        assert states == [state] * 3
        assert studio.requests() == []
    assert sorted(item.name for item in studio.items("d")) == ["a", "b", "c"]


@pytest.mark.parametrize("rule", ["none_failed", "all_done"])
def test_the_trigger_rule_of_the_group_applies_to_its_first_task(
    studio: EmulatorServer, run: RunDag, source: Path, rule: str
) -> None:
    seed(source)
    upstream, _ = UPSTREAM["a task that raises AirflowSkipException"]
    done = run(lines(source, upstream.replace("group()", f"group(trigger_rule={rule!r})")))
    assert [done.states[name] for name in TASKS] == [["success"]] * 3
    assert sorted(item.name for item in studio.items("d")) == ["a", "b"]


def test_default_args_do_not_let_it_delete_after_a_shard_that_failed(
    studio: EmulatorServer, run: RunDag, source: Path
) -> None:
    seed(source)
    (source / "b" / "x").symlink_to("/nowhere")
    upstream = """
        group(default_args={"trigger_rule": "all_done"})
        """
    done = run(lines(source, upstream, ", default_args={'trigger_rule': 'all_done'}"))
    assert done.states["edge_impulse_sync.finish"] == ["upstream_failed"]
    assert sorted(item.name for item in studio.items("d")) == ["a", "b", "c"]


def test_the_group_finishes_when_there_is_nothing_to_do(studio: EmulatorServer, run: RunDag, source: Path) -> None:
    EdgeImpulseHook().sync_dataset(dataset="d", source=str(source), sync_id="guarded.edge_impulse_sync")
    studio.clear_requests()
    upstream = """
        group()
        """
    done = run(lines(source, upstream))
    assert [done.states[name] for name in TASKS] == [["success"]] * 3
    (total,) = done.returned["edge_impulse_sync.finish"]
    assert (total["unchanged"], total["failed"]) == (3, 0)
    assert [request.operation for request in studio.requests()] == ["listOrganizationFiles"] * 2


def test_the_group_works_in_a_dag_that_ends_at_the_first_failure(
    studio: EmulatorServer, run: RunDag, source: Path
) -> None:
    seed(source)
    upstream = """
        group()
        """
    done = run(lines(source, upstream, f", {'fail_stop' if is_airflow_2() else 'fail_fast'}=True"))
    assert [done.states[name] for name in TASKS] == [["success"]] * 3
    assert sorted(item.name for item in studio.items("d")) == ["a", "b"]
